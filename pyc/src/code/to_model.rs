//! The conversion from marshalled code objects to the model.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use permacode_model::{Code, Container, Leaf, Module, ModuleKind, Object, Path, Qualname, Ref, Str};

use super::{
    check::{Checked, check, string, wrong_type},
    parent::parents,
    qualname::{Name, Qualnames},
};
use crate::{
    HEADER_LEN, Version,
    error::Error,
    marshal::{Items, NodeId, Value, Values},
};

/// The module whose body is the root of `values`. `size` is the size of the file in bytes.
pub(crate) fn to_model<'a>(values: Values<'a>, size: usize, version: Version) -> Result<Module<'a>, Error> {
    let body = match values.root().map(|id| values.value(id)) {
        Some(&Value::Code(body)) => body,
        other => {
            let found = other.map_or("nothing", Value::type_name);
            return Err(wrong_type("the value in the file", "a code object", found, HEADER_LEN));
        }
    };
    let codes = check(&values, size, version)?;
    let parents = parents(&values, &codes);
    let mut qualnames = if version.has_exception_table() {
        Qualnames::read(&values, &codes, &parents)?
    } else {
        Qualnames::derive(&values, &codes, &parents, body)?
    };
    let docstrings: Vec<Option<u32>> = codes
        .iter()
        .zip(&parents)
        .map(|(code, parent)| code.docstring(&values, &codes, parent.one(), version))
        .collect::<Result<_, Error>>()?;
    qualnames.keep_plain_strings(&values, &codes, &docstrings);
    let (filename, filenames) = filenames(&values, &codes, body)?;

    let mut arena = Arena { refs: vec![None; values.len()], values, objects: Vec::new() };
    let mut models = Vec::with_capacity(codes.len());
    for ((number, code), (docstring, filename)) in (0u32..).zip(codes).zip(docstrings.into_iter().zip(filenames)) {
        models.push(arena.code(number, code, docstring, filename, &qualnames)?);
    }
    Ok(Module {
        name: String::new(),
        kind: ModuleKind::Module,
        objects: arena.objects,
        codes: models,
        body: Some(body),
        filename: Some(Path { root: None, path: filename }),
        source: None,
    })
}

/// The file name of the module, and for each code object its file name if it differs.
///
/// The module has the file name of its body. CPython does the same: when a `.pyc` file has moved, it changes the file
/// name of the body, and of each code object that has the same file name as the body (`_imp._fix_co_filename`).
fn filenames<'a>(
    values: &Values<'a>,
    codes: &[Checked<'a>],
    body: u32,
) -> Result<(Str<'a>, Vec<Option<NodeId>>), Error> {
    let module = codes.get(body as usize).map(|code| code.filename);
    let Some((module, Value::Leaf(Leaf::Str(name)))) = module.map(|id| (id, values.value(id))) else {
        return Err(wrong_type("co_filename", "a str", "another value", HEADER_LEN));
    };
    let name = name.clone();
    // Many code objects may share one long name. This compares each name once.
    let mut known = vec![None; values.len()];
    let mut same = |id: NodeId| {
        let equal = || id == module || string(values.value(id)) == string(values.value(module));
        known.get_mut(id.index()).is_some_and(|known| *known.get_or_insert_with(equal))
    };
    let others = codes.iter().map(|code| Some(code.filename).filter(|&id| !same(id))).collect();
    Ok((name, others))
}

/// The objects of the module. A value becomes an object when a code object or a container first refers to it.
struct Arena<'a> {
    values: Values<'a>,
    objects: Vec<Object<'a>>,
    /// The object or code object that each value has become.
    refs: Vec<Option<Ref>>,
}

/// A container whose items are being converted.
struct Frame {
    id: NodeId,
    container: Container,
    items: Items,
    /// The items converted so far.
    refs: Vec<Ref>,
}

/// The result of [`Arena::step`].
enum Step {
    Done(Ref),
    /// The value is a container. Its items must be converted first.
    Open(Frame),
}

