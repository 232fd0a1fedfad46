//! The bytes of an archive together with its layout, and records that know their offset.

use crate::{
    error::{Error, Result},
    layout::Layout,
    perma_bytes::PermaBytes,
};
use core::{fmt, ops::Deref};
use permacode_format::{Rule, SectionKind, SectionRecord};

/// The bytes of an archive and its layout.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) file: &'a [u8],
    pub(crate) layout: &'a Layout,
}

impl<'a> View<'a> {
    /// The whole archive.
    pub(crate) fn file(self) -> PermaBytes<'a> {
        PermaBytes::new(self.file, 0)
    }

    /// Whether both are views of the same bytes.
    pub(crate) fn is_same(self, other: View<'_>) -> bool {
        core::ptr::eq(self.file, other.file)
    }

    /// The bytes of a section, which are empty if the archive does not have it. This does not check chunks, in contrast
    /// to [`View::range`].
    #[inline]
    pub(crate) fn section(self, kind: SectionKind) -> PermaBytes<'a> {
        let place = self.layout.place(kind);
        // Opening has checked that every section lies in the file.
        self.file().part(place.offset, place.len, Rule::S3).unwrap_or(PermaBytes::new(&[], place.offset))
    }

    /// Number of records in the section of `R`. Sections of records are short enough for 32 bits [S-8].
    #[inline]
    pub(crate) fn count<R: SectionRecord>(self) -> u32 {
        let count = self.layout.place(R::SECTION).len.checked_div(size_of::<R>() as u64).unwrap_or(0);
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Record `index`, after a check of its chunks. `None` if it does not exist.
    #[inline]
    pub(crate) fn record<R: SectionRecord>(self, index: u32) -> Result<Option<At<'a, R>>> {
        let Some(record) = self.section(R::SECTION).records().get(index as usize) else { return Ok(None) };
        let len = size_of::<R>() as u64;
        self.touch(R::SECTION, u64::from(index).saturating_mul(len), len)?;
        Ok(Some(At::new(self, record, index)))
    }

    /// Checks the chunks of a record.
    #[inline]
    pub(crate) fn touch_record<R: SectionRecord>(self, at: At<'_, R>) -> Result<()> {
        let len = size_of::<R>() as u64;
        self.touch(R::SECTION, u64::from(at.index).saturating_mul(len), len)
    }

    /// All records of a section, after a check of its chunks.
    pub(crate) fn records<R: SectionRecord>(self) -> Result<&'a [R]> {
        let section = self.section(R::SECTION);
        self.touch(R::SECTION, 0, section.len_u64())?;
        Ok(section.records())
    }

    /// `len` bytes of a section from `start` on, after a check of their chunks. If the range is out of bounds, the
    /// error names `rule`.
    #[inline]
    pub(crate) fn range(self, kind: SectionKind, start: u64, len: u64, rule: Rule) -> Result<PermaBytes<'a>> {
        let bytes = self.section(kind).part(start, len, rule)?;
        self.touch(kind, start, len)?;
        Ok(bytes)
    }

    /// Offset of record `index` in the archive, for errors.
    pub(crate) fn offset_of<R: SectionRecord>(self, index: u32) -> u64 {
        self.layout.place(R::SECTION).offset.saturating_add(u64::from(index).saturating_mul(size_of::<R>() as u64))
    }

    /// Error: record `index` does not exist. The index was read at `offset`.
    #[cold]
    pub(crate) fn no_record<R: SectionRecord>(self, index: u32, rule: Rule, offset: u64) -> Error {
        Error::no_item(index, self.count::<R>(), rule, offset)
    }
}

/// A section whose range is resolved once, for many reads.
#[derive(Clone, Copy)]
pub(crate) struct Section<'a> {
    view: View<'a>,
    kind: SectionKind,
    chunks_before: u64,
    /// The bytes of the section. Their chunks are not checked.
    pub(crate) bytes: PermaBytes<'a>,
}

impl<'a> Section<'a> {
    #[inline]
    pub(crate) fn of(view: View<'a>, kind: SectionKind) -> Self {
        let place = view.layout.place(kind);
        Section { view, kind, chunks_before: place.chunks_before, bytes: view.section(kind) }
    }

    /// Checks the chunks of a range; see [`View::touch`].
    #[inline]
    pub(crate) fn touch(&self, start: u64, len: u64) -> Result<()> {
        self.view.touch_from(self.kind, self.chunks_before, start, len)
    }
}

impl fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<section {} of {} bytes>", self.kind.name(), self.bytes.len())
    }
}

/// A record and its index.
pub(crate) struct At<'a, R> {
    pub(crate) view: View<'a>,
    record: &'a R,
    pub(crate) index: u32,
}

impl<'a, R: SectionRecord> At<'a, R> {
    #[inline]
    pub(crate) fn new(view: View<'a>, record: &'a R, index: u32) -> Self {
        At { view, record, index }
    }

    /// The record, with the lifetime of the archive.
    #[inline]
    pub(crate) fn record(&self) -> &'a R {
        self.record
    }

    /// Offset of the record in the archive.
    pub(crate) fn offset(&self) -> u64 {
        self.view.offset_of::<R>(self.index)
    }

    /// Offset in the archive of the field at `offset_of!(R, field)`.
    pub(crate) fn field(&self, offset_in_record: usize) -> u64 {
        self.offset().saturating_add(offset_in_record as u64)
    }

    /// Error: `what`, the field at `offset_of!(R, field)`, has the value `found`, which breaks the rule.
    #[cold]
    pub(crate) fn error(&self, rule: Rule, field: usize, what: &'static str, found: impl Into<u64>) -> Error {
        Error::value(rule, self.field(field), what, found)
    }

    /// Error: the field at `offset_of!(R, field)` requires item `index`, but only `available` items exist.
    #[cold]
    pub(crate) fn no_item(&self, rule: Rule, field: usize, index: u32, available: u32) -> Error {
        Error::no_item(index, available, rule, self.field(field))
    }

    /// Whether both are the same record of the same archive.
    pub(crate) fn is_same(&self, other: &At<'_, R>) -> bool {
        self.index == other.index && self.view.is_same(other.view)
    }
}

impl<R> Clone for At<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for At<'_, R> {}

impl<R> Deref for At<'_, R> {
    type Target = R;

    #[inline]
    fn deref(&self) -> &R {
        self.record
    }
}

impl<R: fmt::Debug> fmt::Debug for At<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} ", self.index)?;
        self.record.fmt(f)
    }
}
