//! The objects of an image as a graph: each object once, and the references between them.

use crate::{
    code::CodeObject,
    error::{Error, Result},
    facts::{Facts, Name},
    objects::{self, Text},
};
use hashbrown::{HashMap, hash_map::Entry};
use permacode_reader::{
    Archive, Budget, Code, Constant, Container, ContainerKind, Item, Leaf, Leaves, List, Module, Object, QualnameForm,
};

/// A reference from one object to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ref {
    /// A static object of the interpreter, relative to the anchor.
    Static(i64),
    /// An object of the image.
    Node(u32),
    /// The object of the interpreter for the name with this number.
    Name(u32),
    /// The frozenset with this number.
    Set(u32),
}

/// An object of the image.
#[derive(Debug)]
pub(crate) enum Node<'a> {
    Str(Text<'a>),
    Bytes(&'a [u8]),
    Int(&'a [u8]),
    Float(u64),
    Complex(u64, u64),
    Tuple(Box<[Ref]>),
    Slice([Ref; 3]),
    Code(Box<CodeObject<'a>>),
}

/// All objects that the modules of an archive need.
pub(crate) struct Graph<'a, 'f> {
    pub(crate) facts: &'f Facts,
    pub(crate) nodes: Vec<Node<'a>>,
    /// The strings of the names that the loader resolves, by the number of the name.
    pub(crate) names: Vec<u32>,
    /// The tuples of items of the frozensets, by the number of the set.
    pub(crate) sets: Vec<u32>,
    /// By object id.
    objects: Vec<Option<Ref>>,
    interned: HashMap<Vec<u8>, Ref>,
    tuples: HashMap<Box<[Ref]>, u32>,
    bytes: HashMap<&'a [u8], Ref>,
    qualnames: HashMap<Vec<u8>, Ref>,
    /// The bytes that derived qualified names may still have. Shared names could otherwise describe far more text than
    /// the archive has.
    qualnames_left: u64,
}

/// The objects that belong to one module.
struct Load<'a> {
    leaves: Leaves<'a>,
    budget: Budget,
    filename: Ref,
    /// By the index of the code object in the module. Children come before their parents.
    codes: Vec<u32>,
    first_code: u32,
    /// The qualified names that have been derived, by the index of the code object.
    qualnames: Vec<Option<Vec<u8>>>,
}

impl Load<'_> {
    fn index(&self, id: u32) -> usize {
        id.wrapping_sub(self.first_code) as usize
    }

    fn code(&self, id: u32) -> Result<Ref> {
        let found = self.codes.get(self.index(id)).copied().map(Ref::Node);
        found.ok_or(Error::Unsupported("code objects that contain a later one"))
    }
}

impl<'a, 'f> Graph<'a, 'f> {
    pub(crate) fn new<D: AsRef<[u8]>>(archive: &'a Archive<D>, facts: &'f Facts) -> Self {
        Graph {
            facts,
            nodes: Vec::new(),
            names: Vec::new(),
            sets: Vec::new(),
            objects: vec![None; archive.object_count() as usize],
            interned: HashMap::new(),
            tuples: HashMap::new(),
            bytes: HashMap::new(),
            qualnames: HashMap::new(),
            qualnames_left: archive.file_len().saturating_mul(8),
        }
    }

    /// Adds the code objects of a module and everything that they reach. Returns the code object of its body.
    ///
    /// If a module fails, the objects that it has added remain, and nothing refers to them.
    pub(crate) fn add(&mut self, module: &Module<'a>, filename: Vec<u8>) -> Result<u32> {
        let mut load = Load {
            leaves: module.leaves(),
            budget: module.budget(),
            filename: self.filename(filename)?,
            codes: Vec::new(),
            first_code: module.first_code(),
            qualnames: Vec::new(),
        };
        load.qualnames.resize(module.codes().len(), None);
        for code in module.codes() {
            let made = self.code(&mut load, &code?)?;
            load.codes.push(made);
        }
        load.codes.pop().ok_or(Error::Unsupported("modules without code"))
    }

    /// From 3.13 on, CPython interns file names.
    fn filename(&mut self, filename: Vec<u8>) -> Result<Ref> {
        self.interned_text(filename)
    }

    pub(crate) fn push(&mut self, node: Node<'a>) -> Result<u32> {
        let id = u32::try_from(self.nodes.len()).map_err(|_| Error::Unsupported("2^32 objects"))?;
        self.nodes.push(node);
        Ok(id)
    }

    fn code(&mut self, load: &mut Load<'a>, code: &Code<'a>) -> Result<u32> {
        let list = code.list()?;
        load.budget.take_list(&list)?;
        let mut items = Vec::with_capacity(list.len());
        for index in 0..list.len() {
            items.push(self.item(load, &list, index)?);
        }
        let item = |index: usize| items.get(index).copied().ok_or(Error::Unsupported("incomplete lists"));
        let part = |range: std::ops::Range<usize>| items.get(range).unwrap_or_default();
        let kinds = code.local_kinds()?.as_slice();
        let name = item(List::NAME)?;
        let filename = list.filename_index().map_or(Ok(load.filename), item)?;
        let qualname = match (list.qualname_index(), code.qualname_form()) {
            (Some(index), _) => item(index)?,
            (None, QualnameForm::Member | QualnameForm::Local) => self.qualname(load, code)?,
            _ => name,
        };
        let cold = code.cold()?;
        let pointers = [
            self.tuple(part(list.constants_range()))?,
            self.tuple(part(list.names_range()))?,
            self.bytes(cold.exception_table.as_slice())?,
            self.tuple(part(list.locals_range()))?,
            item(List::KINDS)?,
            self.own(filename),
            self.own(name),
            self.own(qualname),
            self.bytes(cold.line_table.as_slice())?,
        ];
        let object = CodeObject::new(code, &cold, kinds, pointers, &self.facts.layout)?;
        self.push(Node::Code(Box::new(object)))
    }

    fn item(&mut self, load: &mut Load<'a>, list: &List<'a>, index: usize) -> Result<Ref> {
        match list.all().get(index).transpose()? {
            Some(Item::Code(code)) => load.code(code.id()),
            Some(Item::Object(object)) => self.object(load, object),
            None => Err(Error::Unsupported("incomplete lists")),
        }
    }

    /// The object of an archive, after everything that it contains. An explicit stack replaces recursion, because
    /// containers may be 2,000 levels deep.
    fn object(&mut self, load: &mut Load<'a>, outermost: Object<'a>) -> Result<Ref> {
        if let Some(known) = self.known(outermost.id()) {
            return Ok(known);
        }
        let mut own = HashMap::new();
        let mut stack = vec![(outermost, false)];
        while let Some((object, was_seen)) = stack.pop() {
            let id = object.id();
            if self.known(id).is_some() || own.contains_key(&id) {
                continue;
            }
            if let Some(leaf) = load.leaves.get(id) {
                let made = self.leaf(leaf)?;
                self.keep(id, made);
                continue;
            }
            let Constant::Container(container) = object.constant()? else {
                return Err(Error::Unsupported("qualified names as constants"));
            };
            if !was_seen {
                load.budget.take_object(&object)?;
                stack.push((object, true));
                for item in container.iter() {
                    if let Item::Object(item) = item? {
                        stack.push((item, false));
                    }
                }
                continue;
            }
            let made = self.container(load, &container, &own)?;
            // Containers that reach code objects belong to one module. Others may be shared.
            if container.has_code() {
                own.insert(id, made);
            } else {
                self.keep(id, made);
            }
        }
        let made = self.known(outermost.id()).or_else(|| own.get(&outermost.id()).copied());
        made.ok_or(Error::Unsupported("containers that contain themselves"))
    }

    fn container(&mut self, load: &Load<'a>, container: &Container<'a>, own: &HashMap<u32, Ref>) -> Result<Ref> {
        let mut items = Vec::with_capacity(container.len());
        for item in container.iter() {
            items.push(match item? {
                Item::Code(code) => load.code(code.id())?,
                Item::Object(item) => {
                    let made = self.known(item.id()).or_else(|| own.get(&item.id()).copied());
                    made.ok_or(Error::Unsupported("containers that contain themselves"))?
                }
            });
        }
        match (container.kind(), items.as_slice()) {
            (ContainerKind::Tuple, items) => self.tuple(items),
            (ContainerKind::Slice, &[start, stop, step]) if self.facts.layout.slice_size > 0 => {
                self.push(Node::Slice([start, stop, step])).map(Ref::Node)
            }
            // The loader makes frozensets, and it must not have to make others first.
            (ContainerKind::FrozenSet, items) if !items.is_empty() && container.depth() <= 2 => {
                if items.iter().any(|item| matches!(item, Ref::Set(_))) {
                    return Err(Error::Unsupported("frozensets of frozensets"));
                }
                let tuple = self.push(Node::Tuple(items.into()))?;
                let number = u32::try_from(self.sets.len()).map_err(|_| Error::Unsupported("2^32 frozensets"))?;
                self.sets.push(tuple);
                Ok(Ref::Set(number))
            }
            _ => Err(Error::Unsupported("containers other than tuples, slices and frozensets without nested sets")),
        }
    }

    fn known(&self, id: u32) -> Option<Ref> {
        self.objects.get(id as usize).copied().flatten()
    }

    fn keep(&mut self, id: u32, made: Ref) {
        if let Some(slot) = self.objects.get_mut(id as usize) {
            *slot = Some(made);
        }
    }

    fn leaf(&mut self, leaf: Leaf<'a>) -> Result<Ref> {
        let objects = &self.facts.objects;
        match leaf {
            Leaf::None => Ok(Ref::Static(objects.none)),
            Leaf::False => Ok(Ref::Static(objects.false_)),
            Leaf::True => Ok(Ref::Static(objects.true_)),
            Leaf::Ellipsis => Ok(Ref::Static(objects.ellipsis)),
            Leaf::StopIteration => Ok(Ref::Static(objects.stop_iteration)),
            Leaf::Str(text) if text.is_interned() => self.interned_text(text.bytes().as_slice().to_vec()),
            Leaf::Str(text) => self.string(Text::new(text.bytes().as_slice().into())?),
            Leaf::Bytes(bytes) => self.bytes(bytes.as_slice()),
            Leaf::Int(bytes) => match objects::small_int(bytes.as_slice(), objects, &self.facts.layout) {
                Some(small) => Ok(Ref::Static(small)),
                None => self.push(Node::Int(bytes.as_slice())).map(Ref::Node),
            },
            Leaf::Float(bits) => self.push(Node::Float(bits)).map(Ref::Node),
            Leaf::Complex(real, imaginary) => self.push(Node::Complex(real, imaginary)).map(Ref::Node),
            Leaf::Qualname { .. } => Err(Error::Unsupported("qualified names as constants")),
        }
    }

    /// The string that every interned string with this text is.
    fn interned_text(&mut self, text: Vec<u8>) -> Result<Ref> {
        if let Some(known) = self.interned.get(&text) {
            return Ok(*known);
        }
        let made = match self.facts.names.get(&text) {
            Some(Name::Static(offset)) => Ref::Static(*offset),
            name => match self.string(Text::new(text.clone().into())?)? {
                Ref::Node(node) if name.is_some() => {
                    let number = u32::try_from(self.names.len()).map_err(|_| Error::Unsupported("2^32 names"))?;
                    self.names.push(node);
                    Ref::Name(number)
                }
                made => made,
            },
        };
        self.interned.insert(text, made);
        Ok(made)
    }

    /// The reference from a code object to its name, qualified name or file name. C code compares the names that
    /// instructions use, and not these. Where nothing moves, code objects refer to the string of the image, so that the
    /// loader need not write to code objects at all.
    fn own(&self, reference: Ref) -> Ref {
        match reference {
            Ref::Name(number) if self.facts.fixed_anchor.is_some() => {
                self.names.get(number as usize).copied().map_or(reference, Ref::Node)
            }
            other => other,
        }
    }

    /// The objects of the image in a tuple.
    pub(crate) fn items(&self, tuple: Ref) -> impl Iterator<Item = u32> {
        let node = |reference: &Ref| if let Ref::Node(id) = reference { Some(*id) } else { None };
        let items: &[Ref] = match node(&tuple).and_then(|id| self.nodes.get(id as usize)) {
            Some(Node::Tuple(items)) => items,
            _ => &[],
        };
        items.iter().filter_map(node)
    }

    /// The objects of the image that are strings with an interned text.
    pub(crate) fn interned(&self) -> impl Iterator<Item = u32> {
        self.interned.values().filter_map(|made| match made {
            Ref::Node(node) => Some(*node),
            _ => None,
        })
    }

    /// A string that is not interned. CPython has a static string for the empty text, and for each single character
    /// below U+0100. The image refers to these.
    fn string(&mut self, text: Text<'a>) -> Result<Ref> {
        let objects = &self.facts.objects;
        match text.single() {
            None if text.is_empty() => return Ok(Ref::Static(objects.empty_str)),
            Some(character) => {
                if let Some(object) = objects.characters.get(character as usize) {
                    return Ok(Ref::Static(*object));
                }
            }
            None => {}
        }
        self.push(Node::Str(text)).map(Ref::Node)
    }

    fn bytes(&mut self, bytes: &'a [u8]) -> Result<Ref> {
        match bytes {
            [] => return Ok(Ref::Static(self.facts.objects.empty_bytes)),
            [byte] => {
                if let Some(object) = self.facts.objects.bytes.get(usize::from(*byte)) {
                    return Ok(Ref::Static(*object));
                }
            }
            _ => {}
        }
        if let Some(known) = self.bytes.get(bytes) {
            return Ok(*known);
        }
        let made = Ref::Node(self.push(Node::Bytes(bytes))?);
        self.bytes.insert(bytes, made);
        Ok(made)
    }

    /// A tuple of these items. Equal tuples are one object, except for those that reach code objects: these have
    /// different items.
    fn tuple(&mut self, items: &[Ref]) -> Result<Ref> {
        if items.is_empty() {
            return Ok(Ref::Static(self.facts.objects.empty_tuple));
        }
        if let Some(known) = self.tuples.get(items) {
            return Ok(Ref::Node(*known));
        }
        let made = self.push(Node::Tuple(items.into()))?;
        self.tuples.insert(items.into(), made);
        Ok(Ref::Node(made))
    }

    /// A qualified name that derives from that of the parent.
    fn qualname(&mut self, load: &mut Load<'a>, code: &Code<'a>) -> Result<Ref> {
        let text = self.qualname_text(load, code)?;
        if code.is_qualname_interned() {
            return self.interned_text(text);
        }
        match self.qualnames.entry(text) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(vacant) => {
                let text = Text::new(vacant.key().clone().into())?;
                // A derived name has a separator, so it is longer than any static string.
                let id = u32::try_from(self.nodes.len()).map_err(|_| Error::Unsupported("2^32 objects"))?;
                self.nodes.push(Node::Str(text));
                Ok(*vacant.insert(Ref::Node(id)))
            }
        }
    }

    /// The text of a derived qualified name. The first loop goes up to the nearest ancestor whose name is known, and
    /// the second derives the names on the way down.
    fn qualname_text(&mut self, load: &mut Load<'a>, code: &Code<'a>) -> Result<Vec<u8>> {
        let mut path = vec![*code];
        let mut text = loop {
            let Some(&code) = path.last() else { return Err(Error::Unsupported("qualified names without an owner")) };
            if let Some(Some(known)) = load.qualnames.get(load.index(code.id())) {
                path.pop();
                break known.clone();
            }
            if code.qualname_form().separator().is_none() {
                path.pop();
                let mut text = Vec::new();
                code.qualname().append_to(&mut text)?;
                break text;
            }
            path.push(code.parent()?.ok_or(Error::Unsupported("derived qualified names without a parent"))?);
        };
        while let Some(code) = path.pop() {
            text.extend_from_slice(code.qualname_form().separator().unwrap_or_default().as_bytes());
            text.extend_from_slice(code.name()?.bytes().as_slice());
            let left = self.qualnames_left.checked_sub(text.len() as u64);
            self.qualnames_left = left
                .filter(|_| text.len() <= permacode_format::MAX_QUALNAME_LEN as usize)
                .ok_or(Error::Unsupported("derived qualified names of this length"))?;
            let index = load.index(code.id());
            if let Some(known) = load.qualnames.get_mut(index) {
                *known = Some(text.clone());
            }
        }
        Ok(text)
    }
}
