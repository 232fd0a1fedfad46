//! The list of a code object: its names, locals and constants (spec.md 5.9).

use crate::{
    bytes::Bytes,
    error::{Error, Result},
    module::Module,
    object::{Item, Object, Owner},
    string::Str,
};
use permacode_format::{ItemRef, Rule, U16, U32, list_item};

/// The whole list of a code object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List<'a> {
    pub(crate) module: Module<'a>,
    /// Id of the code object.
    pub(crate) code: u32,
    pub(crate) bytes: Bytes<'a>,
    pub(crate) is_wide: bool,
}

/// Part of the list of a code object: its locals, its constants or its names.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    list: List<'a>,
    start: usize,
    len: usize,
}

impl<'a> List<'a> {
    pub(crate) fn len(&self) -> usize {
        self.bytes.data().len().checked_div(if self.is_wide { 4 } else { 2 }).unwrap_or(0)
    }

    pub(crate) fn part(&self, start: usize, len: usize) -> Items<'a> {
        Items { list: *self, start, len }
    }

    #[inline]
    pub(crate) fn item(&self, index: usize) -> Result<Item<'a>> {
        let (base, first) = (self.module.object_base(), self.module.first_code());
        let item = if self.is_wide {
            self.bytes.records::<U32>().get(index).map(|item| list_item::decode_wide(item.get()))
        } else {
            self.bytes.records::<U16>().get(index).and_then(|item| list_item::decode_narrow(item.get(), base, first))
        };
        let offset = self.bytes.offset();
        match item {
            Some(item) => {
                Item::resolve(self.module.view(), item, Owner::code(self.module, self.code), Rule::C4, offset)
            }
            None => Err(Error::value(Rule::C4, offset, "the number of an item that leads nowhere", index as u64)),
        }
    }

    /// An item that must not be a code object, if `rule` is kept.
    pub(crate) fn object(&self, index: usize, rule: Rule) -> Result<Object<'a>> {
        match self.item(index)? {
            Item::Object(object) => Ok(object),
            Item::Code(code) => {
                let what = "a code object where another is due, id";
                Err(Error::value(rule, self.bytes.offset(), what, code.id()))
            }
        }
    }
}

impl<'a> Items<'a> {
    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// An item; `None` behind the last one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Result<Item<'a>>> {
        let index = if index < self.len { self.start.checked_add(index)? } else { return None };
        Some(self.list.item(index))
    }

    /// The items in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Result<Item<'a>>> + use<'a> {
        let items = *self;
        (0..self.len).map(move |index| items.list.item(items.start.saturating_add(index)))
    }

    /// What the items refer to, by ids alone and in order: for who keeps what it made of objects by their ids, and looks at an
    /// object only when it meets its id for the first time.
    ///
    /// Nothing but the width of the items is checked: an id may be that of no object. `None` stands for an item that leads
    /// nowhere; [`Items::get`] says what is wrong with it.
    #[inline]
    pub fn refs(&self) -> impl ExactSizeIterator<Item = Option<ItemRef>> + use<'a> {
        let List { module, bytes, is_wide, .. } = self.list;
        let (base, first) = (module.object_base(), module.first_code());
        let (narrow, wide) = if is_wide { (&[][..], bytes.records::<U32>()) } else { (bytes.records::<U16>(), &[][..]) };
        let start = self.start;
        (0..self.len).map(move |index| {
            let index = start.saturating_add(index);
            match narrow.get(index) {
                Some(item) => list_item::decode_narrow(item.get(), base, first),
                None => wide.get(index).map(|item| list_item::decode_wide(item.get())),
            }
        })
    }

    /// The items in order as objects, where they are names or locals.
    pub fn objects(&self) -> impl ExactSizeIterator<Item = Result<Object<'a>>> + use<'a> {
        let items = *self;
        (0..self.len).map(move |index| items.list.object(items.start.saturating_add(index), Rule::C10))
    }

    /// The items in order as strings, where they are names or locals.
    pub fn strings(&self) -> impl ExactSizeIterator<Item = Result<Str<'a>>> + use<'a> {
        self.objects().map(|object| object?.as_str(Rule::C10))
    }
}
