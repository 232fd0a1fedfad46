//! The conversion from the model to marshalled code objects.
//!
//! The lists of the model become tuples. Equal immutable values become one value, so equal lists become one tuple. Each
//! mutable value and each code object of the model becomes exactly one value.

use std::{borrow::Cow, collections::HashMap};

use permacode_format::{Container, local_kind};
use permacode_model::{Leaf, Module, Object, Qualname, Ref, Str};

use super::{
    derived::{DerivedNames, text_of, too_long},
    pool::Pool,
    qualname::MAX_DERIVED,
};
use crate::{
    Version,
    error::Error,
    marshal::{Code, Items, NodeId, Values},
    text,
};

/// The values of the body of `module` and of everything that it reaches. Code objects without a file name of their own
/// get `filename`.
pub(crate) fn from_model<'m>(
    module: &'m Module<'_>,
    filename: &'m [u8],
    version: Version,
) -> Result<Values<'m>, Error> {
    let body = module.body.ok_or_else(|| Error::model("the module must have a body"))?;
    let mut pool = Pool::default();
    let interned = module.filename.as_ref().is_some_and(|path| path.path.interned);
    let filename = pool.string(Cow::Borrowed(filename), interned)?;
    let mut builder = Builder {
        module,
        version,
        filename,
        pool,
        objects: vec![State::New; module.objects.len()],
        codes: vec![State::New; module.codes.len()],
        qualnames: DerivedNames::new(module),
        qualname_constants: HashMap::new(),
    };
    builder.build(Ref::Code(body))?;
    Ok(builder.pool.into_values())
}

/// Error: a value of the model contains itself.
const CYCLE: &str = "a value must not contain itself";
/// Error: a qualified name that no code object has as a constant.
const STRAY_QUALNAME: &str = "a derived qualified name must be a constant of a code object";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// The parts of the value are being made.
    Open,
    Done(NodeId),
}

enum Task {
    Enter(Ref),
    Leave(Ref),
}

struct Builder<'m, 'a> {
    module: &'m Module<'a>,
    version: Version,
    filename: NodeId,
    pool: Pool<'m>,
    objects: Vec<State>,
    codes: Vec<State>,
    qualnames: DerivedNames<'m, 'a>,
    /// The values of [`Leaf::Qualname`], by the code object that they name and whether they are interned.
    qualname_constants: HashMap<(u32, bool), NodeId>,
}

