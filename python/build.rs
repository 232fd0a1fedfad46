//! Sets the `cfg` flags for the version of CPython, compiles the description of its objects, and sets the linker
//! options that unwinding needs.

use pyo3_build_config::{BuildFlag, InterpreterConfig, PythonImplementation, PythonVersion};
use std::{path::PathBuf, process::Command};

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    // What the standard library wants of `libgcc_s.so` is in `libgcc_eh.a` as well. CPython itself has no use for that
    // library, so that to load it would be a third of what it takes to import the package.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
    println!("cargo:rustc-check-cfg=cfg(permacode_image)");
    if let Some(headers) = headers(pyo3_build_config::get()) {
        let source = "src/build/image/layout.c";
        println!("cargo:rerun-if-changed={source}");
        println!("cargo:rustc-cfg=permacode_image");
        cc::Build::new()
            .file(source)
            .include(headers.join("internal"))
            .include(headers)
            .define("Py_BUILD_CORE", None)
            .flag("-fvisibility=hidden")
            .flag("-Wno-deprecated-declarations")
            .compile("permacode_layout");
    }
}

/// The folder of CPython's headers, if this package can load images into the interpreter and its internal headers are
/// there. `PERMACODE_PYTHON_HEADERS` names another folder, for builds without a running interpreter.
fn headers(interpreter: &InterpreterConfig) -> Option<PathBuf> {
    const VARIABLE: &str = "PERMACODE_PYTHON_HEADERS";
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    let versions = PythonVersion { major: 3, minor: 12 }..=PythonVersion { major: 3, minor: 15 };
    let is_known = interpreter.implementation() == PythonImplementation::CPython
        && versions.contains(&interpreter.version())
        && !interpreter.build_flags().0.contains(&BuildFlag::Py_GIL_DISABLED)
        && target("OS") == "linux"
        && ["x86_64", "aarch64"].contains(&target("ARCH").as_str());
    if !is_known {
        return None;
    }
    let folder = match std::env::var_os(VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let ask = "import sysconfig; print(sysconfig.get_path('include'), end='')";
            let output = Command::new(interpreter.executable()?).args(["-I", "-c", ask]).output().ok()?;
            PathBuf::from(String::from_utf8(output.stdout).ok()?)
        }
    };
    folder.join("internal/pycore_code.h").exists().then_some(folder)
}

fn target(name: &str) -> String {
    std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default()
}
