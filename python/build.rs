//! Sets the `cfg` flags for the version of CPython, and the linker options that unwinding needs.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    // What the standard library wants of `libgcc_s.so` is in `libgcc_eh.a` as well. CPython itself has no use for that
    // library, so that to load it would be a third of what it takes to import the package.
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}
