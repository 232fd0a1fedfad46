//! Marshalled code objects to the model.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::borrow::Cow;

use permacode_format::{Container, local_kind};
use permacode_writer::model::{self, Module, ModuleKind, Object, Path, Qualname, Ref, Str};

use super::{
    flag,
    qualname::{Chain, Form, MAX_DERIVED, parent_part},
};
use crate::{
    Version, docstring,
    error::{Error, ErrorKind},
    marshal::{Code, Items, NodeId, Value, Values, field},
};

/// Lists of code objects may be shared in a file, but not in the model: this many entries for a byte of the file are allowed.
/// (In standard libraries there is less than one for ten bytes.)
const ENTRIES_PER_BYTE: usize = 16;

/// The module whose code is the root of `values`, which took `size` bytes.
pub(crate) fn to_model<'a>(values: Values<'a>, size: usize, version: Version) -> Result<Module<'a>, Error> {
    let root = match values.root().map(|id| (id, values.value(id))) {
        Some((_, &Value::Code(root))) => root,
        other => {
            let found = other.map_or("nothing", |(_, value)| value.type_name());
            return Err(wrong_type("the value in the file", "a code object", found, crate::HEADER_LEN));
        }
    };
    let codes = check(&values, size, version)?;
    let parents = parents(&values, &codes);
    let qualnames = if version.has_exception_table() {
        Qualnames::read(&values, &codes, &parents)
    } else {
        Qualnames::derive(&values, &codes, &parents, root)
    };
    let docstrings: Vec<_> =
        codes.iter().zip(&parents).map(|(code, parent)| code.docstring(&values, &codes, *parent, version)).collect();
    Ok(build(values, root, &codes, qualnames, docstrings))
}

fn wrong_type(field: &'static str, expected: &'static str, found: &'static str, offset: usize) -> Error {
    Error::new(ErrorKind::WrongType { field, expected, found }, offset)
}

/// A code object whose fields have been found to have the right types.
struct Checked<'a> {
    arg_count: u32,
    posonly_count: u32,
    kwonly_count: u32,
    local_count: Option<u32>,
    stack_size: u32,
    flags: u32,
    first_line: i32,
    bytecode: Cow<'a, [u8]>,
    constants: Items,
    names: Items,
    /// One list from 3.11 on; before, local variables, cells and free variables.
    locals: [Items; 3],
    local_kinds: Cow<'a, [u8]>,
    filename: NodeId,
    name: NodeId,
    qualname: Option<NodeId>,
    line_table: Cow<'a, [u8]>,
    exception_table: Cow<'a, [u8]>,
}

fn check<'a>(values: &Values<'a>, size: usize, version: Version) -> Result<Vec<Checked<'a>>, Error> {
    let mut budget = size.saturating_mul(ENTRIES_PER_BYTE);
    let mut codes = Vec::new();
    for id in values.ids() {
        let &Value::Code(number) = values.value(id) else { continue };
        let code = values.code(number);
        let checked = check_code(values, code, version)?;
        let [locals, cells, free] = checked.locals;
        for list in [checked.constants, checked.names, locals, cells, free] {
            budget = budget.checked_sub(list.len()).ok_or_else(|| {
                Error::new(ErrorKind::TooLarge { what: "names and constants of code objects are" }, code.offset)
            })?;
        }
        codes.push(checked);
    }
    Ok(codes)
}

