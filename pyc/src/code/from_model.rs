//! The model to marshalled code objects.
//!
//! The model has lists where code objects have tuples, so what was one tuple before is made one again by uniting equal
//! immutable values. Mutable values and code objects are what they are in the model: never united, never divided.

use std::{borrow::Cow, collections::HashMap};

use permacode_format::{Container, local_kind};
use permacode_model::{Leaf, Module, Object, Qualname, Ref, Str};

use super::qualname::{LOCALS, MAX_DERIVED, MEMBER};
use crate::{
    Version,
    error::{Error, ErrorKind},
    marshal::{Code, NodeId, Value, Values},
    text,
};

/// Bytes of derived qualified names that one module may have. In standard libraries it is a few hundred kilobytes.
const MAX_DERIVED_TOTAL: usize = 1 << 26;

/// The values of the code of `module`, whose code objects report `filename` unless they have a name of their own.
pub(crate) fn from_model<'m>(
    module: &'m Module<'_>,
    filename: &'m [u8],
    version: Version,
) -> Result<Values<'m>, Error> {
    let root = module.root.ok_or_else(|| problem("it has no code"))?;
    let mut builder = Builder {
        module,
        version,
        filename: NodeId::default(),
        values: Values::default(),
        known: HashMap::new(),
        places: HashMap::new(),
        containers: HashMap::new(),
        objects: vec![State::New; module.objects.len()],
        codes: vec![State::New; module.codes.len()],
        parents: parents(module),
        qualnames: vec![None; module.codes.len()],
        qualname_constants: HashMap::new(),
        derived: 0,
    };
    let interned = module.filename.as_ref().is_some_and(|path| path.path.interned);
    builder.filename = builder.string(Cow::Borrowed(filename), interned)?;
    builder.build(Ref::Code(root))?;
    Ok(builder.values)
}

fn problem(problem: &'static str) -> Error {
    Error::new(ErrorKind::Model { problem }, 0)
}

fn too_long() -> Error {
    Error::new(ErrorKind::TooLarge { what: "derived qualified names are" }, 0)
}

