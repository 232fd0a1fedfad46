//! The packages of the workspace, as cargo describes them.

use crate::run::{cargo, root, run, target_folder};
use anyhow::{Context, Result, ensure};
use cargo_metadata::{Metadata, MetadataCommand, Package, semver::Version};
use std::process::Command;

/// The workspace.
pub(super) struct Packages(Metadata);

impl Packages {
    pub(super) fn new() -> Result<Self> {
        let mut command = MetadataCommand::new();
        command.manifest_path(root().join("Cargo.toml")).no_deps();
        Ok(Packages(command.exec().context("cannot list the packages of the workspace")?))
    }

    /// The packages that may be published.
    fn published(&self) -> impl Iterator<Item = &Package> {
        // `publish = false` is an empty list of registries.
        let all = self.0.workspace_packages().into_iter();
        all.filter(|package| package.publish.as_ref().is_none_or(|registries| !registries.is_empty()))
    }

    /// Names of the libraries that may be published.
    pub(super) fn libraries(&self) -> Vec<&str> {
        let libraries = self.published().filter(|package| package.targets.iter().any(|target| target.is_lib()));
        libraries.map(|package| package.name.as_str()).collect()
    }

    /// Names of the libraries that have default features to leave out.
    pub(super) fn libraries_with_default_features(&self) -> Vec<&str> {
        let mut libraries = self.libraries();
        libraries.retain(|library| {
            let default = self.published().find(|package| package.name == *library);
            default.and_then(|package| package.features.get("default")).is_some_and(|features| !features.is_empty())
        });
        libraries
    }

    /// The oldest version of Rust that the packages claim to work with. It must be the same for all of them.
    pub(super) fn rust_version(&self) -> Result<Version> {
        let mut versions = self.0.workspace_packages().into_iter().map(|package| (package, &package.rust_version));
        let (_, first) = versions.next().context("the workspace is empty")?;
        let first = first.as_ref().context("Cargo.toml has no rust-version")?;
        for (package, version) in versions {
            ensure!(version.as_ref() == Some(first), "{} has another rust-version than {first}", package.name);
        }
        Ok(first.clone())
    }

    /// Each package that may be published describes itself, and cargo can make its file for the registry.
    pub(super) fn check_publishing(&self) -> Result<()> {
        // Without `--no-verify`, cargo would compile the packages once more. `--allow-dirty`: there may be changes that
        // are not committed yet.
        let mut command = cargo(&["package", "--quiet", "--locked", "--no-verify", "--allow-dirty"]);
        let mut names = Vec::new();
        for package in self.published() {
            let missing: Vec<&str> = [
                ("description", package.description.is_none()),
                ("license", package.license.is_none()),
                ("repository", package.repository.is_none()),
                ("readme", package.readme.is_none()),
                ("keywords", package.keywords.is_empty()),
                ("categories", package.categories.is_empty()),
            ]
            .into_iter()
            .filter_map(|(field, is_missing)| is_missing.then_some(field))
            .collect();
            ensure!(missing.is_empty(), "{} lacks {}", package.manifest_path, missing.join(", "));
            command.args(["--package", &package.name]);
            names.push(package.name.as_str());
        }
        run(&mut command)?;
        println!("can be published: {}", names.join(", "));
        Ok(())
    }
}

/// The fuzz targets compile. They are a workspace of their own, and need no sanitizer for that.
pub(super) fn check_fuzz_targets() -> Result<()> {
    run(&mut cargo(&["clippy", "--quiet", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--", "-D", "warnings"]))
}

/// Compiles everything with the version of Rust that `rust-version` names.
///
/// Clippy finds functions of the standard library that are newer (`incompatible_msrv`, one of the lints of an earlier
/// step), but no newer syntax. Only a compiler of that version does.
pub(super) fn check_rust_version(wanted: &Version) -> Result<()> {
    const CHECK: [&str; 4] = ["check", "--workspace", "--all-targets", "--locked"];
    let running = rustc_version::version().context("cannot ask rustc for its version")?;
    if (running.major, running.minor) == (wanted.major, wanted.minor) {
        println!("rust-version is {wanted}, and so is the compiler in use");
        return run(&mut cargo(&CHECK));
    }
    println!("rust-version is {wanted}, the compiler in use is {running}: compiling with {wanted}");
    let toolchain = wanted.to_string();
    let mut command = Command::new("rustup");
    command.args(["run", "--install", &toolchain, "cargo"]).args(CHECK).current_dir(root());
    // In a folder of its own, or both compilers would build everything anew each time.
    command.env("CARGO_TARGET_DIR", target_folder().join("rust-version"));
    // The compiler of that version, not the one that runs this.
    command.env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    run(&mut command).with_context(|| format!("Rust {wanted} is needed: rustup toolchain install {toolchain}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::output;

    /// Crates that only writing archives needs.
    const ONLY_FOR_WRITING: [&str; 3] = ["permacode-writer", "tempfile", "rustix"];

    #[test]
    fn the_extension_module_contains_no_crate_that_only_writing_needs() {
        let tree = ["tree", "--locked", "--package", "permacode-python", "--edges", "normal", "--prefix", "none"];
        let tree = output(&mut cargo(&tree)).unwrap();
        let names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(names.contains(&"permacode-reader"), "{tree}");
        for name in ONLY_FOR_WRITING {
            assert!(!names.contains(&name), "see cargo tree --package permacode-python --invert {name}");
        }
    }

    #[test]
    fn the_lists_hold_what_cargo_toml_says() {
        let packages = Packages::new().unwrap();
        let published: Vec<&str> = packages.published().map(|package| package.name.as_str()).collect();
        for name in ["permacode", "permacode-format", "permacode-reader", "permacode-pyc"] {
            assert!(published.contains(&name), "{published:?}");
        }
        for name in ["xtask", "permacode-python", "permacode-testkit"] {
            assert!(!published.contains(&name), "{published:?}");
        }
        let libraries = packages.libraries();
        assert!(libraries.contains(&"permacode-reader") && !libraries.contains(&"permacode"), "{libraries:?}");
        let with_features = packages.libraries_with_default_features();
        assert!(with_features.contains(&"permacode-reader"), "{with_features:?}");
        assert!(!with_features.contains(&"permacode-bundle"), "{with_features:?}");
    }
}
