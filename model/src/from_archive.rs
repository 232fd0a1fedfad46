//! From an archive to the model.
//!
//! The model borrows from the archive. Each object of the archive becomes one object of the arena, however many references
//! it has. So the model is as large as the module, not as large as its shared values would be if each were copied.

use crate::{Code, Module, ModuleKind, Object, Path, Qualname, Ref, Resource, Source, Str, Target};
use hashbrown::HashMap;
use permacode_reader::{self as reader, Constant, Item, QualnameForm, Result};
use std::borrow::Cow;

impl TryFrom<&reader::Target<'_>> for Target {
    type Error = reader::Error;

    /// Fails if the record breaks a rule of the format.
    fn try_from(target: &reader::Target<'_>) -> Result<Self> {
        Ok(Target {
            vm: target.vm()?.to_owned(),
            bytecode_magic: target.bytecode_magic(),
            vm_version: target.vm_version(),
            optimization: target.optimization(),
            tag: target.cache_tag()?.to_owned(),
            unit_size: target.unit_size(),
            line_encoding: target.line_encoding()?,
            exception_encoding: target.exception_encoding()?,
            sealed: target.is_sealed(),
        })
    }
}

impl<'a> TryFrom<&reader::Resource<'a>> for Resource<'a> {
    type Error = reader::Error;

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
    type Error = reader::Error;

    /// Objects are in the order of first use, code objects in the order of their ids.
    ///
    /// Fails if the module, or anything it refers to, breaks a rule of the format.
    fn try_from(module: &reader::Module<'a>) -> Result<Self> {
        let mut arena = Arena { objects: Vec::new(), places: HashMap::new(), budget: module.budget() };
        let mut codes = Vec::new();
        for code in module.codes() {
            codes.push(arena.code(module, &code?)?);
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
            root: codes.len().checked_sub(1).map(|root| root as u32),
            codes,
            filename: module.filename()?.as_ref().map(path),
            source,
        })
    }
}

fn path<'a>(path: &reader::Path<'a>) -> Path<'a> {
    Path { root: path.root.map(text), path: string(path.path) }
}

fn string(string: reader::Str<'_>) -> Str<'_> {
    Str { text: Cow::Borrowed(string.bytes().as_slice()), interned: string.is_interned() }
}

fn text(text: reader::Str<'_>) -> Cow<'_, str> {
    String::from_utf8_lossy(text.bytes().as_slice())
}

/// The objects of a module, each once.
struct Arena<'a> {
    objects: Vec<Object<'a>>,
    /// Place of each object of the archive that is in the arena; `None` while its members are being put there.
    places: HashMap<u32, Option<u32>>,
    /// An archive that nobody has verified may claim lists and containers without end.
    budget: reader::Budget,
}

impl<'a> Arena<'a> {
    fn code(&mut self, module: &reader::Module<'a>, code: &reader::Code<'a>) -> Result<Code<'a>> {
        self.budget.take_list(&code.list()?)?;
        let constants: Result<Vec<Ref>> = code.constants()?.iter().map(|item| self.reference(module, item?)).collect();
        let mut strings = |items: reader::Items<'a>| -> Result<Vec<u32>> {
            items.objects().map(|object| self.object(module, object?)).collect()
        };
        let (locals, names) = (strings(code.locals()?)?, strings(code.names()?)?);
        let name = self.object(module, code.name_object()?)?;
        let interned = code.is_qualname_interned();
        let qualname = match (code.qualname_form(), code.qualname_object()?) {
            (QualnameForm::Member, _) => Qualname::Member { interned },
            (QualnameForm::Local, _) => Qualname::Local { interned },
            (QualnameForm::Explicit, Some(object)) => Qualname::Explicit(self.object(module, object)?),
            (QualnameForm::Name | QualnameForm::Explicit, _) => Qualname::Name,
        };
        let filename = code.filename_object()?.map(|object| self.object(module, object)).transpose()?;
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
            signature: code.signature()?.map(borrowed),
        })
    }

    fn reference(&mut self, module: &reader::Module<'a>, item: Item<'a>) -> Result<Ref> {
        match item {
            Item::Object(object) => self.object(module, object).map(Ref::Object),
            Item::Code(code) => Ok(Ref::Code(code.id() - module.first_code())),
        }
    }

    /// Puts an object and what it holds into the arena, members first, on a stack of its own.
    fn object(&mut self, module: &reader::Module<'a>, object: reader::Object<'a>) -> Result<u32> {
        let mut stack = vec![object];
        while let Some(object) = stack.last().copied() {
            match self.places.get(&object.id()) {
                Some(Some(_)) => {
                    stack.pop();
                    continue;
                }
                Some(None) => {}
                None => {
                    self.budget.take_object(&object)?;
                    self.places.insert(object.id(), None);
                }
            }
            let value = match object.constant()? {
                Constant::Container(container) => {
                    let before = stack.len();
                    let mut items = Vec::with_capacity(container.len());
                    for item in container.iter() {
                        match item? {
                            Item::Code(code) => items.push(Ref::Code(code.id() - module.first_code())),
                            Item::Object(member) => match self.places.get(&member.id()) {
                                Some(Some(place)) => items.push(Ref::Object(*place)),
                                _ => stack.push(member),
                            },
                        }
                    }
                    if stack.len() > before {
                        continue;
                    }
                    Object::Container(container.kind(), items)
                }
                Constant::Leaf(leaf) => Object::Leaf(leaf.map(|bytes| Cow::Borrowed(bytes.as_slice()), string)),
            };
            self.places.insert(object.id(), Some(self.objects.len() as u32));
            self.objects.push(value);
            stack.pop();
        }
        Ok(self.places.get(&object.id()).copied().flatten().unwrap_or_default())
    }
}