/// Reads the fields of one code object (`r_object`, `_PyCode_Validate` in `Objects/codeobject.c`).
fn check_code<'a>(values: &Values<'a>, code: &Code, version: Version) -> Result<Checked<'a>, Error> {
    let fields = Fields { values, ids: values.items(code.fields), offset: code.offset };
    let (name, filename, qualname);
    let (locals, local_kinds, exception_table, local_count);
    if version.has_exception_table() {
        let names = fields.strings(field::LOCALS, "co_localsplusnames")?;
        local_kinds = fields.bytes(field::LOCAL_KINDS, "co_localspluskinds")?;
        let (names_len, kinds_len) = (names.len() as u64, local_kinds.len() as u64);
        if names_len != kinds_len {
            return Err(Error::new(ErrorKind::LocalKinds { names: names_len, kinds: kinds_len }, code.offset));
        }
        locals = [names, Items::EMPTY, Items::EMPTY];
        local_count = None;
        filename = fields.string(field::FILENAME, "co_filename")?;
        name = fields.string(field::NAME, "co_name")?;
        qualname = Some(fields.string(field::QUALNAME, "co_qualname")?);
        exception_table = fields.bytes(field::EXCEPTION_TABLE, "co_exceptiontable")?;
    } else {
        let names = fields.strings(field::LOCALS, "co_varnames")?;
        let cells = fields.strings(field::CELL_NAMES, "co_cellvars")?;
        let free = fields.strings(field::FREE_NAMES, "co_freevars")?;
        locals = [names, cells, free];
        local_kinds = old_kinds(locals.map(Items::len));
        let count = fields.number(code.local_count, "co_nlocals")?;
        local_count = (count as usize != names.len()).then_some(count);
        filename = fields.string(field::OLD_FILENAME, "co_filename")?;
        name = fields.string(field::OLD_NAME, "co_name")?;
        qualname = None;
        exception_table = Cow::Borrowed(&[][..]);
    }
    Ok(Checked {
        arg_count: fields.number(code.arg_count, "co_argcount")?,
        posonly_count: fields.number(code.posonly_count, "co_posonlyargcount")?,
        kwonly_count: fields.number(code.kwonly_count, "co_kwonlyargcount")?,
        local_count,
        stack_size: fields.number(code.stack_size, "co_stacksize")?,
        flags: code.flags.cast_unsigned(),
        first_line: code.first_line,
        bytecode: fields.bytes(field::BYTECODE, "co_code")?,
        constants: fields.tuple(field::CONSTANTS, "co_consts")?,
        names: fields.strings(field::NAMES, "co_names")?,
        locals,
        local_kinds,
        filename,
        name,
        qualname,
        line_table: fields.bytes(field::LINE_TABLE, "co_linetable")?,
        exception_table,
    })
}

/// Kinds of local variables, cells and free variables, so many of each. Most code objects have only local variables, and few.
fn old_kinds<'a>([locals, cells, free]: [usize; 3]) -> Cow<'a, [u8]> {
    static LOCALS: [u8; 32] = [local_kind::LOCAL; 32];
    if let (0, 0, Some(kinds)) = (cells, free, LOCALS.get(..locals)) {
        return Cow::Borrowed(kinds);
    }
    let kinds = [(local_kind::LOCAL, locals), (local_kind::CELL, cells), (local_kind::FREE, free)];
    Cow::Owned(kinds.iter().flat_map(|&(kind, count)| std::iter::repeat_n(kind, count)).collect())
}

/// The fields of a code object by number and name.
struct Fields<'v, 'a> {
    values: &'v Values<'a>,
    ids: &'v [NodeId],
    offset: usize,
}

impl<'a> Fields<'_, 'a> {
    fn get(&self, number: usize, name: &'static str) -> Result<NodeId, Error> {
        self.ids.get(number).copied().ok_or_else(|| wrong_type(name, "a value", "nothing", self.offset))
    }

    fn wrong(&self, name: &'static str, expected: &'static str, id: NodeId) -> Error {
        wrong_type(name, expected, self.values.value(id).type_name(), self.offset)
    }

    fn tuple(&self, number: usize, name: &'static str) -> Result<Items, Error> {
        let id = self.get(number, name)?;
        match *self.values.value(id) {
            Value::Container(Container::Tuple, items) => Ok(items),
            _ => Err(self.wrong(name, "a tuple", id)),
        }
    }

    fn strings(&self, number: usize, name: &'static str) -> Result<Items, Error> {
        let items = self.tuple(number, name)?;
        for &id in self.values.items(items) {
            if !matches!(self.values.value(id), Value::Str(..)) {
                return Err(self.wrong(name, "a tuple of str", id));
            }
        }
        Ok(items)
    }

    fn string(&self, number: usize, name: &'static str) -> Result<NodeId, Error> {
        let id = self.get(number, name)?;
        match self.values.value(id) {
            Value::Str(..) => Ok(id),
            _ => Err(self.wrong(name, "a str", id)),
        }
    }

    fn bytes(&self, number: usize, name: &'static str) -> Result<Cow<'a, [u8]>, Error> {
        let id = self.get(number, name)?;
        match self.values.value(id) {
            // Borrowed from the file, so this copies nothing.
            Value::Bytes(bytes) => Ok(bytes.clone()),
            _ => Err(self.wrong(name, "bytes", id)),
        }
    }

    fn number(&self, value: i32, field: &'static str) -> Result<u32, Error> {
        u32::try_from(value).map_err(|_| Error::new(ErrorKind::NegativeField { field, value }, self.offset))
    }
}

