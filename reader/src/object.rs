//! Objects: constants and names (spec.md 5.10, 5.11).

use crate::{
    bytes::Bytes,
    code::Code,
    error::{Error, ErrorKind, Result},
    leaf::{self, Leaf},
    module::Module,
    perma_bytes::PermaBytes,
    string::Str,
    view::View,
};
use permacode_format::{
    Container as ContainerKind, ItemRef, MAX_DEPTH, ObjectKind, Rule, SectionKind, U16, U32, container_item, entry,
    is_shortest_int, list_item, object_flag, string_kind,
};

/// Through whom an object was reached: that bounds what can be reached through it.
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
    /// None that is known. Code objects cannot be reached, since each is read together with its module.
    #[allow(non_upper_case_globals)]
    pub(crate) const None: Owner<'static> = Owner { module: None, code_bound: u32::MAX, depth: MAX_DEPTH };

    /// A code object of a module, by id.
    pub(crate) fn code(module: Module<'a>, id: u32) -> Self {
        Owner { module: Some(module), code_bound: id, depth: MAX_DEPTH }
    }
}

/// Most bytes of an object before its items or its text: the first byte, and three numbers.
const MAX_HEAD_LEN: u64 = 16;

/// An object by its id. Two objects of one archive are equal if their ids are: equal immutable values were merged, and
/// what was one object is one object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    view: View<'a>,
    id: u32,
    owner: Owner<'a>,
}

