//! An archive over any storage.

use crate::{
    bytes::Bytes,
    checks::Checks,
    error::Result,
    layout::Layout,
    object::{Object, Owner},
    target::Target,
    view::View,
};
use permacode_format::{CodeRecord, SectionKind, TargetRecord, U32};

/// An archive over any storage: a mapping, a slice, a `&'static [u8]`, a [`crate::Block`].
///
/// Opening looks at the header and the section table only, allocates nothing, and takes the same time for ten modules as for
/// ten thousand. Ranges and ids are checked at each access. Checksums are checked if the archive is [`Archive::checked`].
/// [`Archive::verify`] checks everything at once.
///
/// ```
/// # use permacode_model::*;
/// # use permacode_writer::{Options, Writer};
/// # let mut writer = Writer::new(Options::default());
/// # let target = writer.target(&Target { vm: "toy".into(), bytecode_magic: 1, vm_version: 1, optimization: 0, tag: "".into(),
/// #     unit_size: 2, line_encoding: LineEncoding::Private, exception_encoding: ExceptionEncoding::Private, sealed: false })?;
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

    /// From now on each chunk is compared with its checksum when it is first touched, once for this `Archive`.
    ///
    /// Every accessor can then fail with `[K-1]`, and no damaged byte is handed out. The check costs about half a
    /// microsecond for each chunk of 4 KiB, and one bit of memory. The chunks of the targets are checked at once.
    ///
    /// ```
    /// # use permacode_model::*;
    /// # use permacode_writer::{Options, Writer};
    /// # let mut writer = Writer::new(Options::default());
    /// # let target = writer.target(&Target { vm: "toy".into(), bytecode_magic: 1, vm_version: 1, optimization: 0, tag: "".into(),
    /// #     unit_size: 2, line_encoding: LineEncoding::Private, exception_encoding: ExceptionEncoding::Private, sealed: false })?;
    /// # writer.module(target, &Module { name: "tools".into(), kind: ModuleKind::Namespace, objects: vec![], codes: vec![],
    /// #     root: None, filename: None, source: None })?;
    /// # let mut bytes = writer.plan()?.to_bytes();
    /// use permacode_reader::{Archive, Rule};
    ///
    /// let name = bytes.windows(5).position(|window| window == b"tools").unwrap();
    /// bytes[name] ^= 1;
    /// let archive = Archive::open(&bytes)?.checked()?;
    /// let target = archive.targets().next().unwrap();
    /// assert_eq!(target.find("tools").unwrap_err().rule(), Some(Rule::K1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `[K-1]` if the chunks of the targets are damaged.
    pub fn checked(mut self) -> Result<Self> {
        self.layout = self.layout.with_checks(Checks::new(self.view()));
        self.view().records::<TargetRecord>(SectionKind::Targets)?;
        Ok(self)
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
        // `checked` looked at their chunks.
        let records: &[TargetRecord] = view.section(SectionKind::Targets).records();
        records.iter().enumerate().map(move |(index, record)| Target::new(view, record, index))
    }

    /// Number of distinct constants and names.
    #[must_use]
    pub fn object_count(&self) -> u64 {
        self.view().count::<U32>(SectionKind::Objects)
    }

    /// Number of code objects.
    #[must_use]
    pub fn code_count(&self) -> u64 {
        self.view().count::<CodeRecord>(SectionKind::Code)
    }

    /// The object with this id, if there is one. The code objects that it holds can be reached only through their module; for
    /// each the error is [`crate::ErrorKind::NeedsModule`].
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
