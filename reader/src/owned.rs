//! Handles that keep the archive alive.

use crate::{archive::Archive, perma_bytes::PermaBytes};
use std::{fmt, ops::Deref, sync::Arc};

/// Bytes of an archive with shared ownership of the archive. Use it where a borrow is not possible, for example in the
/// objects of a garbage-collected machine. [`PermaBytes`] borrows instead.
///
/// It compares, orders and hashes like the bytes.
pub struct OwnedBytes<D> {
    archive: Arc<Archive<D>>,
    start: usize,
    len: usize,
}

impl<D: AsRef<[u8]>> Archive<D> {
    /// An owning handle to bytes of this archive. `None` if `bytes` are not from this archive.
    ///
    /// ```
    /// # use permacode_model::*;
    /// # use permacode_writer::{Options, Writer};
    /// # let mut writer = Writer::new(Options::default());
    /// # let target = writer.add_target(&Target::new("toy", 1, 1, 2))?;
    /// # let (root, path, data) = ("app".into(), b"data.txt".into(), b"text".into());
    /// # writer.add_resource(target, &Resource { root, path, executable: false, data })?;
    /// # let bytes = writer.plan()?.to_bytes();
    /// use permacode_reader::Archive;
    /// use std::sync::Arc;
    ///
    /// let archive = Arc::new(Archive::open(bytes)?);
    /// let target = archive.target(0).unwrap();
    /// let data = target.find_resource(b"app/data.txt")?.unwrap().data()?;
    /// let owned = archive.to_owned_bytes(&data).unwrap();
    /// drop(archive);
    /// assert_eq!(&*owned, b"text");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_owned_bytes(self: &Arc<Self>, bytes: &PermaBytes<'_>) -> Option<OwnedBytes<D>> {
        let start = usize::try_from(bytes.offset()).ok()?;
        let here = self.storage().as_ref().get(start..start.checked_add(bytes.len())?)?;
        // Another archive may have the same bytes at the same offset.
        (here.as_ptr() == bytes.as_slice().as_ptr()).then(|| OwnedBytes {
            archive: Arc::clone(self),
            start,
            len: bytes.len(),
        })
    }
}

impl<D> OwnedBytes<D> {
    /// The archive that it keeps alive.
    #[must_use]
    pub fn archive(&self) -> &Arc<Archive<D>> {
        &self.archive
    }
}

impl<D: AsRef<[u8]>> Deref for OwnedBytes<D> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // The `AsRef` of a storage type could return different bytes on each call. Then the result is wrong or empty,
        // but never out of bounds.
        let end = self.start.saturating_add(self.len);
        self.archive.storage().as_ref().get(self.start..end).unwrap_or_default()
    }
}

impl<D> Clone for OwnedBytes<D> {
    fn clone(&self) -> Self {
        OwnedBytes { archive: Arc::clone(&self.archive), start: self.start, len: self.len }
    }
}

impl<D: AsRef<[u8]>> AsRef<[u8]> for OwnedBytes<D> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<D: AsRef<[u8]>, T: AsRef<[u8]> + ?Sized> PartialEq<T> for OwnedBytes<D> {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl<D: AsRef<[u8]>> Eq for OwnedBytes<D> {}

impl<D: AsRef<[u8]>> std::hash::Hash for OwnedBytes<D> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<D: AsRef<[u8]>> fmt::Debug for OwnedBytes<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::perma_bytes::write_escaped(f, self)
    }
}
