//! The list of a code object: its names, locals and constants (spec.md 5.9).

use crate::{
    error::{Error, Result},
    module::Module,
    object::{Item, Object, Owner},
    string::Str,
};
use core::{ops::Range, slice};
use permacode_format::{ItemRef, Rule, SectionKind, U16, U32, list_item};

/// The whole list of a code object: in this order its head, locals, constants and names.
///
/// The head has the kinds of the locals ([`List::KINDS`]), the name ([`List::NAME`]), and, where the code object has them,
/// its qualified name and its file name.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    pub(crate) module: Module<'a>,
    /// Id of the code object.
    pub(crate) code: u32,
    /// Its items in their two-byte form, or none.
    pub(crate) narrow: &'a [U16],
    /// Its items in their four-byte form, or none.
    pub(crate) wide: &'a [U32],
    /// Where it lies in the archive.
    pub(crate) offset: u64,
    pub(crate) has_qualname: bool,
    pub(crate) has_filename: bool,
    pub(crate) local_count: usize,
    pub(crate) constant_count: usize,
}

/// Part of the list of a code object: its locals, its constants or its names.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    module: Module<'a>,
    /// Id of the code object.
    code: u32,
    narrow: &'a [U16],
    wide: &'a [U32],
    /// Where the list lies in the archive.
    offset: u64,
    /// Number of the first item in the list.
    start: usize,
}

/// What items refer to, in order; see [`Items::references`].
#[derive(Debug, Clone)]
pub struct References<'a> {
    narrow: slice::Iter<'a, U16>,
    wide: slice::Iter<'a, U32>,
    object_base: u32,
    first_code: u32,
}

impl Iterator for References<'_> {
    type Item = Option<ItemRef>;

    #[inline]
    fn next(&mut self) -> Option<Option<ItemRef>> {
        match self.narrow.next() {
            Some(item) => Some(list_item::decode_narrow(item.get(), self.object_base, self.first_code)),
            None => self.wide.next().map(|item| Some(list_item::decode_wide(item.get()))),
        }
    }
}

#[inline]
fn reference(module: Module<'_>, narrow: &[U16], wide: &[U32], index: usize) -> Option<ItemRef> {
    match narrow.get(index) {
        Some(item) => list_item::decode_narrow(item.get(), module.object_base(), module.first_code()),
        None => wide.get(index).map(|item| list_item::decode_wide(item.get())),
    }
}

impl<'a> List<'a> {
    /// Index of the kinds of the locals: a bytes object.
    pub const KINDS: usize = 0;
    /// Index of the name: a string.
    pub const NAME: usize = 1;

    /// Index of the qualified name, where it is one that the code object itself has.
    #[must_use]
    #[inline]
    pub fn qualname_index(&self) -> Option<usize> {
        self.has_qualname.then_some(2)
    }

    /// Index of the file name, where it is not that of the module.
    #[must_use]
    #[inline]
    pub fn filename_index(&self) -> Option<usize> {
        self.has_filename.then_some(if self.has_qualname { 3 } else { 2 })
    }

    /// Offset of the record of the code object, for errors.
    pub(crate) fn code_offset(&self) -> u64 {
        self.module.view().offset_of(SectionKind::Code, self.code.into())
    }

    fn head_len(&self) -> usize {
        2usize.saturating_add(self.has_qualname.into()).saturating_add(self.has_filename.into())
    }

    /// Number of all its items.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "it has a name at least")]
    pub fn len(&self) -> usize {
        self.narrow.len().saturating_add(self.wide.len())
    }

