//! Opening: the header and the section table, and nothing else.

use crate::{
    bytes::Bytes,
    error::{Error, ErrorKind, Result},
    object::{Object, Owner},
    target::Target,
};
use permacode_format::{
    CHUNK_LOG2, CodeDetail, CodeRecord, FORMAT_VERSION, GenericHeader, HEADER_LEN, Header, MAGIC, MAX_SECTIONS,
    ModuleRecord, PAGE_LEN, PAGE_LOG2, ResourceRecord, Rule, SectionEntry, SectionKind, SignatureRecord, TargetRecord,
    U32, WideCode, crc32, header_crc, incompat, section_flag,
};

/// An archive over any storage: a mapping, a slice, a `&'static [u8]`, a [`crate::Block`].
///
/// Opening looks at the header and the section table only, allocates nothing, and takes the same time for ten modules as for
/// ten thousand. Everything else is checked when it is touched; [`Archive::verify`] checks everything at once.
///
/// ```
/// # use permacode_writer::{model::*, Options, Writer};
/// # let mut writer = Writer::new(Options::default());
/// # let target = writer.target(&Target { vm: "toy".into(), bytecode_magic: 1, vm_version: 1, optimization: 0, tag: "".into(),
/// #     unit_size: 2, line_encoding: LineEncoding::Private, exception_encoding: ExceptionEncoding::Private })?;
/// # writer.module(target, &Module { name: "tools".into(), kind: ModuleKind::Namespace, objects: vec![], codes: vec![],
/// #     root: None, filename: None, source: None })?;
/// # let bytes = writer.plan()?.to_bytes();
/// use permacode_reader::Archive;
///
/// let archive = Archive::open(&bytes)?;
/// let target = archive.targets().next().unwrap();
/// let module = target.find("tools")?.unwrap();
/// assert!(module.is_namespace());
/// assert!(target.find("absent")?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Archive<D> {
    data: D,
    layout: Layout,
}

/// Where the sections lie.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) file_len: u64,
    pub(crate) code_align_log2: u8,
    pub(crate) section_count: u32,
    sections: [Place; SectionKind::ALL.len()],
}

/// Where a section lies; one that the archive does not have is empty.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl<D: AsRef<[u8]>> Archive<D> {
    /// Opens the archive that `data` holds from its first to its last byte.
    ///
    /// # Errors
    /// If header or section table break a rule (`[H-*]`, `[S-1]` to `[S-4]`, `[S-6]` to `[S-8]`, `[S-10]`).
    pub fn open(data: D) -> Result<Self> {
        let layout = Layout::read(Bytes::new(data.as_ref(), 0), true)?;
        Ok(Archive { data, layout })
    }

    /// Opens the archive at the start of `data`; what follows it is not looked at.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn open_prefix(data: D) -> Result<Self> {
        let layout = Layout::read(Bytes::new(data.as_ref(), 0), false)?;
        Ok(Archive { data, layout })
    }

    /// Length of the archive in bytes.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.layout.file_len
    }

    /// The alignment of bytecode in bytes.
    #[must_use]
    pub fn code_align(&self) -> u64 {
        1u64.checked_shl(self.layout.code_align_log2.into()).unwrap_or(1)
    }

    /// The storage.
    #[must_use]
    pub fn storage(&self) -> &D {
        &self.data
    }

    /// Sections in the order of their kinds: kind, offset from the start of the archive, length, both in bytes.
    pub fn sections(&self) -> impl Iterator<Item = (SectionKind, u64, u64)> + '_ {
        let place = |kind: &SectionKind| (*kind, self.layout.place(*kind));
        SectionKind::ALL
            .iter()
            .map(place)
            .filter(|(_, place)| place.len > 0)
            .map(|(kind, place)| (kind, place.offset, place.len))
    }

    /// The targets, in the order of the archive.
    pub fn targets(&self) -> impl ExactSizeIterator<Item = Target<'_>> + use<'_, D> {
        let view = self.view();
        view.records::<TargetRecord>(SectionKind::Targets)
            .iter()
            .enumerate()
            .map(move |(index, record)| Target::new(view, record, index))
    }

    /// Number of distinct constants and names.
    #[must_use]
    pub fn object_count(&self) -> u64 {
        self.view().records::<U32>(SectionKind::Objects).len() as u64
    }

    /// Number of code objects.
    #[must_use]
    pub fn code_count(&self) -> u64 {
        self.view().records::<CodeRecord>(SectionKind::Code).len() as u64
    }

    /// The object with this id, if there is one. Code objects that it holds can be reached only through their module.
    #[must_use]
    pub fn object(&self, id: u32) -> Option<Object<'_>> {
        (u64::from(id) < self.object_count()).then(|| Object::new(self.view(), id, Owner::None))
    }

    pub(crate) fn view(&self) -> View<'_> {
        let data = self.data.as_ref();
        let len = usize::try_from(self.layout.file_len).unwrap_or(usize::MAX);
        View { file: data.get(..len).unwrap_or(data), layout: &self.layout }
    }
}

