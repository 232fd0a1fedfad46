//! The conversion from an archive to the model.
//!
//! The model borrows from the archive. Each object of the archive becomes one object of the arena, even if it has many
//! references. So a shared value takes memory once.

use crate::{Code, Error, ErrorKind, Module, ModuleKind, Object, Path, Qualname, Ref, Resource, Source, Str, Target};
use hashbrown::HashMap;
use permacode_reader::{self as reader, Constant, Item, QualnameForm};
use std::borrow::Cow;

type Result<T> = std::result::Result<T, Error>;

impl TryFrom<&reader::Target<'_>> for Target {
    type Error = Error;

    /// Fails if the record breaks a rule of the format.
    fn try_from(target: &reader::Target<'_>) -> Result<Self> {
        Ok(Target {
            vm: target.vm()?.to_owned(),
            bytecode_magic: target.bytecode_magic(),
            vm_version: target.vm_version(),
            optimization: target.optimization(),
            cache_tag: target.cache_tag()?.to_owned(),
            unit_size: target.unit_size(),
            line_encoding: target.line_encoding()?,
            exception_encoding: target.exception_encoding()?,
            sealed: target.is_sealed(),
            stripped: target.stripped().collect(),
        })
    }
}

impl<'a> TryFrom<&reader::Resource<'a>> for Resource<'a> {
    type Error = Error;

    /// Fails if the record breaks a rule of the format.
    fn try_from(resource: &reader::Resource<'a>) -> Result<Self> {
        Ok(Resource {
            root: Cow::Borrowed(resource.root()?),
            path: Cow::Borrowed(resource.path()?.as_slice()),
            executable: resource.is_executable(),
            data: Cow::Borrowed(resource.data()?.as_slice()),
        })
    }
}

impl<'a> TryFrom<&reader::Module<'a>> for Module<'a> {
    type Error = Error;

    /// Objects are in the order of first use, code objects in the order of their ids.
    ///
    /// Fails if the module, or anything it refers to, breaks a rule of the format.
    fn try_from(module: &reader::Module<'a>) -> Result<Self> {
        let (objects, indexes) = (Vec::new(), HashMap::new());
        let mut arena = Arena { module: *module, objects, indexes, budget: module.budget() };
        let mut codes = Vec::new();
        for code in module.codes() {
            codes.push(arena.code(&code?)?);
        }
        let kind = match (module.is_package(), module.is_namespace()) {
            (_, true) => ModuleKind::Namespace,
            (true, false) => ModuleKind::Package,
            (false, false) => ModuleKind::Module,
        };
        let text = module.source_text()?;
        let source = module.source()?.map(|source| Source {
            path: path(&source.path),
            size: source.size,
            digest: source.digest,
            mtime: source.mtime,
            executable: source.executable,
            text: text.map(|text| Cow::Borrowed(text.as_slice())),
        });
        Ok(Module {
            name: module.name()?.to_owned(),
            kind,
            objects: arena.objects,
            body: codes.len().checked_sub(1).map(|body| body as u32),
            codes,
            filename: module.filename()?.as_ref().map(path),
            source,
        })
    }
}

fn path<'a>(path: &reader::Path<'a>) -> Path<'a> {
    Path { root: path.root.map(string), path: string(path.path) }
}

fn string(string: reader::Str<'_>) -> Str<'_> {
    Str { text: Cow::Borrowed(string.bytes().as_slice()), interned: string.is_interned() }
}

/// The objects of the module that have been converted.
struct Arena<'a> {
    module: reader::Module<'a>,
    objects: Vec<Object<'a>>,
    /// The index in `objects` of each object of the archive, by its id.
    indexes: HashMap<u32, u32>,
    /// Limits the work on an unverified archive, whose lists and containers may overlap.
    budget: reader::Budget,
}

/// A container whose items are being converted.
struct Frame<'a> {
    id: u32,
    container: reader::Container<'a>,
    /// The items converted so far.
    items: Vec<Ref>,
}

/// The result of [`Arena::step`].
enum Step<'a> {
    /// The object is in the arena, at this index.
    Done(u32),
    /// The object is a container. Its items must be converted first.
    Open(Frame<'a>),
}

