//! The same library gives the same bytes under all circumstances.

use super::library::Library;
use crate::run::run;
use anyhow::{Context, Result, ensure};
use std::{fs, path::Path, process::Command};

/// Bundles three times: again with the same command, with one process, and from another working folder. Each archive
/// must have the same bytes. Then bundles two copies of the tree that were made in different orders and have different
/// modification times; their archives must be equal, too.
pub(super) fn check(library: &Library) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let archive = folder.path().join("again.perma");
    let expected = bytes_of(library.command(&archive), &archive)?;

    same("a second time", &expected, &bytes_of(library.command(&archive), &archive)?)?;
    let mut one_process = library.command(&archive);
    one_process.args(["--jobs", "1"]);
    same("one process", &expected, &bytes_of(one_process, &archive)?)?;
    let mut elsewhere = library.command(&archive);
    elsewhere.current_dir(folder.path());
    same("another working folder", &expected, &bytes_of(elsewhere, &archive)?)?;

    let mut copies = Vec::new();
    for (name, is_reversed) in [("copy", false), ("another copy", true)] {
        let copy = folder.path().join(name);
        copy_tree(&library.interpreter.stdlib, &copy, is_reversed)?;
        let mut root = std::ffi::OsString::from("stdlib=");
        root.push(&copy);
        let mut command = library.command(&archive);
        command.arg(root);
        copies.push(bytes_of(command, &archive)?);
    }
    same("another copy of the tree", &copies[0], &copies[1])
}

fn same(what: &str, expected: &[u8], found: &[u8]) -> Result<()> {
    ensure!(found == expected, "{what}: the archive has other bytes than the first one");
    println!("reproduce: {what}: the same {} bytes", found.len());
    Ok(())
}

/// Runs the command and reads the archive that it makes.
fn bytes_of(mut command: Command, archive: &Path) -> Result<Vec<u8>> {
    run(command.stdout(std::process::Stdio::null()))?;
    Ok(fs::read(archive)?)
}

/// Copies a folder in order of name or in reverse. The copies get modification times of their own.
fn copy_tree(from: &Path, to: &Path, is_reversed: bool) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut entries: Vec<_> = fs::read_dir(from)?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    if is_reversed {
        entries.reverse();
    }
    for entry in entries {
        let name = entry.file_name();
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            if name != "site-packages" && name != "__pycache__" {
                copy_tree(&entry.path(), &target, is_reversed)?;
            }
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot copy {}", entry.path().display()))?;
            let time = std::time::SystemTime::UNIX_EPOCH
                + std::time::Duration::from_secs(if is_reversed { 1_000_000_000 } else { 0 });
            fs::File::options().write(true).open(&target)?.set_modified(time)?;
        }
    }
    Ok(())
}
