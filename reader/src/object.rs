//! Objects: constants and names (spec.md 5.10, 5.11).

use crate::{
    code::Code,
    error::{Error, Result},
    iter::indexed,
    leaf::{self, Leaf},
    module::Module,
    perma_bytes::PermaBytes,
    string::Str,
    view::View,
};
use permacode_format::{
    Container as ContainerKind, ItemRef, MAX_DEPTH, ObjectEntry, ObjectKind, Rule, SectionKind, U16, U32,
    container_item, list_item, object_flag,
};

/// The way by which an object was reached. It limits what the object may refer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    /// The module whose code objects may be reached.
    module: Option<Module<'a>>,
    /// Code objects must have lower ids than this.
    code_bound: u32,
    /// Containers must have at most this depth.
    depth: u32,
}

impl<'a> Owner<'a> {
    /// The object was requested by its id. Its code objects cannot be read, because their module is not known.
    pub(crate) const UNKNOWN: Owner<'static> = Owner { module: None, code_bound: u32::MAX, depth: MAX_DEPTH };

    /// Code object `id` of a module lists the object.
    pub(crate) fn code(module: Module<'a>, id: u32) -> Self {
        Owner { module: Some(module), code_bound: id, depth: MAX_DEPTH }
    }
}

/// Most bytes of an object before its items or its text: the first byte and three varints.
const MAX_HEAD_LEN: u64 = 16;

/// An object, identified by its id.
///
/// Two objects of one archive are equal if their ids are equal. A writer merges equal immutable values and keeps the
/// identity of mutable ones, so equal ids mean the same object in the input, too.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    view: View<'a>,
    id: u32,
    owner: Owner<'a>,
}