#[cfg(feature = "mmap")]
impl Archive<crate::Mapping> {
    /// Maps a file and opens the archive that it is. See [`crate::Mapping`] for what must not happen to the file.
    ///
    /// # Errors
    /// As [`Archive::open`], and those of the system.
    pub fn map(path: impl AsRef<std::path::Path>) -> Result<Self> {
        Archive::open(crate::Mapping::open(path)?)
    }
}

/// The bytes of an archive and where its sections lie: what every view carries.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    file: &'a [u8],
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

impl Layout {
    fn read(file: Bytes<'_>, is_whole: bool) -> Result<Layout> {
        let header = read_header(file, is_whole)?;
        let section_count = header.section_count.get();
        if section_count > MAX_SECTIONS {
            return Err(Error::value(Rule::S1, 40, "the number of sections", section_count));
        }
        let table_len = u64::from(section_count).saturating_mul(size_of::<SectionEntry>() as u64);
        let table = file.get(0, header.file_len.get(), Rule::H4)?.get(HEADER_LEN.into(), table_len, Rule::S1)?;
        let (stored, computed) = (header.table_crc.get(), crc32(table.data()));
        if stored != computed {
            return Err(Error::new(ErrorKind::Checksum { stored, computed }, Rule::S2, 44));
        }
        let mut layout = Layout {
            file_len: header.file_len.get(),
            code_align_log2: header.code_align_log2,
            section_count,
            sections: [Place::default(); SectionKind::ALL.len()],
        };
        let mut end = u64::from(HEADER_LEN).saturating_add(table_len);
        let mut group = None;
        let mut seen = [false; SectionKind::ALL.len()];
        for (index, entry) in table.records::<SectionEntry>().iter().enumerate() {
            let at =
                u64::from(HEADER_LEN).saturating_add((index as u64).saturating_mul(size_of::<SectionEntry>() as u64));
            let place = Place { offset: entry.offset.get(), len: entry.len.get() };
            if place.offset < end {
                return Err(Error::value(Rule::S3, at.saturating_add(8), "the offset of a section", place.offset));
            }
            end = match place.offset.checked_add(place.len) {
                Some(end) if end <= layout.file_len => end,
                _ => {
                    let kind =
                        ErrorKind::OutOfBounds { start: place.offset, len: place.len, available: layout.file_len };
                    return Err(Error::new(kind, Rule::S3, at.saturating_add(16)));
                }
            };
            let flags = entry.flags.get();
            if flags & !section_flag::KNOWN != 0 {
                return Err(Error::value(Rule::S10, at.saturating_add(4), "the flags of a section", flags));
            }
            let number = entry.kind.get();
            let mut align = 8;
            match SectionKind::from_number(number) {
                Some(kind) => {
                    let slot = (kind as usize).wrapping_sub(1);
                    if seen.get(slot).copied().unwrap_or(true) {
                        return Err(Error::value(Rule::S7, at, "a kind of section that occurs twice", number));
                    }
                    if let (Some(seen), Some(section)) = (seen.get_mut(slot), layout.sections.get_mut(slot)) {
                        (*seen, *section) = (true, place);
                    }
                    if place.len.checked_rem(kind.record_len()) != Some(0) || place.len > kind.max_len() {
                        return Err(Error::value(
                            Rule::S8,
                            at.saturating_add(16),
                            "the length of a section",
                            place.len,
                        ));
                    }
                    if group != Some(kind.group()) {
                        group = Some(kind.group());
                        align = PAGE_LEN;
                    }
                    if kind == SectionKind::Bytecode {
                        align = align.max(1u64.checked_shl(header.code_align_log2.into()).unwrap_or(1));
                    }
                }
                None if flags & section_flag::REQUIRED != 0 => {
                    return Err(Error::new(ErrorKind::UnknownSection { kind: number }, Rule::S6, at));
                }
                None => {}
            }
            if place.offset.checked_rem(align) != Some(0) {
                return Err(Error::value(Rule::S4, at.saturating_add(8), "the offset of a section", place.offset));
            }
        }
        Ok(layout)
    }

