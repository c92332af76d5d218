//! Lets the crate's own tests find libtorch; the addon carries its own path.

fn main() {
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys exports its libtorch folder");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
}