impl<'m, 'a> Builder<'m, 'a> {
    /// Makes a value and all its parts, parts first.
    fn build(&mut self, root: Ref) -> Result<NodeId, Error> {
        let mut tasks = vec![Task::Enter(root)];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Enter(reference) => match self.state(reference)? {
                    State::Done(_) => {}
                    State::Open => return Err(Error::model(CYCLE)),
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

    /// Whether an object is a [`Leaf::Qualname`]. Such an object has a different value in each list of constants.
    fn is_qualname(&self, reference: Ref) -> bool {
        let Ref::Object(index) = reference else { return false };
        matches!(self.module.objects.get(index as usize), Some(Object::Leaf(Leaf::Qualname { .. })))
    }

    fn state(&self, reference: Ref) -> Result<State, Error> {
        let state = match reference {
            Ref::Object(index) => self.objects.get(index as usize),
            Ref::Code(index) => self.codes.get(index as usize),
        };
        state.copied().ok_or_else(|| Error::model("a reference must be to an object or code object of the module"))
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
            _ if self.is_qualname(reference) => Err(Error::model(STRAY_QUALNAME)),
            _ => Err(Error::model(CYCLE)),
        }
    }

    fn object(&mut self, index: u32) -> Result<NodeId, Error> {
        let module = self.module;
        let leaf = match &module.objects[index as usize] {
            Object::Leaf(leaf) => leaf,
            Object::Container(container, items) => {
                let items = items.iter().map(|&item| self.done(item)).collect::<Result<Vec<_>, _>>()?;
                return self.pool.container(*container, items);
            }
        };
        match leaf {
            Leaf::Int(bytes) => self.pool.leaf(Leaf::Int(Cow::Borrowed(text::shortest(bytes)))),
            Leaf::Bytes(bytes) => self.pool.bytes(bytes),
            Leaf::Str(Str { text, interned }) => self.pool.string(Cow::Borrowed(text), *interned),
            Leaf::Qualname { .. } => Err(Error::model(STRAY_QUALNAME)),
            &Leaf::Float(bits) => self.pool.leaf(Leaf::Float(bits)),
            &Leaf::Complex(real, imaginary) => self.pool.leaf(Leaf::Complex(real, imaginary)),
            Leaf::None => self.pool.leaf(Leaf::None),
            Leaf::False => self.pool.leaf(Leaf::False),
            Leaf::True => self.pool.leaf(Leaf::True),
            Leaf::Ellipsis => self.pool.leaf(Leaf::Ellipsis),
            Leaf::StopIteration => self.pool.leaf(Leaf::StopIteration),
        }
    }

    fn string_object(&mut self, index: u32) -> Result<NodeId, Error> {
        let Str { text, interned } = text_of(self.module, index)?;
        if let Ok(State::Done(id)) = self.state(Ref::Object(index)) {
            return Ok(id);
        }
        let id = self.pool.string(Cow::Borrowed(text), *interned)?;
        self.set(Ref::Object(index), State::Done(id));
        Ok(id)
    }

    fn strings(&mut self, indices: impl IntoIterator<Item = u32>) -> Result<NodeId, Error> {
        let items = indices.into_iter().map(|index| self.string_object(index)).collect::<Result<Vec<_>, _>>()?;
        self.pool.container(Container::Tuple, items)
    }

    fn qualname_constant(&mut self, child: u32, interned: bool) -> Result<NodeId, Error> {
        if let Some(&id) = self.qualname_constants.get(&(child, interned)) {
            return Ok(id);
        }
        self.state(Ref::Code(child))?;
        let text = self.qualnames.of(child)?;
        if text.len() > MAX_DERIVED {
            return Err(too_long());
        }
        let id = self.pool.string(text, interned)?;
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
                    return Err(Error::model(
                        "a derived qualified name must refer to a constant that is a code object",
                    ));
                };
                self.qualname_constant(child, interned)?
            } else {
                self.done(reference)?
            });
        }
        self.pool.container(Container::Tuple, items)
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
        let bytecode = self.pool.bytes(&code.bytecode)?;
        let line_table = self.pool.bytes(&code.line_table)?;
        if code.locals.len() != code.local_kinds.len() {
            return Err(Error::model("there must be one kind for each local variable"));
        }
        let mut local_count = 0;
        let fields = if self.version.has_exception_table() {
            if code.local_count.is_some() {
                return Err(Error::model("a stated number of local variables needs CPython 3.10 or earlier"));
            }
            let qualname = match code.qualname {
                Qualname::Name => name,
                Qualname::Explicit(object) => self.string_object(object)?,
                Qualname::Member { interned } | Qualname::Local { interned } => {
                    let text = self.qualnames.of(index)?;
                    self.pool.string(text, interned)?
                }
            };
            let locals = self.strings(code.locals.iter().copied())?;
            let kinds = self.pool.bytes(&code.local_kinds)?;
            let exception_table = self.pool.bytes(&code.exception_table)?;
            vec![bytecode, constants, names, locals, kinds, filename, name, qualname, line_table, exception_table]
        } else {
            if !code.exception_table.is_empty() {
                return Err(Error::model("an exception table needs CPython 3.11 or later"));
            }
            let known = [local_kind::LOCAL, local_kind::CELL, local_kind::FREE];
            if code.local_kinds.iter().any(|kind| !known.contains(kind)) {
                return Err(Error::model("a local variable of more than one kind needs CPython 3.11 or later"));
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
            vec![bytecode, constants, names, locals, free, cells, filename, name, line_table]
        };
        let code = Code {
            arg_count: number(code.arg_count)?,
            posonly_count: number(code.posonly_count)?,
            kwonly_count: number(code.kwonly_count)?,
            local_count,
            stack_size: number(code.stack_size)?,
            flags: code.flags.cast_signed(),
            first_line: code.first_line,
            fields: Items::EMPTY,
            offset: 0,
        };
        self.pool.code(&fields, code)
    }
}

fn number(number: u32) -> Result<i32, Error> {
    i32::try_from(number).map_err(|_| Error::model("a count in a code object must be less than 2^31"))
}