/// A constant: an object, or a code object.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    /// An object.
    Object(Object<'a>),
    /// A code object.
    Code(Code<'a>),
}

/// The value of a constant.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Constant<'a> {
    /// The absent value.
    None,
    /// Falsehood.
    False,
    /// Truth.
    True,
    /// `...`
    Ellipsis,
    /// The exception class `StopIteration`.
    StopIteration,
    /// An integer: the shortest two's complement, little-endian; zero has no bytes.
    Int(PermaBytes<'a>),
    /// An IEEE 754 double, as its bits.
    Float(u64),
    /// The bits of real and imaginary part.
    Complex(u64, u64),
    /// Immutable bytes.
    Bytes(PermaBytes<'a>),
    /// A string.
    Str(Str<'a>),
    /// The qualified name of the code object at index `constant` of the same constants.
    Qualname {
        /// Index into the constants of the code object that holds this one.
        constant: u32,
        /// Whether the string is interned.
        interned: bool,
    },
    /// Something that holds others.
    Container(Container<'a>),
    /// A code object.
    Code(Code<'a>),
}

/// A tuple or another object that holds objects.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    view: View<'a>,
    id: u32,
    kind: ContainerKind,
    /// For its items.
    owner: Owner<'a>,
    depth: u32,
    items: Bytes<'a>,
    is_wide: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn new(view: View<'a>, id: u32, owner: Owner<'a>) -> Self {
        Object { view, id, owner }
    }

    /// The object with an id that stands at `offset`, if `rule` is kept that there is one.
    #[inline]
    pub(crate) fn checked(view: View<'a>, id: u32, owner: Owner<'a>, rule: Rule, offset: u64) -> Result<Self> {
        let available = view.count::<U32>(SectionKind::Objects);
        if u64::from(id) >= available {
            let kind = ErrorKind::OutOfBounds { start: id.into(), len: 1, available };
            return Err(Error::new(kind, rule, offset));
        }
        Ok(Object { view, id, owner })
    }

    /// Its id: which object of the archive it is.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The bytes from its first one to the end of its section, not checked; and that section.
    fn place(&self) -> Result<(Bytes<'a>, SectionKind)> {
        let at = self.entry_offset();
        let Some(entry) = self.view.record::<U32>(SectionKind::Objects, self.id as usize)? else {
            let available = self.view.count::<U32>(SectionKind::Objects);
            let kind = ErrorKind::OutOfBounds { start: self.id.into(), len: 1, available };
            return Err(Error::new(kind, Rule::O1, at));
        };
        let (offset, is_cold) = entry::decode(entry.get());
        let kind = if is_cold { SectionKind::Docstrings } else { SectionKind::Constants };
        let bytes = self.view.section(kind).from(offset.into(), Rule::O1)?;
        if bytes.len() == 0 {
            return Err(Error::value(Rule::O1, at, "the offset of an object", offset));
        }
        Ok((bytes, kind))
    }

    /// Offset in the archive of its entry.
    pub(crate) fn entry_offset(&self) -> u64 {
        self.view.offset_of(SectionKind::Objects, self.id.into())
    }

    /// Its value, and its bytes: all of them and no others.
    ///
    /// How many bytes it has is known only when it was parsed, so their chunks are checked afterwards.
    #[inline]
    pub(crate) fn read(&self) -> Result<(Constant<'a>, Bytes<'a>)> {
        let (bytes, section) = self.place()?;
        let start = bytes.offset().saturating_sub(self.view.section(section).offset());
        match self.parse(bytes) {
            Ok((constant, rest)) => {
                let own = bytes.get(0, bytes.len().saturating_sub(rest.len()), Rule::O2)?;
                self.view.touch(section, start, own.len())?;
                Ok((constant, own))
            }
            Err(error) => {
                // Damage may be the reason.
                self.view.touch(section, start, bytes.len().min(MAX_HEAD_LEN))?;
                Err(error)
            }
        }
    }

    /// Its bytes, all of them and no others.
    pub(crate) fn own_bytes(&self) -> Result<Bytes<'a>> {
        self.read().map(|(_, bytes)| bytes)
    }

    /// Whether it lies among the docstrings, which are not touched until asked for.
    ///
    /// # Errors
    /// `[O-1]`
    pub fn is_cold(&self) -> Result<bool> {
        self.place().map(|(_, section)| section == SectionKind::Docstrings)
    }

    /// Offset of its first byte from the start of the archive.
    ///
    /// # Errors
    /// `[O-1]`
    pub fn offset(&self) -> Result<u64> {
        self.place().map(|(bytes, _)| bytes.offset())
    }

    /// What kind it is of.
    ///
    /// # Errors
    /// `[O-1]`, `[O-2]`
    pub fn kind(&self) -> Result<ObjectKind> {
        let (bytes, section) = self.place()?;
        let start = bytes.offset().saturating_sub(self.view.section(section).offset());
        self.view.touch(section, start, 1)?;
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

    /// The string that it is.
    ///
    /// # Errors
    /// Whatever `rule` says if it is none.
    pub(crate) fn as_str(&self, rule: Rule) -> Result<Str<'a>> {
        match self.read()? {
            (Constant::Str(text), _) => Ok(text),
            (_, bytes) => {
                Err(Error::value(rule, bytes.offset(), "the kind of an object that must be a string", bytes.first()))
            }
        }
    }

    /// The bytes object that it is.
    ///
    /// # Errors
    /// Whatever `rule` says if it is none.
    pub(crate) fn as_bytes(&self, rule: Rule) -> Result<PermaBytes<'a>> {
        match self.read()? {
            (Constant::Bytes(bytes), _) => Ok(bytes),
            (_, bytes) => {
                Err(Error::value(rule, bytes.offset(), "the kind of an object that must be bytes", bytes.first()))
            }
        }
    }

    /// The value of the object at the start of `bytes`, and what follows it.
    #[inline]
    pub(crate) fn parse(&self, bytes: Bytes<'a>) -> Result<(Constant<'a>, Bytes<'a>)> {
        let (kind, flags) = first_byte(bytes)?;
        let rest = bytes.from(1, Rule::O2)?;
        if let Some((leaf, len)) = leaf::parse(kind, flags, rest) {
            return Ok((leaf.into(), rest.from(len as u64, Rule::O2)?));
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
        rest: Bytes<'a>,
    ) -> Result<(Constant<'a>, Bytes<'a>)> {
        let (count, rest) = rest.varint(Rule::O2)?;
        let (depth, rest) = rest.varint(Rule::O2)?;
        let (bound, rest) = if flags & object_flag::CODE != 0 { rest.varint(Rule::O2)? } else { (0, rest) };
        if depth == 0 || depth > self.owner.depth {
            return Err(Error::value(Rule::O6, offset, "the depth of a container", depth));
        }
        let (is_wide, has_code) = (flags & object_flag::WIDE != 0, flags & object_flag::CODE != 0);
        if bound > self.owner.code_bound || (has_code && (bound == 0 || !is_wide)) {
            return Err(Error::value(Rule::O7, offset, "the bound of the code objects of a container", bound));
        }
        let len = u64::from(count).saturating_mul(if is_wide { 4 } else { 2 });
        let items = rest.get(0, len, Rule::O2)?;
        let kind = match ContainerKind::of_kind(kind) {
            Some(kind) if kind.takes(count.into()) => kind,
            _ => return Err(Error::value(Rule::O8, offset, "the number of items of a container", count)),
        };
        let owner = Owner { module: self.owner.module, code_bound: bound, depth: depth.saturating_sub(1) };
        let container = Container { view: self.view, id: self.id, kind, owner, depth, items, is_wide };
        Ok((Constant::Container(container), rest.from(len, Rule::O2)?))
    }

    /// Checks what [`Object::constant`] does not: that the value has the form it should have.
    pub(crate) fn verify_form(&self, offset: u64, constant: &Constant<'a>, kind: ObjectKind) -> Result<()> {
        match constant {
            Constant::Int(bytes) if !is_shortest_int(bytes) => {
                let what = "the length of an integer that has a shorter form";
                return Err(Error::value(Rule::O3, offset, what, bytes.len() as u64));
            }
            Constant::Str(text) if string_kind(&text.bytes()) != Some(kind) => {
                return Err(Error::value(Rule::O4, offset, "the kind of a string that is of another kind", kind as u8));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Kind and flags of the object at the start of `bytes`.
#[inline]
pub(crate) fn first_byte(bytes: Bytes<'_>) -> Result<(ObjectKind, u8)> {
    let first = bytes.first();
    let flags = first & !object_flag::KIND;
    match ObjectKind::from_number(first & object_flag::KIND) {
        Some(kind) if flags & !kind.allowed_flags() == 0 => Ok((kind, flags)),
        _ => Err(Error::value(Rule::O2, bytes.offset(), "the first byte of an object", first)),
    }
}

impl<'a> From<Leaf<'a>> for Constant<'a> {
    fn from(leaf: Leaf<'a>) -> Self {
        match leaf {
            Leaf::None => Constant::None,
            Leaf::False => Constant::False,
            Leaf::True => Constant::True,
            Leaf::Ellipsis => Constant::Ellipsis,
            Leaf::StopIteration => Constant::StopIteration,
            Leaf::Int(bytes) => Constant::Int(bytes),
            Leaf::Float(bits) => Constant::Float(bits),
            Leaf::Complex(real, imaginary) => Constant::Complex(real, imaginary),
            Leaf::Bytes(bytes) => Constant::Bytes(bytes),
            Leaf::Str(text) => Constant::Str(text),
            Leaf::Qualname { constant, interned } => Constant::Qualname { constant, interned },
        }
    }
}

impl PartialEq for Object<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.view.is_same(other.view)
    }
}

impl Eq for Object<'_> {}

impl<'a> Item<'a> {
    /// What an item of a list or container refers to; `offset` is where it stands.
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
                    Code::new(view, module, id).map(Item::Code)
                }
                Some(_) => Err(Error::value(Rule::C11, offset, "the id of a code object", id)),
            },
        }
    }

    /// The value.
    ///
    /// # Errors
    /// As [`Object::constant`].
    #[inline]
    pub fn constant(&self) -> Result<Constant<'a>> {
        match self {
            Item::Object(object) => object.constant(),
            Item::Code(code) => Ok(Constant::Code(*code)),
        }
    }
}

