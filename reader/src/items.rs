//! The list of a code object: its names, locals and constants (spec.md 5.9).

use crate::{
    error::{Error, Result},
    iter::indexed,
    module::Module,
    object::{Item, Object, Owner},
    string::Str,
};
use core::{ops::Range, slice};
use permacode_format::{CodeRecord, ItemRef, Rule, U16, U32, list_item};

/// The list of a code object: a head, the locals, the constants and the names, in this order.
///
/// The head is the kinds of the locals ([`List::KINDS`]) and the name ([`List::NAME`]). An explicit qualified name and
/// a file name follow, if the code object has them.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    pub(crate) module: Module<'a>,
    /// Id of the code object.
    pub(crate) code: u32,
    /// The items in two-byte form; empty if the list is wide.
    pub(crate) narrow: &'a [U16],
    /// The items in four-byte form; empty if the list is narrow.
    pub(crate) wide: &'a [U32],
    /// Offset of the list in the archive.
    pub(crate) offset: u64,
    pub(crate) has_qualname: bool,
    pub(crate) has_filename: bool,
    pub(crate) local_count: usize,
    pub(crate) constant_count: usize,
}

/// Part of the list of a code object: its locals, its constants or its names.
///
/// [`Code`](crate::Code) has an example.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    module: Module<'a>,
    /// Id of the code object.
    code: u32,
    narrow: &'a [U16],
    wide: &'a [U32],
    /// Offset of the list in the archive.
    offset: u64,
    /// Number of the first item in the list.
    start: usize,
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

    /// Index of the qualified name; `None` if the list has none.
    #[must_use]
    #[inline]
    pub fn qualname_index(&self) -> Option<usize> {
        self.has_qualname.then_some(2)
    }

    /// Index of the file name; `None` if the code object has the file name of the module.
    #[must_use]
    #[inline]
    pub fn filename_index(&self) -> Option<usize> {
        self.has_filename.then_some(if self.has_qualname { 3 } else { 2 })
    }

    /// Offset of the record of the code object, for errors.
    pub(crate) fn code_offset(&self) -> u64 {
        self.module.view().offset_of::<CodeRecord>(self.code)
    }

    fn head_len(&self) -> usize {
        2usize.saturating_add(self.has_qualname.into()).saturating_add(self.has_filename.into())
    }

    /// Number of its items.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "it always has a name")]
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

    /// The indexes of the locals.
    #[must_use]
    #[inline]
    pub fn locals_range(&self) -> Range<usize> {
        let start = self.head_len();
        start..start.saturating_add(self.local_count)
    }

    /// The indexes of the constants.
    #[must_use]
    #[inline]
    pub fn constants_range(&self) -> Range<usize> {
        let start = self.locals_range().end;
        start..start.saturating_add(self.constant_count)
    }

    /// The indexes of the names.
    #[must_use]
    #[inline]
    pub fn names_range(&self) -> Range<usize> {
        self.constants_range().end..self.len()
    }

    /// The id that an item refers to; see [`Items::reference`].
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

    /// Local variables, cells and free variables, in the order of their numbers in instructions.
    #[must_use]
    #[inline]
    pub fn locals(&self) -> Items<'a> {
        self.part(self.locals_range())
    }

    /// Constants, in the order of their numbers in instructions.
    #[must_use]
    #[inline]
    pub fn constants(&self) -> Items<'a> {
        self.part(self.constants_range())
    }

    /// Names of globals and attributes, in the order of their numbers in instructions.
    #[must_use]
    #[inline]
    pub fn names(&self) -> Items<'a> {
        self.part(self.names_range())
    }

    /// The object at `index`. If it is a code object, the error names `rule`.
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

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id that an item refers to, for programs with a cache by id.
    ///
    /// The object with this id may not exist, because this reads only the item. `None` if the item does not exist, or
    /// if its id would exceed 32 bits. [`Items::get`] distinguishes the two.
    #[must_use]
    #[inline]
    pub fn reference(&self, index: usize) -> Option<ItemRef> {
        reference(self.module, self.narrow, self.wide, index)
    }

    /// The ids that the items refer to, in order; see [`Items::reference`].
    #[must_use]
    #[inline]
    pub fn references(&self) -> References<'a> {
        References {
            items: *self,
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
            None => Err(self.bad_item(index)),
        }
    }

    #[cold]
    fn bad_item(&self, index: usize) -> Error {
        let number = self.start.saturating_add(index) as u64;
        Error::value(Rule::C4, self.offset, "the number of an item with an id that exceeds 32 bits", number)
    }

    /// The item at `index`. `None` after the last item.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Result<Item<'a>>> {
        (index < self.len()).then(|| self.item(index))
    }

    /// The items in order.
    #[must_use]
    pub fn iter(&self) -> ItemsIter<'a> {
        ItemsIter::new(*self, 0..self.len())
    }

    fn object(&self, index: usize, rule: Rule) -> Result<Object<'a>> {
        match self.item(index)? {
            Item::Object(object) => Ok(object),
            Item::Code(code) => {
                let what = "the id of a code object in the place of another object";
                Err(Error::value(rule, self.offset, what, code.id()))
            }
        }
    }

    fn name(&self, index: usize) -> Result<Object<'a>> {
        self.object(index, Rule::C10)
    }

    pub(crate) fn string(&self, index: usize) -> Result<Str<'a>> {
        self.name(index)?.as_str(Rule::C10)
    }

    /// The items in order as objects, for names and locals. A code object is an error [C-10].
    #[must_use]
    pub fn objects(&self) -> Objects<'a> {
        Objects::new(*self, 0..self.len())
    }

    /// The items in order as strings, for names and locals. Anything else is an error [C-10].
    #[must_use]
    pub fn strings(&self) -> Strings<'a> {
        Strings::new(*self, 0..self.len())
    }
}

indexed! {
    /// Items in order; see [`Items::iter`].
    ItemsIter of Items yields Result<Item<'a>>, item;
}

indexed! {
    /// Items in order as objects; see [`Items::objects`].
    Objects of Items yields Result<Object<'a>>, name;
}

indexed! {
    /// Items in order as strings; see [`Items::strings`].
    Strings of Items yields Result<Str<'a>>, string;
}

impl<'a> IntoIterator for Items<'a> {
    type Item = Result<Item<'a>>;
    type IntoIter = ItemsIter<'a>;

    fn into_iter(self) -> ItemsIter<'a> {
        self.iter()
    }
}

/// The ids that items refer to, in order; see [`Items::references`].
#[derive(Debug, Clone)]
pub struct References<'a> {
    items: Items<'a>,
    narrow: slice::Iter<'a, U16>,
    wide: slice::Iter<'a, U32>,
    object_base: u32,
    first_code: u32,
}

impl Iterator for References<'_> {
    type Item = Result<ItemRef>;

    #[inline]
    fn next(&mut self) -> Option<Result<ItemRef>> {
        match self.narrow.next() {
            Some(item) => match list_item::decode_narrow(item.get(), self.object_base, self.first_code) {
                Some(item) => Some(Ok(item)),
                None => Some(Err(self.items.bad_item(self.items.len().saturating_sub(self.len()).saturating_sub(1)))),
            },
            None => self.wide.next().map(|item| Ok(list_item::decode_wide(item.get()))),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.narrow.len().saturating_add(self.wide.len());
        (left, Some(left))
    }
}

impl ExactSizeIterator for References<'_> {}