    #[inline]
    pub(crate) fn place(&self, kind: SectionKind) -> Place {
        self.sections.get((kind as usize).wrapping_sub(1)).copied().unwrap_or_default()
    }
}

/// Checks the header; first what every version has, so that a file of another one is refused by its number.
fn read_header(file: Bytes<'_>, is_whole: bool) -> Result<&Header> {
    if file.data().get(..MAGIC.len()) != Some(&MAGIC) {
        return Err(Error::new(ErrorKind::NotAnArchive, Rule::H1, 0));
    }
    let generic: &GenericHeader = file.record(Rule::H3)?;
    let version = generic.version.get();
    if version != FORMAT_VERSION {
        return Err(Error::new(ErrorKind::UnsupportedVersion { found: version }, Rule::H2, 8));
    }
    let header_len = generic.header_len.get();
    if header_len != HEADER_LEN {
        return Err(Error::value(Rule::H3, 12, "the length of the header", header_len));
    }
    let (stated, found) = (generic.file_len.get(), file.len());
    if stated > found || (is_whole && stated != found) {
        return Err(Error::new(ErrorKind::WrongLength { stated, found }, Rule::H4, 16));
    }
    let header_bytes = file.get(0, stated, Rule::H4)?.get(0, header_len.into(), Rule::H3)?;
    let (stored, computed) = (generic.header_crc.get(), header_crc(header_bytes.data()));
    if stored != computed {
        return Err(Error::new(ErrorKind::Checksum { stored, computed }, Rule::H5, 24));
    }
    let header: &Header = header_bytes.record(Rule::H3)?;
    let unknown = header.incompat.get() & !incompat::KNOWN;
    if unknown != 0 {
        return Err(Error::new(ErrorKind::UnknownBits { found: unknown }, Rule::H6, 32));
    }
    if header.reserved.get() != 0 {
        return Err(Error::value(Rule::H7, 28, "a reserved field", header.reserved.get()));
    }
    if let Some(byte) = header.reserved2.iter().find(|byte| **byte != 0) {
        return Err(Error::value(Rule::H7, 51, "a reserved byte", *byte));
    }
    for (offset, what, found, is_valid) in [
        (
            48,
            "the alignment of bytecode, as a power of two,",
            header.code_align_log2,
            header.code_align_log2 <= PAGE_LOG2,
        ),
        (49, "the page size, as a power of two,", header.page_log2, header.page_log2 == PAGE_LOG2),
        (50, "the size of a chunk, as a power of two,", header.chunk_log2, header.chunk_log2 == CHUNK_LOG2),
    ] {
        if !is_valid {
            return Err(Error::value(Rule::H8, offset, what, found));
        }
    }
    Ok(header)
}
