//! Lets the fuzzer find libtorch, as the engine's own tests do.

fn main() {
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys exports its libtorch folder");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
}