/// An item of a list or a container: an object, or a code object.
#[derive(Clone, Copy)]
pub enum Item<'a> {
    /// An object.
    Object(Object<'a>),
    /// A code object.
    Code(Code<'a>),
}

/// The value of an object.
#[derive(Clone, Copy)]
pub enum Constant<'a> {
    /// A value without items.
    Leaf(Leaf<'a>),
    /// A tuple or another container.
    Container(Container<'a>),
}

/// A tuple or another object with items.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    view: View<'a>,
    id: u32,
    kind: ContainerKind,
    /// The owner of its items.
    owner: Owner<'a>,
    depth: u32,
    items: PermaBytes<'a>,
    is_wide: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn new(view: View<'a>, id: u32, owner: Owner<'a>) -> Self {
        Object { view, id, owner }
    }

    /// Object `id`. If it does not exist, the error names `rule` and `offset`.
    #[inline]
    pub(crate) fn checked(view: View<'a>, id: u32, owner: Owner<'a>, rule: Rule, offset: u64) -> Result<Self> {
        match id < view.count::<ObjectEntry>() {
            true => Ok(Object { view, id, owner }),
            false => Err(view.no_record::<ObjectEntry>(id, rule, offset)),
        }
    }

    /// Its id within the archive.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The bytes from its first byte to the end of its section, and that section. Their chunks are not checked.
    fn start(&self) -> Result<(PermaBytes<'a>, SectionKind)> {
        let Some(entry) = self.view.record::<ObjectEntry>(self.id)? else {
            return Err(self.view.no_record::<ObjectEntry>(self.id, Rule::O1, self.entry_offset()));
        };
        let kind = entry.section();
        let bytes = self.view.section(kind).tail(entry.offset_in_section().into(), Rule::O1)?;
        if bytes.is_empty() {
            return Err(entry.error(Rule::O1, 0, "the offset of an object", entry.offset_in_section()));
        }
        Ok((bytes, kind))
    }

    /// Offset in the archive of its entry.
    pub(crate) fn entry_offset(&self) -> u64 {
        self.view.offset_of::<ObjectEntry>(self.id)
    }

    /// Offset of `bytes` in its section.
    fn in_section(&self, section: SectionKind, bytes: PermaBytes<'a>) -> u64 {
        bytes.offset().saturating_sub(self.view.section(section).offset())
    }

    /// Its value and its bytes.
    ///
    /// Its length is known only after parsing, so its chunks are checked after that.
    #[inline]
    pub(crate) fn read(&self) -> Result<(Constant<'a>, PermaBytes<'a>)> {
        let (bytes, section) = self.start()?;
        let start = self.in_section(section, bytes);
        match self.parse(bytes) {
            Ok((constant, rest)) => {
                let own = bytes.part(0, bytes.len_u64().saturating_sub(rest.len_u64()), Rule::O2)?;
                self.view.touch(section, start, own.len_u64())?;
                Ok((constant, own))
            }
            Err(error) => {
                // The bytes may be damaged. Then the error must be [K-1].
                self.view.touch(section, start, bytes.len_u64().min(MAX_HEAD_LEN))?;
                Err(error)
            }
        }
    }

    /// Its bytes.
    pub(crate) fn own_bytes(&self) -> Result<PermaBytes<'a>> {
        self.read().map(|(_, bytes)| bytes)
    }

    /// Whether it lies in the docstrings section, which holds the objects that are only docstrings.
    ///
    /// # Errors
    /// `[O-1]`
    pub fn is_cold(&self) -> Result<bool> {
        self.start().map(|(_, section)| section == SectionKind::Docstrings)
    }

    /// Offset of its first byte from the start of the archive.
    ///
    /// # Errors
    /// `[O-1]`
    pub fn offset(&self) -> Result<u64> {
        self.start().map(|(bytes, _)| bytes.offset())
    }

    /// Its kind.
    ///
    /// # Errors
    /// `[O-1]`, `[O-2]`
    pub fn kind(&self) -> Result<ObjectKind> {
        let (bytes, section) = self.start()?;
        self.view.touch(section, self.in_section(section, bytes), 1)?;
        first_byte(bytes).map(|(kind, _)| kind)
    }

    /// Its value.
    ///
    /// # Errors
    /// `[O-1]`, `[O-2]`, and for containers `[O-6]` to `[O-8]`
    #[inline]
    pub fn constant(&self) -> Result<Constant<'a>> {
        self.read().map(|(constant, _)| constant)
    }

    /// Its text. If it is not a string, the error names `rule`.
    pub(crate) fn as_str(&self, rule: Rule) -> Result<Str<'a>> {
        match self.read()? {
            (Constant::Leaf(Leaf::Str(text)), _) => Ok(text),
            (_, bytes) => Err(wrong_kind(rule, "the first byte of an object where a string is required", bytes)),
        }
    }

    /// Its value as a bytes object. If it is not one, the error names `rule`.
    pub(crate) fn as_bytes(&self, rule: Rule) -> Result<PermaBytes<'a>> {
        match self.read()? {
            (Constant::Leaf(Leaf::Bytes(bytes)), _) => Ok(bytes),
            (_, bytes) => Err(wrong_kind(rule, "the first byte of an object where bytes are required", bytes)),
        }
    }

    /// The value of the object at the start of `bytes`, and the bytes after it.
    #[inline]
    pub(crate) fn parse(&self, bytes: PermaBytes<'a>) -> Result<(Constant<'a>, PermaBytes<'a>)> {
        let (kind, flags) = first_byte(bytes)?;
        let rest = bytes.tail(1, Rule::O2)?;
        if let Some((leaf, len)) = leaf::parse(kind, flags, rest) {
            return Ok((Constant::Leaf(leaf), rest.tail(len as u64, Rule::O2)?));
        }
        if ContainerKind::of_kind(kind).is_none() {
            return Err(leaf::error(kind, rest));
        }
        self.parse_container(bytes.offset(), kind, flags, rest)
    }

    fn parse_container(
        &self,
        offset: u64,
        kind: ObjectKind,
        flags: u8,
        rest: PermaBytes<'a>,
    ) -> Result<(Constant<'a>, PermaBytes<'a>)> {
        let (count, rest) = rest.varint(Rule::O2)?;
        let (depth, rest) = rest.varint(Rule::O2)?;
        let (bound, rest) = if flags & object_flag::CODE != 0 { rest.varint(Rule::O2)? } else { (0, rest) };
        if depth == 0 || depth > self.owner.depth {
            return Err(Error::value(
                Rule::O6,
                offset,
                "a depth of a container that is zero or not below the depth of the container around it",
                depth,
            ));
        }
        let (is_wide, has_code) = (flags & object_flag::WIDE != 0, flags & object_flag::CODE != 0);
        if bound > self.owner.code_bound || (has_code && (bound == 0 || !is_wide)) {
            return Err(Error::value(Rule::O7, offset, "the bound of the code objects of a container", bound));
        }
        let len = u64::from(count).saturating_mul(if is_wide { 4 } else { 2 });
        let items = rest.part(0, len, Rule::O2)?;
        let kind = match ContainerKind::of_kind(kind) {
            Some(kind) if kind.takes(count.into()) => kind,
            _ => return Err(Error::value(Rule::O8, offset, "the number of items of a container", count)),
        };
        let owner = Owner { module: self.owner.module, code_bound: bound, depth: depth.saturating_sub(1) };
        let container = Container { view: self.view, id: self.id, kind, owner, depth, items, is_wide };
        Ok((Constant::Container(container), rest.tail(len, Rule::O2)?))
    }
}

#[cold]
fn wrong_kind(rule: Rule, what: &'static str, bytes: PermaBytes<'_>) -> Error {
    Error::value(rule, bytes.offset(), what, bytes.first_or_zero())
}

