//! Interns the objects of one module, and records the order in which they are first used.
//!
//! The walk starts at the body of the module and follows references in the order in which the lists hold them. It
//! yields two orders of code objects: *parents first*, which is the order of first use, and *children first*, which
//! is the order of ids. The walk has an explicit stack, so a deeply nested module cannot overflow the call stack.

use crate::{
    error::{Error, ErrorKind},
    intern::{ContainerValue, Handle, Interner, Item},
};
use permacode_format::{MAX_DEPTH, MAX_PARENTS, ObjectKind, is_shortest_int, object_flag, string_kind};
use permacode_model::{Code, Leaf, Module, Object, Qualname, Ref, Str};

/// The result of the walk over one module.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Distinct objects in the order of first use. The items of a container come before the container.
    pub(crate) objects: Vec<Handle>,
    /// The objects among them that are used for more than a docstring.
    pub(crate) hot: Vec<Handle>,
    /// Code objects, children first.
    pub(crate) codes: Vec<CollectedCode>,
    /// Indexes into `codes`, parents first.
    pub(crate) first_use: Vec<u32>,
}

/// One code object as the walk found it.
#[derive(Debug)]
pub(crate) struct CollectedCode {
    /// Index in [`Module::codes`].
    pub(crate) model: u32,
    /// Index of the parent in [`Collected::codes`].
    pub(crate) parent: Option<u32>,
    /// Local kinds, name, qualified name and file name if stated, locals, constants, names (spec.md 5.9).
    pub(crate) list: Vec<Item>,
}

/// Walks one module.
pub(crate) fn collect(module: &Module<'_>, interner: &mut Interner) -> Result<Collected, Error> {
    let mut walk = Walk {
        module,
        objects: vec![State::New; module.objects.len()],
        codes: vec![State::New; module.codes.len()],
        seen: hashbrown::HashSet::new(),
        hot: hashbrown::HashSet::new(),
        started: Vec::new(),
        found: Collected::default(),
        interner,
    };
    if let Some(root) = module.body {
        walk.run(root)?;
    }
    walk.finish()
}

#[derive(Debug, Clone, Copy)]
enum State {
    New,
    Open,
    /// The handle of an object, or the index of a code object in [`Collected::codes`].
    Done(u32),
}

/// A node whose references are being followed.
struct Frame {
    node: Ref,
    /// Number of the next reference to follow.
    next: usize,
    /// The nearest code object around the node, as an index in [`Module::codes`].
    parent: Option<u32>,
    /// Number of code objects around the node.
    parents: u32,
}

struct Walk<'m, 'a> {
    module: &'m Module<'a>,
    objects: Vec<State>,
    codes: Vec<State>,
    seen: hashbrown::HashSet<Handle>,
    hot: hashbrown::HashSet<Handle>,
    /// Indexes in [`Module::codes`], parents first.
    started: Vec<u32>,
    found: Collected,
    interner: &'m mut Interner,
}

impl<'m, 'a> Walk<'m, 'a> {
    fn run(&mut self, root: u32) -> Result<(), Error> {
        let mut stack = vec![self.start(Ref::Code(root), None, 0)?];
        while let Some(frame) = stack.last_mut() {
            let (node, parent) = (frame.node, frame.parent);
            if let Some(next) = self.reference(node, frame.next)? {
                frame.next += 1;
                let state = match next {
                    Ref::Object(object) => self.objects.get(object as usize),
                    Ref::Code(code) => self.codes.get(code as usize),
                };
                match state {
                    None => return Err(self.invalid("a reference must be to an object or code object of the module")),
                    Some(State::Open) => return Err(Error::new(ErrorKind::Cycle(self.module.name.clone()))),
                    Some(State::Done(_)) => {}
                    Some(State::New) => {
                        let (parent, parents) = match node {
                            Ref::Code(code) => (Some(code), frame.parents + 1),
                            Ref::Object(_) => (parent, frame.parents),
                        };
                        stack.push(self.start(next, parent, parents)?);
                    }
                }
                continue;
            }
            match node {
                Ref::Object(object) => self.finish_object(object)?,
                Ref::Code(code) => self.finish_code(code, parent)?,
            }
            stack.pop();
        }
        Ok(())
    }

    fn start(&mut self, node: Ref, parent: Option<u32>, parents: u32) -> Result<Frame, Error> {
        match node {
            Ref::Object(object) => self.objects[object as usize] = State::Open,
            Ref::Code(code) => {
                let state = self.codes.get_mut(code as usize);
                *state
                    .ok_or_else(|| Error::invalid(&self.module.name, "its body must be one of its code objects"))? =
                    State::Open;
                if parents > MAX_PARENTS {
                    return Err(self.limit("nested code objects", parents.into(), MAX_PARENTS.into()));
                }
                self.started.push(code);
            }
        }
        Ok(Frame { node, next: 0, parent, parents })
    }

