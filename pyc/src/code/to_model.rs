//! Marshalled code objects to the model.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use permacode_model::{Code, Leaf, Module, ModuleKind, Object, Path, Qualname, Ref, Str};

use super::{
    check::{Checked, check, text, wrong_type},
    qualname::{Name, Qualnames, parents},
};
use crate::{
    HEADER_LEN, Version,
    error::Error,
    marshal::{Items, NodeId, Value, Values},
};

/// The module whose code is the root of `values`, which took `size` bytes.
pub(crate) fn to_model<'a>(mut values: Values<'a>, size: usize, version: Version) -> Result<Module<'a>, Error> {
    let root = match values.root().map(|id| values.value(id)) {
        Some(&Value::Code(root)) => root,
        other => {
            let found = other.map_or("nothing", Value::type_name);
            return Err(wrong_type("the value in the file", "a code object", found, HEADER_LEN));
        }
    };
    let codes = check(&values, size, version)?;
    let parents = parents(&values, &codes);
    let mut qualnames = if version.has_exception_table() {
        Qualnames::read(&values, &codes, &parents)
    } else {
        Qualnames::derive(&values, &codes, &parents, root)
    };
    let docstrings: Vec<Option<u32>> =
        codes.iter().zip(&parents).map(|(code, &parent)| code.docstring(&values, &codes, parent, version)).collect();
    qualnames.keep(&values, &codes, &docstrings);
    let (filename, filenames) = filenames(&values, &codes, root);

    let needed = needed(&values, &codes, &qualnames, &filenames);
    let (mut objects, refs) = objects(&mut values, &needed);
    let refs = Refs { values: &values, refs: &refs };
    let numbered = (0u32..).zip(&codes).zip(docstrings.iter().zip(&filenames));
    let codes = numbered
        .map(|((number, code), (&docstring, &filename))| {
            let constants = values.items(code.constants).iter().enumerate().map(|(index, &id)| {
                let Some(qualname) = qualnames.constant(number, index) else { return refs.get(id) };
                objects.push(qualname);
                Ref::Object((objects.len() as u32).saturating_sub(1))
            });
            Code {
                constants: constants.collect(),
                name: refs.string(code.name),
                qualname: match qualnames.name(number) {
                    Name::Derived(qualname) => qualname,
                    Name::Explicit(id) => Qualname::Explicit(refs.string(id)),
                },
                filename: filename.map(|id| refs.string(id)),
                arg_count: code.arg_count,
                posonly_count: code.posonly_count,
                kwonly_count: code.kwonly_count,
                stack_size: code.stack_size,
                flags: code.flags,
                first_line: code.first_line,
                names: refs.strings(&[code.names]),
                locals: refs.strings(&code.locals),
                local_kinds: code.local_kinds.clone(),
                local_count: code.local_count,
                bytecode: code.bytecode.clone(),
                line_table: code.line_table.clone(),
                exception_table: code.exception_table.clone(),
                docstring,
                signature: None,
            }
        })
        .collect();
    Ok(Module {
        name: String::new(),
        kind: ModuleKind::Module,
        objects,
        codes,
        root: Some(root),
        filename: filename.map(|path| Path { root: None, path }),
        source: None,
    })
}

/// The file name of the module, which is that of its root, and those of the code objects that have another one: when a module is
/// loaded from elsewhere, CPython renames the root and what has the same name (`_imp._fix_co_filename`).
fn filenames<'a>(values: &Values<'a>, codes: &[Checked<'a>], root: u32) -> (Option<Str<'a>>, Vec<Option<NodeId>>) {
    let Some(module) = codes.get(root as usize).map(|code| code.filename) else { return (None, Vec::new()) };
    let name = match values.value(module) {
        Value::Leaf(Leaf::Str(Str { text, interned })) => Some(Str { text: text.clone(), interned: *interned }),
        _ => None,
    };
    // Each name is compared once, however many code objects share it: they may be long.
    let mut known = vec![None; values.len()];
    let mut same = |id: NodeId| {
        let equal = || id == module || text(values, id) == text(values, module);
        known.get_mut(id.index()).is_some_and(|known| *known.get_or_insert_with(equal))
    };
    let others = codes.iter().map(|code| Some(code.filename).filter(|&id| !same(id))).collect();
    (name, others)
}

/// Which values become objects: constants and strings that code objects refer to, and what constants consist of.
fn needed(
    values: &Values<'_>,
    codes: &[Checked<'_>],
    qualnames: &Qualnames,
    filenames: &[Option<NodeId>],
) -> Vec<bool> {
    let mut needed = vec![false; values.len()];
    let mut need = |id: NodeId| {
        if let Some(place) = needed.get_mut(id.index()) {
            *place = true;
        }
    };
    for ((number, code), filename) in (0u32..).zip(codes).zip(filenames) {
        for (index, &constant) in values.items(code.constants).iter().enumerate() {
            if qualnames.constant(number, index).is_none() {
                need(constant);
            }
        }
        let [locals, cells, free] = code.locals;
        for list in [code.names, locals, cells, free] {
            values.items(list).iter().copied().for_each(&mut need);
        }
        need(code.name);
        filename.iter().copied().for_each(&mut need);
        if let Name::Explicit(id) = qualnames.name(number) {
            need(id);
        }
    }
    // Parts have lower numbers than what they are parts of.
    for id in values.ids().rev() {
        let Value::Container(_, items) = *values.value(id) else { continue };
        if needed.get(id.index()) == Some(&true) {
            for part in values.items(items) {
                if let Some(place) = needed.get_mut(part.index()) {
                    *place = true;
                }
            }
        }
    }
    needed
}

/// An object for each value that is needed, in the order of the file, and what each value is in the model.
fn objects<'a>(values: &mut Values<'a>, needed: &[bool]) -> (Vec<Object<'a>>, Vec<Option<Ref>>) {
    let mut refs = vec![None; values.len()];
    let mut objects = Vec::with_capacity(needed.iter().filter(|&&needed| needed).count());
    for (id, &needed) in values.ids().zip(needed) {
        let reference = match values.value_mut(id) {
            Value::Code(code) => Ref::Code(*code),
            _ if !needed => continue,
            &mut Value::Container(container, items) => {
                let known = Refs { values, refs: &refs };
                let items = values.items(items).iter().map(|&part| known.get(part)).collect();
                objects.push(Object::Container(container, items));
                Ref::Object((objects.len() as u32).saturating_sub(1))
            }
            Value::Leaf(leaf) => {
                objects.push(Object::Leaf(std::mem::replace(leaf, Leaf::None)));
                Ref::Object((objects.len() as u32).saturating_sub(1))
            }
        };
        if let Some(place) = refs.get_mut(id.index()) {
            *place = Some(reference);
        }
    }
    (objects, refs)
}

/// What the values are in the model.
struct Refs<'v, 'a> {
    values: &'v Values<'a>,
    refs: &'v [Option<Ref>],
}

impl Refs<'_, '_> {
    /// All that is asked for has been found needed; should it not be, no object has the number that is given.
    fn get(&self, id: NodeId) -> Ref {
        self.refs.get(id.index()).copied().flatten().unwrap_or(Ref::Object(u32::MAX))
    }

    fn string(&self, id: NodeId) -> u32 {
        match self.get(id) {
            Ref::Object(object) => object,
            Ref::Code(_) => u32::MAX,
        }
    }

    fn strings(&self, lists: &[Items]) -> Vec<u32> {
        lists.iter().flat_map(|&list| self.values.items(list)).map(|&id| self.string(id)).collect()
    }
}