fn text<'v>(values: &'v Values<'_>, id: NodeId) -> (&'v [u8], bool) {
    match values.value(id) {
        Value::Str(text, interned) => (text, *interned),
        _ => (&[], false),
    }
}

impl Checked<'_> {
    fn docstring(
        &self,
        values: &Values<'_>,
        codes: &[Checked<'_>],
        parent: Parent,
        version: Version,
    ) -> Option<u32> {
        let constants = values.items(self.constants);
        let is_function = self.flags & flag::OPTIMIZED != 0;
        let doc_name = || values.items(self.names).iter().position(|&id| text(values, id).0 == b"__doc__");
        let facts = docstring::Facts {
            flags: self.flags,
            name: text(values, self.name).0,
            parent: parent.one().and_then(|parent| codes.get(parent as usize)).map(|code| text(values, code.name).0),
            bytecode: &self.bytecode,
            doc_name: if is_function { None } else { doc_name() },
            constants: constants.len(),
        };
        docstring::docstring(version, &facts, |index| {
            constants.get(index).is_some_and(|&id| matches!(values.value(id), Value::Str(..)))
        })
    }
}

/// The code object that has a code object among its constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parent {
    /// Nobody, or only inside of another constant.
    None,
    /// This one; first at this index.
    One(u32, usize),
    /// Several: nothing can be derived.
    Many,
}

impl Parent {
    fn one(self) -> Option<u32> {
        if let Self::One(parent, _) = self { Some(parent) } else { None }
    }
}

fn parents(values: &Values<'_>, codes: &[Checked<'_>]) -> Vec<Parent> {
    let mut parents = vec![Parent::None; codes.len()];
    for (number, code) in (0u32..).zip(codes) {
        for (index, &constant) in values.items(code.constants).iter().enumerate() {
            let &Value::Code(child) = values.value(constant) else { continue };
            if let Some(parent) = parents.get_mut(child as usize) {
                *parent = match *parent {
                    Parent::None => Parent::One(number, index),
                    Parent::One(other, first) if other == number => Parent::One(number, first),
                    _ => Parent::Many,
                };
            }
        }
    }
    parents
}

/// How each code object is named.
struct Qualnames {
    forms: Vec<Name>,
    /// Constants that are qualified names: number of the code object, index of the constant, index of the code object whose
    /// name it is, interned.
    constants: Vec<(u32, usize, u32, bool)>,
}

#[derive(Debug, Clone, Copy)]
enum Name {
    Derived(Qualname),
    Explicit(NodeId),
}