    /// Reference number `index` of a node; `None` after the last one.
    fn reference(&self, node: Ref, index: usize) -> Result<Option<Ref>, Error> {
        Ok(match node {
            Ref::Object(object) => match &self.module.objects[object as usize] {
                Object::Container(_, items) => items.get(index).copied(),
                _ => None,
            },
            Ref::Code(code) => reference_of_code(&self.module.codes[code as usize], index),
        })
    }

    fn finish_object(&mut self, object: u32) -> Result<(), Error> {
        let handle = match &self.module.objects[object as usize] {
            Object::Leaf(Leaf::None) => self.interner.fixed(ObjectKind::None, 0, &[]),
            Object::Leaf(Leaf::False) => self.interner.fixed(ObjectKind::False, 0, &[]),
            Object::Leaf(Leaf::True) => self.interner.fixed(ObjectKind::True, 0, &[]),
            Object::Leaf(Leaf::Ellipsis) => self.interner.fixed(ObjectKind::Ellipsis, 0, &[]),
            Object::Leaf(Leaf::StopIteration) => self.interner.fixed(ObjectKind::StopIteration, 0, &[]),
            Object::Leaf(Leaf::Int(bytes)) => {
                if !is_shortest_int(bytes) {
                    return Err(self.invalid("an integer must be in its shortest form"));
                }
                self.checked_len(bytes)?;
                self.interner.sized(ObjectKind::Int, 0, bytes)
            }
            Object::Leaf(Leaf::Float(bits)) => self.interner.fixed(ObjectKind::Float, 0, &bits.to_le_bytes()),
            Object::Leaf(Leaf::Complex(real, imaginary)) => {
                let bits = u128::from(*imaginary) << 64 | u128::from(*real);
                self.interner.fixed(ObjectKind::Complex, 0, &bits.to_le_bytes())
            }
            Object::Leaf(Leaf::Bytes(bytes)) => {
                self.checked_len(bytes)?;
                self.interner.sized(ObjectKind::Bytes, 0, bytes)
            }
            Object::Leaf(Leaf::Str(text)) => {
                self.checked_len(&text.text)?;
                intern_str(self.interner, &self.module.name, text)?
            }
            Object::Leaf(Leaf::Qualname { constant, interned }) => {
                let (bytes, len) = permacode_format::write_varint(*constant);
                self.interner.fixed(ObjectKind::Qualname, interned_flag(*interned), &bytes[..len])
            }
            Object::Container(kind, items) => {
                if !kind.takes(items.len() as u64) {
                    return Err(self.invalid("a mapping must have one value for each key, and a slice three items"));
                }
                let mut value = ContainerValue { kind: *kind, items: Box::default(), depth: 1, code_bound: 0 };
                let mut handles = Vec::with_capacity(items.len());
                for item in items {
                    let item = self.item(*item)?;
                    match item {
                        Item::Object(handle) => {
                            if self.is_qualname(handle) {
                                return Err(self.invalid(
                                    "a derived qualified name must be a constant of a code object, not of a container",
                                ));
                            }
                            value.depth = value.depth.max(self.interner.depth(handle) + 1);
                            value.code_bound = value.code_bound.max(self.interner.code_bound(handle));
                            self.hot.insert(handle);
                        }
                        Item::Code(code) => value.code_bound = value.code_bound.max(code + 1),
                    }
                    handles.push(item);
                }
                if value.depth > MAX_DEPTH {
                    return Err(self.limit("nested containers", value.depth.into(), MAX_DEPTH.into()));
                }
                value.items = handles.into();
                self.interner.container(value)
            }
        };
        self.objects[object as usize] = State::Done(handle);
        self.use_object(handle);
        Ok(())
    }

    fn finish_code(&mut self, index: u32, parent: Option<u32>) -> Result<(), Error> {
        let code = &self.module.codes[index as usize];
        if code.local_kinds.len() != code.locals.len() {
            return Err(self.invalid("there must be one kind for each local variable"));
        }
        let kinds = self.interner.sized(ObjectKind::Bytes, 0, &code.local_kinds);
        self.use_object(kinds);
        self.hot.insert(kinds);
        let mut list = vec![Item::Object(kinds)];
        for name in std::iter::once(code.name).chain(explicit_strings(code)).chain(code.locals.iter().copied()) {
            list.push(self.string(name)?);
        }
        for (position, constant) in code.constants.iter().enumerate() {
            let item = self.item(*constant)?;
            let is_docstring = code.docstring.is_some_and(|docstring| docstring as usize == position);
            match item {
                _ if is_docstring => {
                    self.string(match constant {
                        Ref::Object(object) => *object,
                        Ref::Code(_) => u32::MAX,
                    })?;
                }
                Item::Object(handle) => {
                    self.hot.insert(handle);
                }
                Item::Code(_) => {}
            }
            list.push(item);
            if let Ref::Object(object) = constant
                && let Object::Leaf(Leaf::Qualname { constant, .. }) = &self.module.objects[*object as usize]
                && !matches!(code.constants.get(*constant as usize), Some(Ref::Code(_)))
            {
                return Err(self.invalid("a derived qualified name must refer to a constant that is a code object"));
            }
        }
        if code.docstring.is_some_and(|docstring| docstring as usize >= code.constants.len()) {
            return Err(self.invalid("a docstring must be one of the constants of its code object"));
        }
        for name in &code.names {
            list.push(self.string(*name)?);
        }
        // A machine that runs the code reads everything in the list except the docstring. The loop over the constants
        // above marked all other constants.
        for item in &list[..list.len() - code.constants.len() - code.names.len()] {
            self.mark_hot(*item);
        }
        for item in &list[list.len() - code.names.len()..] {
            self.mark_hot(*item);
        }
        self.codes[index as usize] = State::Done(self.found.codes.len() as u32);
        self.found.codes.push(CollectedCode { model: index, parent, list });
        Ok(())
    }

