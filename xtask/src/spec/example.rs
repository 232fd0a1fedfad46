//! The worked example: the smallest archive with code in it, field by field.

use anyhow::{Context, Result};
use permacode_dump::Map;
use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Ref, Str, Target};
use permacode_reader::Archive;
use permacode_writer::{Options, Writer};
use std::fmt::Write as _;

/// The annotated hexdump, in its fence.
pub(super) fn block() -> Result<String> {
    let bytes = smallest()?;
    Archive::open(&bytes)?.verify().context("the example breaks a rule")?;
    Ok(format!("```hexdump\n{}```\n", dump(&bytes)?))
}

/// One target, one module, one code object that returns a constant.
fn smallest() -> Result<Vec<u8>> {
    let mut writer = Writer::new(Options::default());
    let target = writer.add_target(&Target { cache_tag: "toy-1".into(), ..Target::new("toy", 7, 0x0100, 2) })?;
    writer.add_module(
        target,
        &Module {
            name: "m".into(),
            kind: ModuleKind::Module,
            objects: vec![Object::Leaf(Leaf::Str(Str::interned("<module>"))), Object::Leaf(Leaf::Int(vec![42].into()))],
            codes: vec![Code {
                stack_size: 1,
                first_line: 1,
                constants: vec![Ref::Object(1)],
                bytecode: vec![0x01, 0x00, 0x02, 0x00].into(),
                ..Code::default()
            }],
            body: Some(0),
            filename: Some(Path { root: Some("app".into()), path: Str::plain("m.toy") }),
            source: None,
        },
    )?;
    Ok(writer.plan()?.to_bytes())
}

/// All lines of the archive.
fn dump(bytes: &[u8]) -> Result<String> {
    let map = Map::of(bytes);
    let mut out = String::new();
    map.lines(0..map.len(), &mut |line| writeln!(out, "{line}"))?;
    Ok(out)
}
