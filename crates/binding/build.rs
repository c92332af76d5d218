//! Sets up napi and writes the folder of the libtorch used for building into the addon's RUNPATH.

fn main() {
    napi_build::setup();
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys exports its libtorch folder");
    println!("cargo:rustc-link-arg-cdylib=-Wl,-rpath,{lib}");
}