impl<'a> Arena<'a> {
    fn code(&mut self, code: &reader::Code<'a>) -> Result<Code<'a>> {
        self.budget.take_list(&code.list()?)?;
        let constants: Result<Vec<Ref>> = code.constants()?.iter().map(|item| self.reference(item?)).collect();
        let mut strings = |items: reader::Items<'a>| -> Result<Vec<u32>> {
            items.objects().map(|object| self.object(object?)).collect()
        };
        let (locals, names) = (strings(code.locals()?)?, strings(code.names()?)?);
        let name = self.object(code.name_object()?)?;
        let interned = code.is_qualname_interned();
        let qualname = match code.qualname_form() {
            QualnameForm::Name => Qualname::Name,
            QualnameForm::Member => Qualname::Member { interned },
            QualnameForm::Local => Qualname::Local { interned },
            QualnameForm::Explicit => {
                let object = code.qualname_object()?.ok_or_else(|| {
                    Error::from(ErrorKind::Reader {
                        what: "a code object without its explicit qualified name",
                        id: code.id(),
                    })
                })?;
                Qualname::Explicit(self.object(object)?)
            }
        };
        let filename = code.filename_object()?.map(|object| self.object(object)).transpose()?;
        let borrowed = |bytes: reader::PermaBytes<'a>| Cow::Borrowed(bytes.as_slice());
        Ok(Code {
            name,
            qualname,
            filename,
            arg_count: code.arg_count(),
            posonly_count: code.posonly_count(),
            kwonly_count: code.kwonly_count(),
            stack_size: code.stack_size(),
            flags: code.flags(),
            first_line: code.first_line()?,
            constants: constants?,
            names,
            locals,
            local_kinds: borrowed(code.local_kinds()?),
            local_count: code.stated_local_count(),
            bytecode: borrowed(code.bytecode()?),
            line_table: borrowed(code.line_table()?),
            exception_table: borrowed(code.exception_table()?),
            docstring: code.docstring_index(),
            signature: code.signature_text()?.map(borrowed),
        })
    }

    fn reference(&mut self, item: Item<'a>) -> Result<Ref> {
        match item {
            Item::Object(object) => self.object(object).map(Ref::Object),
            Item::Code(code) => self.code_reference(&code),
        }
    }

    fn code_reference(&self, code: &reader::Code<'a>) -> Result<Ref> {
        let index = code.id().checked_sub(self.module.first_code());
        let outside = || Error::from(ErrorKind::Reader { what: "a code object of another module", id: code.id() });
        index.map(Ref::Code).ok_or_else(outside)
    }

    /// Puts an object and its items into the arena, items first, and returns its index there. An explicit stack
    /// replaces recursion.
    fn object(&mut self, object: reader::Object<'a>) -> Result<u32> {
        let mut stack = Vec::new();
        let mut step = self.step(object)?;
        loop {
            step = match (step, stack.pop()) {
                (Step::Done(index), None) => return Ok(index),
                (Step::Done(index), Some(Frame { id, container, mut items })) => {
                    items.push(Ref::Object(index));
                    self.step_into(Frame { id, container, items }, &mut stack)?
                }
                (Step::Open(frame), parent) => {
                    stack.extend(parent);
                    self.step_into(frame, &mut stack)?
                }
            };
        }
    }

    /// Converts an object unless it is a container that is not yet in the arena.
    fn step(&mut self, object: reader::Object<'a>) -> Result<Step<'a>> {
        if let Some(index) = self.indexes.get(&object.id()) {
            return Ok(Step::Done(*index));
        }
        self.budget.take_object(&object)?;
        match object.constant()? {
            Constant::Container(container) => {
                let items = Vec::with_capacity(container.len());
                Ok(Step::Open(Frame { id: object.id(), container, items }))
            }
            Constant::Leaf(leaf) => {
                let leaf = Object::Leaf(leaf.map(|bytes| Cow::Borrowed(bytes.as_slice()), string));
                Ok(Step::Done(self.push(object.id(), leaf)))
            }
        }
    }

    /// Converts the remaining items of a container, and then the container. Stops at an item that is a container and
    /// not yet in the arena: pushes `frame` onto the stack and returns that item as [`Step::Open`].
    fn step_into(&mut self, mut frame: Frame<'a>, stack: &mut Vec<Frame<'a>>) -> Result<Step<'a>> {
        while let Some(item) = frame.container.get(frame.items.len()) {
            let reference = match item? {
                Item::Code(code) => self.code_reference(&code)?,
                Item::Object(object) => match self.step(object)? {
                    Step::Done(index) => Ref::Object(index),
                    open @ Step::Open(_) => {
                        stack.push(frame);
                        return Ok(open);
                    }
                },
            };
            frame.items.push(reference);
        }
        Ok(Step::Done(self.push(frame.id, Object::Container(frame.container.kind(), frame.items))))
    }

    fn push(&mut self, id: u32, object: Object<'a>) -> u32 {
        let index = self.objects.len() as u32;
        self.objects.push(object);
        self.indexes.insert(id, index);
        index
    }
}