impl Qualnames {
    /// From 3.11 on: a code object holds its qualified name.
    fn read(values: &Values<'_>, codes: &[Checked<'_>], parents: &[Parent]) -> Self {
        let form = |code: &Checked<'_>, parent: Parent| {
            let Some(id) = code.qualname else { return Name::Derived(Qualname::Name) };
            let ((name, name_interned), (qualname, interned)) = (text(values, code.name), text(values, id));
            if id == code.name || (name == qualname && name_interned == interned) {
                return Name::Derived(Qualname::Name);
            }
            let parent = parent.one().and_then(|parent| codes.get(parent as usize)).and_then(|code| code.qualname);
            let Some(parent) = parent.filter(|_| qualname.len() <= MAX_DERIVED) else { return Name::Explicit(id) };
            let parent = text(values, parent).0;
            [Form::Member, Form::Local]
                .into_iter()
                .find(|&form| parent_part(qualname, form, name) == Some(parent))
                .map_or(Name::Explicit(id), |form| Name::Derived(form.with(interned)))
        };
        let forms = codes.iter().zip(parents).map(|(code, &parent)| form(code, parent)).collect();
        Qualnames { forms, constants: Vec::new() }
    }

    /// Up to 3.10: the qualified name is a constant of the parent, the one after the code object (`compiler_make_closure`);
    /// that of a class is a constant of the class itself, the first one (`compiler_class`).
    fn derive(values: &Values<'_>, codes: &[Checked<'_>], parents: &[Parent], root: u32) -> Self {
        let mut chain = Chain::new(codes.len());
        let mut forms = vec![Name::Derived(Qualname::Name); codes.len()];
        let mut constants = Vec::new();
        let string = |id: Option<&NodeId>| match id.map(|&id| values.value(id)) {
            Some(Value::Str(text, interned)) => Some((&**text, *interned)),
            _ => None,
        };
        // Parents have higher numbers than what is in them.
        for (number, code) in codes.iter().enumerate().rev() {
            let number = number as u32;
            let name = text(values, code.name).0;
            let Some(&Parent::One(parent, index)) = parents.get(number as usize) else {
                chain.set(number, Form::Name, name, number);
                continue;
            };
            let Some(outer) = codes.get(parent as usize) else { continue };
            let siblings = values.items(outer.constants);
            let next = index.saturating_add(1);
            let by_rule = if outer.flags & flag::OPTIMIZED != 0 {
                Form::Local
            } else if parent == root {
                Form::Name
            } else {
                Form::Member
            };
            let is_class = code.flags & flag::OPTIMIZED == 0;
            let witness = if is_class { values.items(code.constants).first() } else { siblings.get(next) };
            let found = string(witness).and_then(|(text, interned)| {
                let forms = [by_rule, Form::Name, Form::Member, Form::Local];
                let form = forms.into_iter().find(|&form| chain.matches(text, form, name, parent))?;
                Some((form, interned))
            });
            let form = found.map_or(by_rule, |(form, _)| form);
            chain.set(number, form, name, parent);
            // A name that is not interned could not be told from one that is, but nothing asks for it up to 3.10.
            let interned = found.is_some_and(|(_, interned)| interned);
            if let Some(place) = forms.get_mut(number as usize) {
                *place = Name::Derived(form.with(interned));
            }
            if let (Some((form, interned)), false) = (found, is_class)
                && form != Form::Name
            {
                constants.push((parent, next, index as u32, interned));
            }
        }
        Qualnames { forms, constants }
    }
}