/// Kind and flags of the object at the start of `bytes`.
#[inline]
pub(crate) fn first_byte(bytes: PermaBytes<'_>) -> Result<(ObjectKind, u8)> {
    let first = bytes.first_or_zero();
    let flags = first & !object_flag::KIND;
    match ObjectKind::from_number(first & object_flag::KIND) {
        Some(kind) if flags & !kind.allowed_flags() == 0 => Ok((kind, flags)),
        _ => Err(Error::value(Rule::O2, bytes.offset(), "the first byte of an object", first)),
    }
}

impl PartialEq for Object<'_> {
    /// Whether both are the same object of the same archive.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.view.is_same(other.view)
    }
}

impl Eq for Object<'_> {}

impl<'a> Item<'a> {
    /// The object or code object that an item refers to. The list or container of the item is at `offset`. If the
    /// object does not exist, the error names `rule`.
    #[inline]
    pub(crate) fn resolve(
        view: View<'a>,
        item: ItemRef,
        owner: Owner<'a>,
        rule: Rule,
        offset: u64,
    ) -> Result<Item<'a>> {
        match item {
            ItemRef::Object(id) => Object::checked(view, id, owner, rule, offset).map(Item::Object),
            ItemRef::Code(id) => match owner.module {
                None => Err(Error::needs_module(id, offset)),
                Some(module) if id < owner.code_bound && id >= module.first_code() => {
                    Code::new(module, id).map(Item::Code)
                }
                Some(_) => Err(Error::value(Rule::C11, offset, "the id of a code object", id)),
            },
        }
    }

    /// The object; `None` if the item is a code object.
    #[must_use]
    pub fn object(&self) -> Option<Object<'a>> {
        match self {
            Item::Object(object) => Some(*object),
            Item::Code(_) => None,
        }
    }

    /// The code object; `None` if the item is another object.
    #[must_use]
    pub fn code(&self) -> Option<Code<'a>> {
        match self {
            Item::Object(_) => None,
            Item::Code(code) => Some(*code),
        }
    }
}

impl<'a> Container<'a> {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ContainerKind {
        self.kind
    }

    /// Number of items. A mapping has two for each key.
    #[must_use]
    pub fn len(&self) -> usize {
        let width = if self.is_wide { 4 } else { 2 };
        self.items.len().checked_div(width).unwrap_or(0)
    }

    /// Whether it has no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Levels of containers, this one included: 1 to 2,000. The depth of each item is smaller.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether it reaches code objects, directly or through other containers.
    #[must_use]
    pub fn has_code(&self) -> bool {
        self.owner.code_bound > 0
    }

    /// The stated bound: one more than the highest id of a code object that can be reached through the
    /// container. Zero if none can be reached.
    pub(crate) fn code_bound(&self) -> u32 {
        self.owner.code_bound
    }

    /// The id that an item refers to; `None` after the last item.
    #[inline]
    pub(crate) fn item_ref(&self, index: usize) -> Option<Result<ItemRef>> {
        let item = if self.is_wide {
            list_item::decode_wide(self.items.records::<U32>().get(index)?.get())
        } else {
            match container_item::decode_narrow(self.items.records::<U16>().get(index)?.get(), self.id) {
                Some(id) => ItemRef::Object(id),
                None => {
                    return Some(Err(Error::value(
                        Rule::O6,
                        self.items.offset(),
                        "the number of an item that refers to an id below zero",
                        index as u64,
                    )));
                }
            }
        };
        match item {
            ItemRef::Object(id) if id >= self.id => {
                Some(Err(Error::value(Rule::O6, self.items.offset(), "the id of an item of a container", id)))
            }
            item => Some(Ok(item)),
        }
    }

    /// An item; `None` after the last item.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Result<Item<'a>>> {
        Some(match self.item_ref(index)? {
            Ok(ItemRef::Code(id)) if id >= self.owner.code_bound => {
                let what = "the id of a code object that is not below the bound of its container";
                Err(Error::value(Rule::O7, self.items.offset(), what, id))
            }
            Ok(item) => Item::resolve(self.view, item, self.owner, Rule::O6, self.items.offset()),
            Err(error) => Err(error),
        })
    }

    /// The items in order. Keys and values of a mapping alternate.
    #[must_use]
    pub fn iter(&self) -> ContainerItems<'a> {
        ContainerItems::new(*self, 0..self.len())
    }

    fn at(&self, index: usize) -> Result<Item<'a>> {
        let missing =
            || Error::value(Rule::O8, self.items.offset(), "the number of an item that does not exist", index as u64);
        self.get(index).unwrap_or_else(|| Err(missing()))
    }
}

indexed! {
    /// The items of a container in order; see [`Container::iter`].
    ContainerItems of Container yields Result<Item<'a>>, at;
}

impl<'a> IntoIterator for Container<'a> {
    type Item = Result<Item<'a>>;
    type IntoIter = ContainerItems<'a>;

    fn into_iter(self) -> ContainerItems<'a> {
        self.iter()
    }
}
