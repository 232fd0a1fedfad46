//! An archive of a package, which CPython 3.13 compiled: the `.pyc` files lie beside the sources.

use permacode_model::{Module, ModuleKind, Path, Source, Str, Strip, Target};
use permacode_pyc::{decode_pyc, strip_docstrings};
use permacode_reader::{ExceptionEncoding, LineEncoding};
use permacode_signatures::Functions;
use permacode_testkit::{Part, Program};

/// The archive. It has the same bytes on every machine.
pub(crate) fn archive() -> Vec<u8> {
    without(&[])
}

/// The archive without some parts: docstrings, signatures.
pub(crate) fn without(parts: &[Strip]) -> Vec<u8> {
    let target = Target {
        stripped: parts.iter().copied().collect(),
        cache_tag: "cpython-313".into(),
        line_encoding: LineEncoding::LocationTable,
        exception_encoding: ExceptionEncoding::Table311,
        ..Target::new("cpython", 0x0A0D_0DF3, 0x030D_00F0, 2)
    };
    let basket = module(
        "shop.basket",
        ModuleKind::Module,
        "shop/basket.py",
        include_bytes!("shop/basket.py"),
        include_bytes!("shop/basket.pyc"),
        parts,
    );
    let shop = module(
        "shop",
        ModuleKind::Package,
        "shop/__init__.py",
        include_bytes!("shop/__init__.py"),
        include_bytes!("shop/__init__.pyc"),
        parts,
    );
    Program { targets: vec![Part { target, modules: vec![shop, basket], resources: vec![] }] }.write()
}

fn module(
    name: &'static str,
    kind: ModuleKind,
    path: &'static str,
    source: &'static [u8],
    pyc: &'static [u8],
    without: &[Strip],
) -> Module<'static> {
    let pyc = decode_pyc(pyc).unwrap();
    let mut module = pyc.module;
    if !without.contains(&Strip::Signatures) {
        Functions::of_source(source).unwrap().add_to(&mut module);
    }
    if without.contains(&Strip::Docstrings) {
        strip_docstrings(&mut module, pyc.header.version);
    }
    let path = Path { root: Some("lib".into()), path: Str::plain(path) };
    let source = Source {
        path: path.clone(),
        size: source.len() as u64,
        digest: permacode_format::digest(source),
        mtime: None,
        executable: false,
        text: Some(source.into()),
    };
    Module { name: name.into(), kind, filename: Some(path), source: Some(source), ..module }
}
