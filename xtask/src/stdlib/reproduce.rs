//! The same library gives the same bytes, whatever the circumstances.

use super::library::Library;
use crate::run::run;
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Bundles again: as before; with one process; from another working folder; from a copy of the tree elsewhere, with other
/// modification times.
pub(super) fn check(library: &Library) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let expected = again(library, folder.path(), "first", |command| command)?;
    let copy = folder.path().join("copy");
    copy_tree(&library.interpreter.stdlib, &copy)?;
    let root = |name: &str| {
        let mut root = std::ffi::OsString::from(format!("{name}="));
        root.push(&copy);
        root
    };
    type Change<'c> = Box<dyn Fn(&mut Command) -> &mut Command + 'c>;
    let changes: [(&str, Change<'_>); 4] = [
        ("a second time", Box::new(|command| command)),
        ("one process", Box::new(|command| command.args(["--jobs", "1"]))),
        ("another working folder", Box::new(|command| command.current_dir(folder.path()))),
        ("a copy of the tree", Box::new(|command| command.arg(root("stdlib")))),
    ];
    for (what, change) in changes {
        let found = again(library, folder.path(), "again", change)?;
        ensure!(found == expected, "{what}: other bytes");
        println!("reproduce: {what}: the same {} bytes", found.len());
    }
    Ok(())
}

fn again(
    library: &Library,
    folder: &Path,
    name: &str,
    change: impl Fn(&mut Command) -> &mut Command,
) -> Result<Vec<u8>> {
    let archive: PathBuf = folder.join(name).with_extension("perma");
    let mut command = library.command(&archive);
    command.stdout(std::process::Stdio::null());
    change(&mut command);
    run(&mut command)?;
    Ok(fs::read(archive)?)
}

/// Copies a folder in another order than it is read in by, and without its modification times.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut entries: Vec<_> = fs::read_dir(from)?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
    for entry in entries {
        let name = entry.file_name();
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            if name != "site-packages" && name != "__pycache__" && name != "lib-dynload" {
                copy_tree(&entry.path(), &target)?;
            }
        } else {
            fs::copy(entry.path(), target).with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}
