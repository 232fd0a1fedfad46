//! Archives of many small modules.

use anyhow::Result;
use permacode_model::{
    Code, ExceptionEncoding, Leaf, LineEncoding, Module, ModuleKind, Object, Path, Ref, Str, Target,
};
use permacode_writer::{Options, Plan, Writer};

/// An archive of this many modules, each with one code object.
pub(super) fn archive_of(modules: usize) -> Result<Plan> {
    let mut writer = Writer::new(Options::default());
    let target = writer.add_target(&Target {
        cache_tag: "cpython-313".into(),
        line_encoding: LineEncoding::LocationTable,
        exception_encoding: ExceptionEncoding::Table311,
        ..Target::new("cpython", 3571, 0x030D_00F0, 2)
    })?;
    for number in 0..modules {
        let name = format!("package.module{number}");
        let filename = format!("package/module{number}.py");
        let objects = vec![
            Object::Leaf(Leaf::Str(Str::interned("<module>"))),
            Object::Leaf(Leaf::Str(Str::interned(format!("name{number}")))),
        ];
        writer.add_module(
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
                body: Some(0),
                filename: Some(Path { root: Some("root".into()), path: Str::plain(filename) }),
                source: None,
            },
        )?;
    }
    Ok(writer.plan()?)
}
