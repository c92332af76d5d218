//! Compiles the C++ file against the libtorch that torch-sys has found.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=cpp");
    // torch-sys exports the lib folder; the headers are beside it.
    let lib = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys exports its libtorch folder"));
    let include = lib.parent().expect("lib has a parent").join("include");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("cpp/shim.cpp")
        .include("cpp")
        .flag("-isystem")
        .flag(include.to_str().expect("the libtorch path is UTF-8"))
        .flag("-isystem")
        .flag(include.join("torch/csrc/api/include").to_str().expect("the libtorch path is UTF-8"))
        .compile("exit_rl_shim");
    println!("cargo:rustc-link-search=native={}", lib.display());
    println!("cargo:rustc-link-lib=torch_cpu");
    println!("cargo:rustc-link-lib=c10");
}