/// What is made of a value, so that equal ones are made once.
#[derive(PartialEq, Eq, Hash)]
enum Key<'m> {
    Single(u8),
    Int(&'m [u8]),
    Float(u64),
    Complex(u64, u64),
    Bytes(&'m [u8]),
    Str(Cow<'m, [u8]>, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// Its parts are being made.
    Open,
    Done(NodeId),
}

enum Task {
    Enter(Ref),
    Leave(Ref),
}

/// The one code object that has each code object among its constants.
fn parents(module: &Module<'_>) -> Vec<Option<u32>> {
    const MANY: u32 = u32::MAX;
    let mut parents = vec![None; module.codes.len()];
    for (number, code) in (0u32..).zip(&module.codes) {
        for constant in &code.constants {
            if let Ref::Code(child) = *constant
                && let Some(parent) = parents.get_mut(child as usize)
            {
                *parent = if parent.is_none_or(|other| other == number) { Some(number) } else { Some(MANY) };
            }
        }
    }
    parents.into_iter().map(|parent| parent.filter(|&number| number != MANY)).collect()
}

struct Builder<'m, 'a> {
    module: &'m Module<'a>,
    version: Version,
    filename: NodeId,
    values: Values<'m>,
    known: HashMap<Key<'m>, NodeId>,
    /// Bytes by where they lie.
    places: HashMap<(usize, usize), NodeId>,
    /// Immutable containers by what is in them.
    containers: HashMap<(Container, Vec<NodeId>), NodeId>,
    objects: Vec<State>,
    codes: Vec<State>,
    parents: Vec<Option<u32>>,
    qualnames: Vec<Option<Cow<'m, [u8]>>>,
    /// Qualified names that are constants, by code object and whether they are interned.
    qualname_constants: HashMap<(u32, bool), NodeId>,
    /// Length of all derived qualified names together.
    derived: usize,
}

impl<'m, 'a> Builder<'m, 'a> {
    /// Makes a value and all its parts, parts first.
    fn build(&mut self, root: Ref) -> Result<NodeId, Error> {
        let mut tasks = vec![Task::Enter(root)];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Enter(reference) => match self.state(reference)? {
                    State::Done(_) => {}
                    State::Open => return Err(problem("a value contains itself")),
                    State::New => {
                        self.set(reference, State::Open);
                        tasks.push(Task::Leave(reference));
                        self.enter(reference, &mut tasks);
                    }
                },
                Task::Leave(reference) => {
                    let id = match reference {
                        Ref::Object(index) => self.object(index)?,
                        Ref::Code(index) => self.code(index)?,
                    };
                    self.set(reference, State::Done(id));
                }
            }
        }
        self.done(root)
    }

    fn enter(&self, reference: Ref, tasks: &mut Vec<Task>) {
        let module = self.module;
        let parts = match reference {
            Ref::Object(index) => match &module.objects[index as usize] {
                Object::Container(_, items) => items,
                _ => return,
            },
            Ref::Code(index) => &module.codes[index as usize].constants,
        };
        tasks.extend(parts.iter().rev().filter(|&&part| !self.is_qualname(part)).map(|&part| Task::Enter(part)));
    }

    /// Qualified names have no value of their own: it depends on the code object whose constant they are.
    fn is_qualname(&self, reference: Ref) -> bool {
        let Ref::Object(index) = reference else { return false };
        matches!(self.module.objects.get(index as usize), Some(Object::Leaf(Leaf::Qualname { .. })))
    }

    fn state(&self, reference: Ref) -> Result<State, Error> {
        let state = match reference {
            Ref::Object(index) => self.objects.get(index as usize),
            Ref::Code(index) => self.codes.get(index as usize),
        };
        state.copied().ok_or_else(|| problem("a reference to an object that does not exist"))
    }

    fn set(&mut self, reference: Ref, state: State) {
        match reference {
            Ref::Object(index) => self.objects[index as usize] = state,
            Ref::Code(index) => self.codes[index as usize] = state,
        }
    }

    fn done(&self, reference: Ref) -> Result<NodeId, Error> {
        match self.state(reference)? {
            State::Done(id) => Ok(id),
            _ if self.is_qualname(reference) => Err(problem("a qualified name outside of a list of constants")),
            _ => Err(problem("a value contains itself")),
        }
    }

    fn unite(&mut self, key: Key<'m>, value: Value<'m>) -> NodeId {
        *self.known.entry(key).or_insert_with(|| self.values.push(value))
    }

    fn object(&mut self, index: u32) -> Result<NodeId, Error> {
        let module = self.module;
        let single = |builder: &mut Self, number, value| builder.unite(Key::Single(number), value);
        Ok(match &module.objects[index as usize] {
            Object::Leaf(Leaf::None) => single(self, 0, Value::Leaf(Leaf::None)),
            Object::Leaf(Leaf::False) => single(self, 1, Value::Leaf(Leaf::False)),
            Object::Leaf(Leaf::True) => single(self, 2, Value::Leaf(Leaf::True)),
            Object::Leaf(Leaf::Ellipsis) => single(self, 3, Value::Leaf(Leaf::Ellipsis)),
            Object::Leaf(Leaf::StopIteration) => single(self, 4, Value::Leaf(Leaf::StopIteration)),
            Object::Leaf(Leaf::Int(bytes)) => {
                let bytes = text::shortest(bytes);
                self.unite(Key::Int(bytes), Value::Leaf(Leaf::Int(Cow::Borrowed(bytes))))
            }
            &Object::Leaf(Leaf::Float(bits)) => self.unite(Key::Float(bits), Value::Leaf(Leaf::Float(bits))),
            &Object::Leaf(Leaf::Complex(real, imaginary)) => {
                self.unite(Key::Complex(real, imaginary), Value::Leaf(Leaf::Complex(real, imaginary)))
            }
            Object::Leaf(Leaf::Bytes(bytes)) => self.bytes(bytes),
            Object::Leaf(Leaf::Str(Str { text, interned })) => self.string(Cow::Borrowed(text), *interned)?,
            Object::Leaf(Leaf::Qualname { .. }) => {
                return Err(problem("a qualified name outside of a list of constants"));
            }
            Object::Container(container, items) => {
                let items = items.iter().map(|&item| self.done(item)).collect::<Result<Vec<_>, _>>()?;
                match container {
                    Container::List | Container::Set | Container::Dict => self.values.push_container(*container, items),
                    Container::Tuple | Container::FrozenSet | Container::FrozenDict | Container::Slice => {
                        self.container(*container, items)
                    }
                }
            }
        })
    }

    fn container(&mut self, container: Container, items: Vec<NodeId>) -> NodeId {
        *self
            .containers
            .entry((container, items))
            .or_insert_with_key(|(container, items)| self.values.push_container(*container, items.iter().copied()))
    }

    fn bytes(&mut self, bytes: &'m [u8]) -> NodeId {
        // Code objects may share bytes: those are hashed once, so that the work does not exceed what the module holds.
        let place = (bytes.as_ptr().addr(), bytes.len());
        if let Some(&id) = self.places.get(&place) {
            return id;
        }
        let id = self.unite(Key::Bytes(bytes), Value::Leaf(Leaf::Bytes(Cow::Borrowed(bytes))));
        self.places.insert(place, id);
        id
    }

    fn string(&mut self, text: Cow<'m, [u8]>, interned: bool) -> Result<NodeId, Error> {
        if text::check(&text).is_err() {
            return Err(problem("a string is not UTF-8"));
        }
        let copy = text.clone();
        Ok(self.unite(Key::Str(text, interned), Value::Leaf(Leaf::Str(Str { text: copy, interned }))))
    }

    fn string_object(&mut self, index: u32) -> Result<NodeId, Error> {
        let Str { text, interned } = self.text_object(index)?;
        if let Ok(State::Done(id)) = self.state(Ref::Object(index)) {
            return Ok(id);
        }
        let id = self.string(Cow::Borrowed(text), *interned)?;
        self.set(Ref::Object(index), State::Done(id));
        Ok(id)
    }

    fn text_object(&self, index: u32) -> Result<&'m Str<'a>, Error> {
        let module = self.module;
        match module.objects.get(index as usize) {
            Some(Object::Leaf(Leaf::Str(string))) => Ok(string),
            _ => Err(problem("a name is not a string")),
        }
    }

    fn strings(&mut self, indices: impl IntoIterator<Item = u32>) -> Result<NodeId, Error> {
        let items = indices.into_iter().map(|index| self.string_object(index)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.container(Container::Tuple, items))
    }

    /// The text of the qualified name of a code object. Goes up to the first one that is known, and down again.
    fn qualname(&mut self, index: u32) -> Result<Cow<'m, [u8]>, Error> {
        let module = self.module;
        let mut path = vec![index];
        let (mut text, at) = loop {
            let Some(&at) = path.last() else { return Err(problem("no code object")) };
            if let Some(known) = &self.qualnames[at as usize] {
                path.pop();
                break (known.clone(), at);
            }
            let code = &module.codes[at as usize];
            let name = match code.qualname {
                Qualname::Name => code.name,
                Qualname::Explicit(object) => object,
                Qualname::Member { .. } | Qualname::Local { .. } => {
                    let parent = self.parents[at as usize].ok_or_else(|| {
                        problem("a qualified name derives from a parent, but there is not exactly one")
                    })?;
                    if path.len() > module.codes.len() {
                        return Err(problem("a value contains itself"));
                    }
                    path.push(parent);
                    continue;
                }
            };
            path.pop();
            break (Cow::Borrowed(&*self.text_object(name)?.text), at);
        };
        self.qualnames[at as usize] = Some(text.clone());
        while let Some(next) = path.pop() {
            let code = &module.codes[next as usize];
            let separator = if matches!(code.qualname, Qualname::Local { .. }) { LOCALS } else { MEMBER };
            let name = &*self.text_object(code.name)?.text;
            let len = text.len() + separator.len() + name.len();
            self.derived += len;
            if len > MAX_DERIVED || self.derived > MAX_DERIVED_TOTAL {
                return Err(too_long());
            }
            text = Cow::Owned([&text, separator, name].concat());
            self.qualnames[next as usize] = Some(text.clone());
        }
        Ok(text)
    }

    fn qualname_constant(&mut self, child: u32, interned: bool) -> Result<NodeId, Error> {
        if let Some(&id) = self.qualname_constants.get(&(child, interned)) {
            return Ok(id);
        }
        self.state(Ref::Code(child))?;
        let text = self.qualname(child)?;
        if text.len() > MAX_DERIVED {
            return Err(too_long());
        }
        let id = self.string(text, interned)?;
        self.qualname_constants.insert((child, interned), id);
        Ok(id)
    }

    fn constants(&mut self, code: &permacode_model::Code<'_>) -> Result<NodeId, Error> {
        let mut items = Vec::with_capacity(code.constants.len());
        for &reference in &code.constants {
            let object = match reference {
                Ref::Object(index) => self.module.objects.get(index as usize),
                Ref::Code(_) => None,
            };
            items.push(if let Some(&Object::Leaf(Leaf::Qualname { constant, interned })) = object {
                let Some(&Ref::Code(child)) = code.constants.get(constant as usize) else {
                    return Err(problem("the qualified name of a constant that is no code object"));
                };
                self.qualname_constant(child, interned)?
            } else {
                self.done(reference)?
            });
        }
        Ok(self.container(Container::Tuple, items))
    }

    fn code(&mut self, index: u32) -> Result<NodeId, Error> {
        let module = self.module;
        let code = &module.codes[index as usize];
        let constants = self.constants(code)?;
        let names = self.strings(code.names.iter().copied())?;
        let name = self.string_object(code.name)?;
        let filename = match code.filename {
            Some(object) => self.string_object(object)?,
            None => self.filename,
        };
        let bytecode = self.bytes(&code.bytecode);
        let line_table = self.bytes(&code.line_table);
        if code.locals.len() != code.local_kinds.len() {
            return Err(problem("names and kinds of local variables differ in number"));
        }
        let mut local_count = 0;
        let fields = if self.version.has_exception_table() {
            if code.local_count.is_some() {
                return Err(problem("a number of local variables of its own needs CPython 3.10 or earlier"));
            }
            let qualname = match code.qualname {
                Qualname::Name => name,
                Qualname::Explicit(object) => self.string_object(object)?,
                Qualname::Member { interned } | Qualname::Local { interned } => {
                    let text = self.qualname(index)?;
                    self.string(text, interned)?
                }
            };
            let locals = self.strings(code.locals.iter().copied())?;
            let kinds = self.bytes(&code.local_kinds);
            let exception_table = self.bytes(&code.exception_table);
            self.values.push_items([
                bytecode,
                constants,
                names,
                locals,
                kinds,
                filename,
                name,
                qualname,
                line_table,
                exception_table,
            ])
        } else {
            if !code.exception_table.is_empty() {
                return Err(problem("an exception table needs CPython 3.11"));
            }
            let known = [local_kind::LOCAL, local_kind::CELL, local_kind::FREE];
            if code.local_kinds.iter().any(|kind| !known.contains(kind)) {
                return Err(problem("a local variable of more than one kind needs CPython 3.11"));
            }
            let of_kind = |kind| {
                let both = code.locals.iter().zip(&*code.local_kinds);
                both.filter(move |&(_, &other)| other == kind).map(|(&name, _)| name).collect::<Vec<u32>>()
            };
            let locals = of_kind(local_kind::LOCAL);
            local_count = match code.local_count {
                Some(count) => number(count)?,
                None => number(u32::try_from(locals.len()).unwrap_or(u32::MAX))?,
            };
            let locals = self.strings(locals)?;
            let free = self.strings(of_kind(local_kind::FREE))?;
            let cells = self.strings(of_kind(local_kind::CELL))?;
            self.values.push_items([bytecode, constants, names, locals, free, cells, filename, name, line_table])
        };
        Ok(self.values.push_code(Code {
            arg_count: number(code.arg_count)?,
            posonly_count: number(code.posonly_count)?,
            kwonly_count: number(code.kwonly_count)?,
            local_count,
            stack_size: number(code.stack_size)?,
            flags: code.flags.cast_signed(),
            first_line: code.first_line,
            fields,
            offset: 0,
        }))
    }
}

fn number(number: u32) -> Result<i32, Error> {
    i32::try_from(number).map_err(|_| problem("a number of a code object exceeds 31 bits"))
}