impl<'a> Arena<'a> {
    fn code(
        &mut self,
        number: u32,
        code: Checked<'a>,
        docstring: Option<u32>,
        filename: Option<NodeId>,
        qualnames: &Qualnames,
    ) -> Result<Code<'a>, Error> {
        let mut constants = Vec::with_capacity(code.constants.len());
        for (index, id) in self.values.items(code.constants).to_vec().into_iter().enumerate() {
            constants.push(match qualnames.constant(number, index) {
                Some(qualname) => Ref::Object(self.push(qualname)),
                None => self.reference(id),
            });
        }
        Ok(Code {
            constants,
            name: self.string(code.name)?,
            qualname: match qualnames.name(number) {
                Name::Derived(qualname) => qualname,
                Name::Explicit(id) => Qualname::Explicit(self.string(id)?),
            },
            filename: filename.map(|id| self.string(id)).transpose()?,
            arg_count: code.arg_count,
            posonly_count: code.posonly_count,
            kwonly_count: code.kwonly_count,
            stack_size: code.stack_size,
            flags: code.flags,
            first_line: code.first_line,
            names: self.strings(&[code.names])?,
            locals: self.strings(&code.locals)?,
            local_kinds: code.local_kinds,
            local_count: code.local_count,
            bytecode: code.bytecode,
            line_table: code.line_table,
            exception_table: code.exception_table,
            docstring,
            signature: None,
        })
    }

    fn strings(&mut self, lists: &[Items]) -> Result<Vec<u32>, Error> {
        let ids: Vec<NodeId> = lists.iter().flat_map(|&list| self.values.items(list)).copied().collect();
        ids.into_iter().map(|id| self.string(id)).collect()
    }

    fn string(&mut self, id: NodeId) -> Result<u32, Error> {
        match self.reference(id) {
            Ref::Object(object) => Ok(object),
            Ref::Code(_) => Err(wrong_type("a name", "a str", "a code object", HEADER_LEN)),
        }
    }

    /// The object or code object that a value becomes. An explicit stack replaces recursion.
    fn reference(&mut self, id: NodeId) -> Ref {
        let mut stack: Vec<Frame> = Vec::new();
        let mut step = self.step(id);
        loop {
            let frame = match step {
                Step::Open(frame) => frame,
                Step::Done(reference) => match stack.pop() {
                    None => return reference,
                    Some(mut frame) => {
                        frame.refs.push(reference);
                        frame
                    }
                },
            };
            step = self.fill(frame, &mut stack);
        }
    }

    /// Converts a value unless it is a container that is not yet converted.
    fn step(&mut self, id: NodeId) -> Step {
        if let Some(&Some(reference)) = self.refs.get(id.index()) {
            return Step::Done(reference);
        }
        let object = match self.values.value_mut(id) {
            &mut Value::Code(code) => return self.done(id, Ref::Code(code)),
            &mut Value::Container(container, items) => {
                return Step::Open(Frame { id, container, items, refs: Vec::with_capacity(items.len()) });
            }
            // `refs` now answers for this value, so its bytes can be moved out.
            Value::Leaf(leaf) => Object::Leaf(std::mem::replace(leaf, Leaf::None)),
        };
        let index = self.push(object);
        self.done(id, Ref::Object(index))
    }

    /// Converts the remaining items of a container, and then the container. Stops at an item that is a container and
    /// not yet converted: pushes `frame` onto the stack and returns that item as [`Step::Open`].
    fn fill(&mut self, mut frame: Frame, stack: &mut Vec<Frame>) -> Step {
        while let Some(&item) = self.values.items(frame.items).get(frame.refs.len()) {
            match self.step(item) {
                Step::Done(reference) => frame.refs.push(reference),
                open @ Step::Open(_) => {
                    stack.push(frame);
                    return open;
                }
            }
        }
        let index = self.push(Object::Container(frame.container, frame.refs));
        self.done(frame.id, Ref::Object(index))
    }

    fn done(&mut self, id: NodeId, reference: Ref) -> Step {
        if let Some(slot) = self.refs.get_mut(id.index()) {
            *slot = Some(reference);
        }
        Step::Done(reference)
    }

    fn push(&mut self, object: Object<'a>) -> u32 {
        self.objects.push(object);
        (self.objects.len() as u32).saturating_sub(1)
    }
}
