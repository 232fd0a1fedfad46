//! An archive over any storage.

use crate::{
    checks::Checks,
    error::Result,
    layout::Layout,
    object::{Object, Owner},
    perma_bytes::PermaBytes,
    target::Target,
    view::{At, View},
};
use permacode_format::{CodeRecord, ObjectEntry, SectionKind, TargetRecord};

/// An archive over any storage: a mapping, a slice, a `&'static [u8]`, a [`crate::Block`].
///
/// Opening reads only the header and the section table. It allocates nothing, and its time does not depend on the
/// number of modules. Each access checks ranges and ids. Chunk checksums are checked only after [`Archive::checked`].
/// [`Archive::verify`] checks everything at once.
///
/// ```
/// # use permacode_model::*;
/// # use permacode_writer::{Options, Writer};
/// # let mut writer = Writer::new(Options::default());
/// # let target = writer.add_target(&Target::new("toy", 1, 1, 2))?;
/// # writer.add_module(target, &Module::namespace("tools"))?;
/// # let bytes = writer.plan()?.to_bytes();
/// use permacode_reader::Archive;
///
/// let archive = Archive::open(&bytes)?;
/// let target = archive.target(0).unwrap();
/// let module = target.find("tools")?.unwrap();
/// assert!(module.is_namespace());
/// assert!(target.find("absent")?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`crate::Code`] has an example that reaches bytecode.
pub struct Archive<D> {
    data: D,
    layout: Layout,
}

impl<D: AsRef<[u8]>> Archive<D> {
    /// Opens an archive. `data` must be exactly the archive.
    ///
    /// # Errors
    /// If the header or the section table breaks a rule (`[H-*]`, `[S-1]` to `[S-4]`, `[S-6]` to `[S-8]`, `[S-10]`).
    pub fn open(data: D) -> Result<Self> {
        let layout = Layout::read(PermaBytes::from(data.as_ref()), true)?;
        Ok(Archive { data, layout })
    }

    /// Opens the archive at the start of `data` and ignores the bytes after it.
    ///
    /// # Errors
    /// The errors of [`Archive::open`].
    pub fn open_prefix(data: D) -> Result<Self> {
        let layout = Layout::read(PermaBytes::from(data.as_ref()), false)?;
        Ok(Archive { data, layout })
    }

    /// Turns on the check of chunks: each chunk is compared with its checksum before a byte of it is first used.
    ///
    /// Every accessor can then fail with `[K-1]`, and none returns a damaged byte. The check costs about half a
    /// microsecond and one bit of memory for each chunk of 4 KiB that is used. This call checks the chunks of the
    /// targets.
    ///
    /// ```
    /// # use permacode_model::*;
    /// # use permacode_writer::{Options, Writer};
    /// # let mut writer = Writer::new(Options::default());
    /// # let target = writer.add_target(&Target::new("toy", 1, 1, 2))?;
    /// # writer.add_module(target, &Module::namespace("tools"))?;
    /// # let mut bytes = writer.plan()?.to_bytes();
    /// use permacode_reader::{Archive, Rule};
    ///
    /// let name = bytes.windows(5).position(|window| window == b"tools").unwrap();
    /// bytes[name] ^= 1;
    /// let archive = Archive::open(&bytes)?.checked()?;
    /// let target = archive.target(0).unwrap();
    /// assert_eq!(target.find("tools").unwrap_err().rule(), Some(Rule::K1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `[K-1]` if the chunks of the targets are damaged.
    pub fn checked(mut self) -> Result<Self> {
        self.layout = self.layout.with_checks(Checks::new(self.view()));
        self.view().records::<TargetRecord>()?;
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

    /// The sections of the archive with at least one byte, in the order of their kinds.
    pub fn sections(&self) -> impl Iterator<Item = Section> + '_ {
        let section = |kind: &SectionKind| {
            let place = self.layout.place(*kind);
            Section { kind: *kind, offset: place.offset, len: place.len }
        };
        SectionKind::ALL.iter().map(section).filter(|section| section.len > 0)
    }

    /// Target `index`, in the order of the archive.
    #[must_use]
    pub fn target(&self, index: usize) -> Option<Target<'_>> {
        let view = self.view();
        // `checked` checked the chunks of all targets.
        let record = view.section(SectionKind::Targets).records::<TargetRecord>().get(index)?;
        Some(Target::new(At::new(view, record, u32::try_from(index).ok()?)))
    }

    /// The targets, in the order of the archive.
    pub fn targets(&self) -> impl ExactSizeIterator<Item = Target<'_>> + DoubleEndedIterator + use<'_, D> {
        let view = self.view();
        let records: &[TargetRecord] = view.section(SectionKind::Targets).records();
        records
            .iter()
            .zip(0..records.len() as u32)
            .map(move |(record, index)| Target::new(At::new(view, record, index)))
    }

    /// Number of distinct constants and names.
    #[must_use]
    pub fn object_count(&self) -> u32 {
        self.view().count::<ObjectEntry>()
    }

    /// Number of code objects.
    #[must_use]
    pub fn code_count(&self) -> u32 {
        self.view().count::<CodeRecord>()
    }

    /// The object with this id, if it exists.
    ///
    /// The object does not know a module. So a code object in a container fails with
    /// [`crate::ErrorKind::NeedsModule`].
    #[must_use]
    pub fn object(&self, id: u32) -> Option<Object<'_>> {
        (id < self.object_count()).then(|| Object::new(self.view(), id, Owner::UNKNOWN))
    }

    pub(crate) fn view(&self) -> View<'_> {
        let data = self.data.as_ref();
        let len = usize::try_from(self.layout.file_len).unwrap_or(usize::MAX);
        View { file: data.get(..len).unwrap_or(data), layout: &self.layout }
    }
}

/// A section of an archive; see [`Archive::sections`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Kind of the section.
    pub kind: SectionKind,
    /// Offset from the start of the archive, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
}

#[cfg(feature = "std")]
impl Archive<crate::Block> {
    /// Copies a file into memory and opens it as an archive. Later changes of the file have no effect.
    ///
    /// # Errors
    /// The errors of [`Archive::open`], and [`crate::ErrorKind::Io`] if the file cannot be read.
    pub fn read(path: impl AsRef<std::path::Path>) -> Result<Self> {
        Archive::open(crate::Block::read(path)?)
    }
}

#[cfg(feature = "mmap")]
impl Archive<crate::Mapping> {
    /// Maps a file and opens it as an archive. [`Archive::read`] is the safe alternative, which copies the file.
    ///
    /// # Errors
    /// The errors of [`Archive::open`], and [`crate::ErrorKind::Io`] if the file cannot be mapped.
    ///
    /// # Safety
    /// The requirement of [`crate::Mapping::open`]: no process may write into the file or truncate it while it is
    /// mapped.
    #[allow(unsafe_code)]
    pub unsafe fn map(path: impl AsRef<std::path::Path>) -> Result<Self> {
        // SAFETY: the caller makes the same promise.
        Archive::open(unsafe { crate::Mapping::open(path) }?)
    }
}