    fn mark_hot(&mut self, item: Item) {
        if let Item::Object(handle) = item {
            self.hot.insert(handle);
        }
    }

    /// Records the first use of an interned object.
    fn use_object(&mut self, handle: Handle) {
        if self.seen.insert(handle) {
            self.found.objects.push(handle);
        }
    }

    fn finish(mut self) -> Result<Collected, Error> {
        let index_of = |model: u32| match self.codes[model as usize] {
            State::Done(index) => index,
            State::New | State::Open => unreachable!("the walk finishes every code object that it starts"),
        };
        for code in &mut self.found.codes {
            code.parent = code.parent.map(index_of);
        }
        self.found.first_use = self.started.iter().copied().map(index_of).collect();
        self.found.hot = self.found.objects.iter().copied().filter(|handle| self.hot.contains(handle)).collect();
        Ok(self.found)
    }

    fn item(&self, reference: Ref) -> Result<Item, Error> {
        let state = match reference {
            Ref::Object(object) => self.objects.get(object as usize),
            Ref::Code(code) => self.codes.get(code as usize),
        };
        match (reference, state) {
            (Ref::Object(_), Some(State::Done(handle))) => Ok(Item::Object(*handle)),
            (Ref::Code(_), Some(State::Done(index))) => Ok(Item::Code(*index)),
            _ => Err(self.invalid("a reference must be to an object or code object of the module")),
        }
    }

    fn string(&self, object: u32) -> Result<Item, Error> {
        match self.module.objects.get(object as usize) {
            Some(Object::Leaf(Leaf::Str(_))) => self.item(Ref::Object(object)),
            _ => Err(self.invalid("a name, path or docstring must be a string")),
        }
    }

    fn is_qualname(&self, handle: Handle) -> bool {
        match self.interner.value(handle) {
            crate::intern::Value::Scalar { start, len } => {
                self.interner.scalar(*start, *len)[0] & object_flag::KIND == ObjectKind::Qualname as u8
            }
            crate::intern::Value::Container(_) => false,
        }
    }

    fn checked_len(&self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() as u64 >= permacode_format::MAX_POOL {
            return Err(self.limit("bytes of a constant", bytes.len() as u64, permacode_format::MAX_POOL - 1));
        }
        Ok(())
    }

    fn invalid(&self, what: &'static str) -> Error {
        Error::invalid(&self.module.name, what)
    }

    fn limit(&self, what: &'static str, found: u64, limit: u64) -> Error {
        Error::limit(self.module.name.as_str(), what, found, limit)
    }
}

/// The two optional strings of a code object: its explicit qualified name and its file name.
fn explicit_strings(code: &Code<'_>) -> impl Iterator<Item = u32> {
    let qualname = match code.qualname {
        Qualname::Explicit(object) => Some(object),
        Qualname::Name | Qualname::Member { .. } | Qualname::Local { .. } => None,
    };
    qualname.into_iter().chain(code.filename)
}

/// Reference number `index` of a code object. References are in the order of the list. The local kinds are not
/// among them, because the model holds them as bytes.
fn reference_of_code(code: &Code<'_>, index: usize) -> Option<Ref> {
    let mut strings = std::iter::once(code.name).chain(explicit_strings(code));
    let before = 1 + explicit_strings(code).count();
    if index < before {
        return strings.nth(index).map(Ref::Object);
    }
    let index = index - before;
    if let Some(local) = code.locals.get(index) {
        return Some(Ref::Object(*local));
    }
    let index = index - code.locals.len();
    if let Some(constant) = code.constants.get(index) {
        return Some(*constant);
    }
    code.names.get(index - code.constants.len()).copied().map(Ref::Object)
}

/// Interns a string with the narrowest kind that holds it [O-4].
pub(crate) fn intern_str(interner: &mut Interner, owner: &str, text: &Str<'_>) -> Result<Handle, Error> {
    let kind = string_kind(&text.text).map_err(|_| Error::invalid(owner, "a string must be generalised UTF-8"))?;
    Ok(interner.sized(kind, interned_flag(text.interned), &text.text))
}

fn interned_flag(interned: bool) -> u8 {
    if interned { object_flag::INTERNED } else { 0 }
}
