//! What every view of an archive carries.

use crate::{bytes::Bytes, layout::Layout};
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

    /// A section; empty if the archive does not have it.
    #[inline]
    pub(crate) fn section(self, kind: SectionKind) -> Bytes<'a> {
        let place = self.layout.place(kind);
        // That it lies in the file was checked when the archive was opened.
        self.file().get(place.offset, place.len, Rule::S3).unwrap_or(Bytes::new(&[], place.offset))
    }

    /// A section as records.
    #[inline]
    pub(crate) fn records<T: SectionRecord>(self, kind: SectionKind) -> &'a [T] {
        self.section(kind).records()
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
