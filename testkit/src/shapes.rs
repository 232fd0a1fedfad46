//! Small valid archives, each with another structure, and the modules and resources in them.

use crate::{Part, Program};
use permacode_format::{digest, local_kind};
use permacode_model::*;
use permacode_writer::Options;

/// Names and bytes of all shapes. The last one has every feature.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let aligned = Program { targets: vec![part(0, vec![classes("ma")], vec![])] };
    let aligned = aligned.plan(Options::default().code_align_log2(6), 0).unwrap().to_bytes();
    let targets = vec![part(0, vec![plain("ma")], vec![]), part(1, vec![plain("ma")], vec![])];
    vec![
        ("empty", Program::default().write()),
        ("target", archive(vec![], vec![])),
        ("namespace", archive(vec![namespace("ns")], vec![])),
        ("module", archive(vec![plain("ma")], vec![])),
        ("packages", archive(vec![plain("a"), namespace("a.b"), plain("a.b.c"), plain("a-b")], vec![])),
        ("resources", archive(vec![], vec![resource(b"ra", b""), resource(b"p/\xFF", b"bytes")])),
        ("values", archive(vec![values("va")], vec![])),
        ("classes", archive(vec![classes("pkg.mod")], vec![])),
        ("targets", Program { targets }.write()),
        ("aligned", aligned),
        ("everything", everything()),
    ]
}

/// An archive with every feature.
#[must_use]
pub fn everything() -> Vec<u8> {
    let modules = vec![plain("ma"), plain("mb"), namespace("ns"), values("pkg"), classes("pkg.mod")];
    let resources = vec![resource(b"ra", b"bytes"), resource(b"rb", b"others")];
    Program { targets: vec![part(0, modules, resources), part(1, vec![plain("ma")], vec![])] }.write()
}

/// An archive with one target.
#[must_use]
pub fn archive(modules: Vec<Module<'static>>, resources: Vec<Resource<'static>>) -> Vec<u8> {
    Program { targets: vec![part(0, modules, resources)] }.write()
}

/// A [`target`] with its modules and resources.
#[must_use]
pub fn part(optimization: u8, modules: Vec<Module<'static>>, resources: Vec<Resource<'static>>) -> Part<'static> {
    Part { target: target(optimization), modules, resources }
}

/// A target of the virtual machine `toy`.
#[must_use]
pub fn target(optimization: u8) -> Target {
    Target {
        optimization,
        cache_tag: "toy-1".into(),
        line_encoding: LineEncoding::LocationTable,
        exception_encoding: ExceptionEncoding::Table311,
        ..Target::new("toy", 0x0A0D_0001, 0x0100, 2)
    }
}

/// A resource in the root `stdlib`. It is executable if it has more than five bytes.
#[must_use]
pub fn resource(path: &[u8], data: &[u8]) -> Resource<'static> {
    Resource {
        root: "stdlib".into(),
        path: path.to_vec().into(),
        executable: data.len() > 5,
        data: data.to_vec().into(),
    }
}

fn path(text: String) -> Path<'static> {
    Path { root: Some("stdlib".into()), path: Str::plain(text) }
}

/// A namespace package.
#[must_use]
pub fn namespace(name: &str) -> Module<'static> {
    Module::namespace(name)
}

/// A module whose body is the last code object.
fn module(name: &str, objects: Vec<Object<'static>>, codes: Vec<Code<'static>>) -> Module<'static> {
    let (kind, body) = (ModuleKind::Package, Some(codes.len() as u32 - 1));
    let filename = Some(path(format!("{name}.py")));
    Module { name: name.to_owned(), kind, objects, codes, body, filename, source: None }
}

/// A code object without names and locals.
#[must_use]
pub fn code(name: u32, constants: Vec<Ref>) -> Code<'static> {
    Code {
        name,
        stack_size: 1,
        first_line: 1,
        constants,
        bytecode: b"run\0".as_slice().into(),
        line_table: b"lines".as_slice().into(),
        ..Code::default()
    }
}

fn text(text: &str) -> Object<'static> {
    Object::Leaf(Leaf::Str(Str::interned(text.to_owned())))
}

/// A module that does nothing.
#[must_use]
pub fn plain(name: &str) -> Module<'static> {
    module(name, vec![text("<module>"), Object::Leaf(Leaf::None)], vec![code(0, vec![Ref::Object(1)])])
}

