//! What every view of an archive carries.

use crate::{bytes::Bytes, error::Result, layout::Layout};
use permacode_format::{
    CodeDetail, CodeRecord, ModuleRecord, ResourceRecord, Rule, SectionKind, SignatureRecord, TargetRecord, U32,
    WideCode,
};

/// The bytes of an archive and where its sections lie: what every view carries.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) file: &'a [u8],
    pub(crate) layout: &'a Layout,
}

impl<'a> View<'a> {
    /// The whole archive.
    pub(crate) fn file(self) -> Bytes<'a> {
        Bytes::new(self.file, 0)
    }

    /// Whether both are views of the same bytes.
    pub(crate) fn is_same(self, other: View<'_>) -> bool {
        core::ptr::eq(self.file, other.file)
    }

    /// A section, unchecked; empty if the archive does not have it. To read from it, see [`View::range`].
    #[inline]
    pub(crate) fn section(self, kind: SectionKind) -> Bytes<'a> {
        let place = self.layout.place(kind);
        // That it lies in the file was checked when the archive was opened.
        self.file().get(place.offset, place.len, Rule::S3).unwrap_or(Bytes::new(&[], place.offset))
    }

    /// Number of records of a section.
    #[inline]
    pub(crate) fn count<T: SectionRecord>(self, kind: SectionKind) -> u64 {
        self.layout.place(kind).len.checked_div(size_of::<T>() as u64).unwrap_or(0)
    }

    /// A record of a section, its chunks checked; `None` if there is no such record.
    #[inline]
    pub(crate) fn record<T: SectionRecord>(self, kind: SectionKind, index: usize) -> Result<Option<&'a T>> {
        let Some(record) = self.section(kind).records().get(index) else { return Ok(None) };
        let len = size_of::<T>() as u64;
        self.touch(kind, (index as u64).saturating_mul(len), len)?;
        Ok(Some(record))
    }

    /// `len` bytes of a section from `start` on, which `rule` promises to be there; their chunks are checked.
    #[inline]
    pub(crate) fn range(self, kind: SectionKind, start: u64, len: u64, rule: Rule) -> Result<Bytes<'a>> {
        let bytes = self.section(kind).get(start, len, rule)?;
        self.touch(kind, start, len)?;
        Ok(bytes)
    }

    /// A section as records, all its chunks checked.
    pub(crate) fn records<T: SectionRecord>(self, kind: SectionKind) -> Result<&'a [T]> {
        let section = self.section(kind);
        self.touch(kind, 0, section.len())?;
        Ok(section.records())
    }

    /// Offset in the file of a record, for errors.
    pub(crate) fn offset_of(self, kind: SectionKind, index: u64) -> u64 {
        self.layout.place(kind).offset.saturating_add(index.saturating_mul(kind.record_len()))
    }
}

/// Records that fill sections.
pub(crate) trait SectionRecord:
    zerocopy::FromBytes + zerocopy::Immutable + zerocopy::KnownLayout + zerocopy::Unaligned
{
}
impl SectionRecord for TargetRecord {}
impl SectionRecord for ModuleRecord {}
impl SectionRecord for ResourceRecord {}
impl SectionRecord for CodeRecord {}
impl SectionRecord for CodeDetail {}
impl SectionRecord for WideCode {}
impl SectionRecord for SignatureRecord {}
impl SectionRecord for U32 {}