impl<'a> Container<'a> {
    /// What kind of container it is.
    #[must_use]
    pub fn kind(&self) -> ContainerKind {
        self.kind
    }

    /// Number of items; of a mapping twice that of its keys.
    #[must_use]
    pub fn len(&self) -> usize {
        let width = if self.is_wide { 4 } else { 2 };
        self.items.data().len().checked_div(width).unwrap_or(0)
    }

    /// Whether it has no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.len() == 0
    }

    /// Levels of containers, itself included: 1 to 2,000. That of each item is smaller.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether code objects can be reached through it.
    #[must_use]
    pub fn has_code(&self) -> bool {
        self.owner.code_bound > 0
    }

    /// One more than the highest id of a code object that can be reached; zero: none can.
    pub(crate) fn code_bound(&self) -> u32 {
        self.owner.code_bound
    }

    /// What an item refers to, as it stands; `None` behind the last one.
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
                        "an item before the first object, number",
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

    /// An item; `None` behind the last one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Result<Item<'a>>> {
        Some(
            self.item_ref(index)?
                .and_then(|item| Item::resolve(self.view, item, self.owner, Rule::O6, self.items.offset())),
        )
    }

    /// The items in order; keys and values of a mapping alternate.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Result<Item<'a>>> + use<'a> {
        let container = *self;
        (0..self.len()).map(move |index| {
            container
                .get(index)
                .unwrap_or_else(|| Err(Error::value(Rule::O8, container.items.offset(), "an item", index as u64)))
        })
    }
}