    #[inline]
    fn part(&self, range: Range<usize>) -> Items<'a> {
        let List { module, code, offset, .. } = *self;
        let start = range.start;
        let (narrow, wide) = (self.narrow.get(range.clone()), self.wide.get(range));
        Items { module, code, narrow: narrow.unwrap_or_default(), wide: wide.unwrap_or_default(), offset, start }
    }

    /// Which of its items are locals.
    #[must_use]
    #[inline]
    pub fn locals_range(&self) -> Range<usize> {
        let start = self.head_len();
        start..start.saturating_add(self.local_count)
    }

    /// Which of its items are constants.
    #[must_use]
    #[inline]
    pub fn constants_range(&self) -> Range<usize> {
        let start = self.locals_range().end;
        start..start.saturating_add(self.constant_count)
    }

    /// Which of its items are names.
    #[must_use]
    #[inline]
    pub fn names_range(&self) -> Range<usize> {
        self.constants_range().end..self.len()
    }

    /// What an item refers to; see [`Items::reference`].
    #[must_use]
    #[inline]
    pub fn reference(&self, index: usize) -> Option<ItemRef> {
        reference(self.module, self.narrow, self.wide, index)
    }

    /// All its items.
    #[must_use]
    #[inline]
    pub fn all(&self) -> Items<'a> {
        self.part(0..self.len())
    }

    /// Local variables, cells and free variables, in the order in which instructions number them.
    #[must_use]
    #[inline]
    pub fn locals(&self) -> Items<'a> {
        self.part(self.locals_range())
    }

    /// Constants, in the order in which instructions number them.
    #[must_use]
    #[inline]
    pub fn constants(&self) -> Items<'a> {
        self.part(self.constants_range())
    }

    /// Names of globals and attributes, in the order in which instructions number them.
    #[must_use]
    #[inline]
    pub fn names(&self) -> Items<'a> {
        self.part(self.names_range())
    }

    /// An item that must not be a code object, if `rule` is kept.
    pub(crate) fn object(&self, index: usize, rule: Rule) -> Result<Object<'a>> {
        self.all().object(index, rule)
    }
}

impl<'a> Items<'a> {
    /// Number of items.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.narrow.len().saturating_add(self.wide.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What an item refers to, by its id alone: for who keeps what it made of objects by their ids, and looks at an object
    /// only when it meets its id for the first time.
    ///
    /// The id may be that of no object. `None`: there is no such item, or it leads nowhere; [`Items::get`] says what is wrong.
    #[must_use]
    #[inline]
    pub fn reference(&self, index: usize) -> Option<ItemRef> {
        reference(self.module, self.narrow, self.wide, index)
    }

    /// What the items refer to, in order; see [`Items::reference`].
    #[inline]
    pub fn references(&self) -> References<'a> {
        References {
            narrow: self.narrow.iter(),
            wide: self.wide.iter(),
            object_base: self.module.object_base(),
            first_code: self.module.first_code(),
        }
    }

    fn item(&self, index: usize) -> Result<Item<'a>> {
        match self.reference(index) {
            Some(item) => {
                let owner = Owner::code(self.module, self.code);
                Item::resolve(self.module.view(), item, owner, Rule::C4, self.offset)
            }
            None => {
                let number = self.start.saturating_add(index) as u64;
                Err(Error::value(Rule::C4, self.offset, "the number of an item that leads nowhere", number))
            }
        }
    }

    /// An item; `None` behind the last one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Result<Item<'a>>> {
        (index < self.len()).then(|| self.item(index))
    }

    /// The items in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Result<Item<'a>>> + use<'a> {
        let items = *self;
        (0..self.len()).map(move |index| items.item(index))
    }

    fn object(&self, index: usize, rule: Rule) -> Result<Object<'a>> {
        match self.item(index)? {
            Item::Object(object) => Ok(object),
            Item::Code(code) => {
                let what = "a code object where another is due, id";
                Err(Error::value(rule, self.offset, what, code.id()))
            }
        }
    }

    /// The items in order as objects, where they are names or locals.
    pub fn objects(&self) -> impl ExactSizeIterator<Item = Result<Object<'a>>> + use<'a> {
        let items = *self;
        (0..self.len()).map(move |index| items.object(index, Rule::C10))
    }

    /// The items in order as strings, where they are names or locals.
    pub fn strings(&self) -> impl ExactSizeIterator<Item = Result<Str<'a>>> + use<'a> {
        self.objects().map(|object| object?.as_str(Rule::C10))
    }
}