/// Makes the model: an object for every value that is one, in the order of the file.
fn build<'a>(
    mut values: Values<'a>,
    root: u32,
    codes: &[Checked<'a>],
    qualnames: Qualnames,
    docstrings: Vec<Option<u32>>,
) -> Module<'a> {
    let mut replaced: Vec<_> = qualnames.constants;
    // The docstring stays itself, even if it happens to read like a name.
    replaced.retain(|&(code, index, ..)| {
        docstrings.get(code as usize).copied().flatten().map(|doc| doc as usize) != Some(index)
    });
    replaced.sort_unstable();

    let root_filename = codes.get(root as usize).map(|code| code.filename);
    let module_filename = root_filename.map(|id| {
        let (text, interned) = text(&values, id);
        (Str { text: Cow::Owned(text.to_vec()), interned }, id)
    });
    // The file names that are not that of the module.
    let filenames: Vec<Option<NodeId>> = codes
        .iter()
        .map(|code| {
            let same = module_filename.as_ref().is_some_and(|(name, id)| {
                code.filename == *id || text(&values, code.filename) == (&name.text, name.interned)
            });
            (!same).then_some(code.filename)
        })
        .collect();

    let mut needed = vec![false; values.len()];
    let mut need = |id: NodeId| {
        if let Some(place) = needed.get_mut(id.index()) {
            *place = true;
        }
    };
    let mut replacements = replaced.iter().copied().peekable();
    for (number, (code, (form, filename))) in (0u32..).zip(codes.iter().zip(qualnames.forms.iter().zip(&filenames))) {
        for (index, &constant) in values.items(code.constants).iter().enumerate() {
            if replacements.next_if(|&(code, at, ..)| (code, at) == (number, index)).is_none() {
                need(constant);
            }
        }
        let [locals, cells, free] = code.locals;
        for list in [code.names, locals, cells, free] {
            values.items(list).iter().copied().for_each(&mut need);
        }
        need(code.name);
        filename.iter().copied().for_each(&mut need);
        if let Name::Explicit(id) = *form {
            need(id);
        }
    }
    // Parts have lower numbers than what they are parts of.
    for id in values.ids().rev() {
        if needed.get(id.index()) == Some(&true)
            && let Value::Container(..) = values.value(id)
        {
            for part in values.parts(id) {
                if let Some(place) = needed.get_mut(part.index()) {
                    *place = true;
                }
            }
        }
    }

    let mut refs: Vec<Ref> = vec![Ref::Object(0); values.len()];
    let mut objects = Vec::with_capacity(needed.iter().filter(|&&needed| needed).count());
    let reference = |refs: &[Ref], id: NodeId| refs.get(id.index()).copied().unwrap_or(Ref::Object(0));
    for id in values.ids() {
        let found = if let &Value::Code(code) = values.value(id) {
            Ref::Code(code)
        } else if needed.get(id.index()) == Some(&true) {
            let object = match *values.value(id) {
                Value::Container(container, items) => {
                    let items = values.items(items).iter().map(|&part| reference(&refs, part)).collect();
                    Object::Container(container, items)
                }
                _ => leaf(values.take(id)),
            };
            objects.push(object);
            Ref::Object((objects.len() as u32).saturating_sub(1))
        } else {
            continue;
        };
        if let Some(place) = refs.get_mut(id.index()) {
            *place = found;
        }
    }

    let string = |id: NodeId| match reference(&refs, id) {
        Ref::Object(object) => object,
        Ref::Code(_) => 0,
    };
    let strings = |items: Items| values.items(items).iter().map(|&id| string(id));
    let mut replacements = replaced.into_iter().peekable();
    let mut models = Vec::with_capacity(codes.len());
    for (number, code) in (0u32..).zip(codes) {
        let at = number as usize;
        let mut constants: Vec<Ref> =
            values.items(code.constants).iter().map(|&id| reference(&refs, id)).collect();
        while let Some((_, index, constant, interned)) = replacements.next_if(|&(code, ..)| code == number) {
            if let Some(place) = constants.get_mut(index) {
                *place = Ref::Object(objects.len() as u32);
                objects.push(Object::Qualname { constant, interned });
            }
        }
        let [locals, cells, free] = code.locals;
        models.push(model::Code {
            name: string(code.name),
            qualname: match qualnames.forms.get(at) {
                Some(&Name::Derived(qualname)) => qualname,
                Some(&Name::Explicit(id)) => Qualname::Explicit(string(id)),
                None => Qualname::Name,
            },
            filename: filenames.get(at).copied().flatten().map(string),
            arg_count: code.arg_count,
            posonly_count: code.posonly_count,
            kwonly_count: code.kwonly_count,
            stack_size: code.stack_size,
            flags: code.flags,
            first_line: code.first_line,
            constants,
            names: strings(code.names).collect(),
            locals: strings(locals).chain(strings(cells)).chain(strings(free)).collect(),
            local_kinds: code.local_kinds.clone(),
            local_count: code.local_count,
            bytecode: code.bytecode.clone(),
            line_table: code.line_table.clone(),
            exception_table: code.exception_table.clone(),
            docstring: docstrings.get(at).copied().flatten(),
            signature: None,
        });
    }
    Module {
        name: String::new(),
        kind: ModuleKind::Module,
        objects,
        codes: models,
        root: Some(root),
        filename: module_filename.map(|(path, _)| Path { root: None, path }),
        source: None,
    }
}

fn leaf(value: Value<'_>) -> Object<'_> {
    match value {
        Value::None | Value::Container(..) | Value::Code(_) => Object::None,
        Value::False => Object::False,
        Value::True => Object::True,
        Value::Ellipsis => Object::Ellipsis,
        Value::StopIteration => Object::StopIteration,
        Value::Int(bytes) => Object::Int(bytes),
        Value::Float(bits) => Object::Float(bits),
        Value::Complex(real, imaginary) => Object::Complex(real, imaginary),
        Value::Bytes(bytes) => Object::Bytes(bytes),
        Value::Str(text, interned) => Object::Str(Str { text, interned }),
    }
}