/// A module with a constant of each kind.
#[must_use]
pub fn values(name: &str) -> Module<'static> {
    let scalars = [
        text("<module>"),
        Object::Leaf(Leaf::None),
        Object::Leaf(Leaf::False),
        Object::Leaf(Leaf::True),
        Object::Leaf(Leaf::Ellipsis),
        Object::Leaf(Leaf::StopIteration),
        Object::Leaf(Leaf::Int(b"".as_slice().into())),
        Object::Leaf(Leaf::Int(b"\x02\x01".as_slice().into())),
        Object::Leaf(Leaf::Int([[0xA5; 20].as_slice(), &[0x7F]].concat().into())),
        Object::Leaf(Leaf::Float(f64::NAN.to_bits())),
        Object::Leaf(Leaf::Complex(0, 1 << 63)),
        Object::Leaf(Leaf::Bytes(b"bytes".as_slice().into())),
        Object::Leaf(Leaf::Str(Str::plain("n\u{e9}"))),
        Object::Leaf(Leaf::Str(Str { text: b"\xED\xA0\x80".as_slice().into(), interned: false })),
    ];
    let mut objects = scalars.to_vec();
    let of = |kind, items: &[u32]| Object::Container(kind, items.iter().copied().map(Ref::Object).collect());
    objects.extend([
        of(Container::Tuple, &[1, 7]),
        of(Container::FrozenSet, &[0, 14]),
        of(Container::List, &[]),
        of(Container::Set, &[12]),
        of(Container::Dict, &[0, 16]),
        of(Container::FrozenDict, &[12, 15]),
        of(Container::Slice, &[1, 7, 1]),
        of(Container::Tuple, &[15, 18]),
    ]);
    let constants = (1..objects.len() as u32).map(Ref::Object).collect();
    module(name, objects, vec![code(0, constants)])
}

/// A module with functions in classes, a source, and code objects with every feature.
#[must_use]
pub fn classes(name: &str) -> Module<'static> {
    let mut objects: Vec<_> = ["<module>", "C", "f", "self", "x", "<lambda>"].map(text).to_vec();
    objects.extend([
        Object::Leaf(Leaf::Str(Str::plain("What f does."))),
        Object::Leaf(Leaf::Qualname { constant: 0, interned: true }),
        Object::Leaf(Leaf::Str(Str::plain("elsewhere.py"))),
        Object::Container(Container::Tuple, vec![Ref::Code(1), Ref::Object(1)]),
        Object::Container(Container::List, vec![Ref::Object(9), Ref::Object(9)]),
        Object::Leaf(Leaf::None),
        text("odd.name"),
    ]);
    let function = Code {
        qualname: Qualname::Member { interned: true },
        arg_count: 1,
        names: vec![4, 2],
        locals: vec![3, 4],
        local_kinds: [local_kind::LOCAL, local_kind::LOCAL | local_kind::CELL].to_vec().into(),
        docstring: Some(0),
        signature: Some(b"{\"x\": \"1\"}".as_slice().into()),
        exception_table: b"except".as_slice().into(),
        bytecode: b"function".as_slice().into(),
        ..code(2, vec![Ref::Object(6), Ref::Object(11)])
    };
    let lambda = Code {
        qualname: Qualname::Local { interned: false },
        filename: Some(8),
        stack_size: 70_000,
        first_line: -3,
        local_count: Some(9),
        signature: Some(b"{}".as_slice().into()),
        ..code(5, vec![Ref::Object(11)])
    };
    let odd = Code { qualname: Qualname::Explicit(12), ..code(4, vec![Ref::Object(11)]) };
    let class = code(1, vec![Ref::Code(0), Ref::Object(7), Ref::Code(2)]);
    let root = code(0, vec![Ref::Code(3), Ref::Object(7), Ref::Object(10), Ref::Object(11)]);
    let mut module = module(name, objects, vec![function, lambda, odd, class, root]);
    let text = b"class C:\n    def f(self, x): ...\n";
    module.source = Some(Source {
        path: path(format!("{name}.py")),
        size: text.len() as u64,
        digest: digest(text),
        mtime: Some(1_700_000_000),
        executable: false,
        text: Some(text.as_slice().into()),
    });
    module
}
