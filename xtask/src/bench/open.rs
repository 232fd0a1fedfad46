//! `cargo xtask bench open`: opening takes the same number of instructions for ten modules as for ten thousand.

use crate::run::{cargo, output, release_folder, run};
use anyhow::{Context, Result, ensure};
use permacode_model::{
    Code, ExceptionEncoding, Leaf, LineEncoding, Module, ModuleKind, Object, Path, Ref, Str, Target,
};
use permacode_writer::{Options, Writer};
use std::process::Command;

/// Counts under callgrind and compares, within one percent.
pub(crate) fn open() -> Result<()> {
    run(&mut cargo(&["build", "--quiet", "--release", "--package", "permacode-reader", "--example", "open"]))?;
    let folder = tempfile::tempdir()?;
    let mut counts = Vec::new();
    for modules in [10, 10_000] {
        let path = folder.path().join(format!("{modules}.perma"));
        archive_of(modules)?.publish(&path)?;
        let count = instructions(&path, folder.path()).context("counting needs valgrind")?;
        println!("open of {modules:>6} modules: {count} instructions");
        counts.push(count);
    }
    let (few, many) = (counts[0], counts[1]);
    ensure!(few.abs_diff(many) * 100 <= few, "opening depends on the number of modules: {few} and {many} instructions");
    Ok(())
}

fn instructions(archive: &std::path::Path, folder: &std::path::Path) -> Result<u64> {
    let profile = folder.join("callgrind.out");
    output(
        Command::new("valgrind")
            .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*open_mapped*"])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(release_folder().join("examples/open"))
            .arg(archive),
    )?;
    let profile = std::fs::read_to_string(profile)?;
    let totals = profile.lines().find_map(|line| line.strip_prefix("totals: ")).context("no totals in the profile")?;
    let count: u64 = totals.trim().parse()?;
    ensure!(count > 0, "nothing was counted: is `open_mapped` still the name of the function?");
    Ok(count)
}

fn archive_of(modules: usize) -> Result<permacode_writer::Plan> {
    let mut writer = Writer::new(Options::default());
    let target = writer.target(&Target {
        vm: "cpython".into(),
        bytecode_magic: 3571,
        vm_version: 0x030D_00F0,
        optimization: 0,
        tag: "cpython-313".into(),
        unit_size: 2,
        line_encoding: LineEncoding::LocationTable,
        exception_encoding: ExceptionEncoding::Table311,
        sealed: false,
    })?;
    for number in 0..modules {
        let name = format!("package.module{number}");
        let filename = format!("package/module{number}.py");
        let objects = vec![
            Object::Leaf(Leaf::Str(Str::interned("<module>"))),
            Object::Leaf(Leaf::Str(Str::interned(format!("name{number}")))),
        ];
        writer.module(
            target,
            &Module {
                name,
                kind: ModuleKind::Module,
                objects,
                codes: vec![Code {
                    stack_size: 1,
                    first_line: 1,
                    constants: vec![Ref::Object(1)],
                    names: vec![1],
                    bytecode: vec![0; 64].into(),
                    ..Code::default()
                }],
                root: Some(0),
                filename: Some(Path { root: Some("root".into()), path: Str::plain(filename) }),
                source: None,
            },
        )?;
    }
    Ok(writer.plan()?)
}
