//! Merging: stores each distinct value of the archive once.
//!
//! Two scalars are equal if they have the same bytes in the file. The first byte holds the type, so values of different
//! types are never merged. Two containers are equal if they have the same kind and the same item handles. Items are
//! interned before their container, so this compares nested containers without recursion. Mutable containers are
//! never merged.

use std::borrow::Cow;

use hashbrown::HashTable;
use permacode_format::{Container, ObjectKind, name_hash, write_varint};

/// The number of a distinct object in an [`Interner`].
pub(crate) type Handle = u32;

/// An item of a container or of a list of a code object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    /// An object.
    Object(Handle),
    /// A code object of the same module: its index among them, children first.
    Code(u32),
}

/// A distinct object.
#[derive(Debug)]
pub(crate) enum Value {
    /// The range of its bytes in [`Interner::scalars`]. They are the bytes that it has in the file.
    Scalar { start: usize, len: usize },
    /// A container.
    Container(ContainerValue),
}

/// A distinct container.
#[derive(Debug)]
pub(crate) struct ContainerValue {
    pub(crate) kind: Container,
    pub(crate) items: Box<[Item]>,
    /// Levels of containers, this one included.
    pub(crate) depth: u32,
    /// One more than the highest index of a code object that the container can reach. Zero if it reaches none.
    pub(crate) code_bound: u32,
}

/// All distinct objects.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    table: HashTable<(u64, Handle)>,
    values: Vec<Value>,
    /// Bytes of all scalars, one after the other.
    scalars: Vec<u8>,
    /// Number of calls that interned an object, and the bytes that the objects would have without merging.
    pub(crate) asked: u64,
    pub(crate) asked_bytes: u64,
}

/// The state of an [`Interner`], to return to with [`Interner::undo`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    values: usize,
    scalars: usize,
    asked: u64,
    asked_bytes: u64,
}

impl Interner {
    pub(crate) fn mark(&self) -> Mark {
        let Interner { values, scalars, asked, asked_bytes, .. } = self;
        Mark { values: values.len(), scalars: scalars.len(), asked: *asked, asked_bytes: *asked_bytes }
    }

    /// Removes everything that was interned since `mark`.
    pub(crate) fn undo(&mut self, mark: Mark) {
        if self.values.len() > mark.values {
            self.table.retain(|(_, handle)| (*handle as usize) < mark.values);
        }
        self.values.truncate(mark.values);
        self.scalars.truncate(mark.scalars);
        (self.asked, self.asked_bytes) = (mark.asked, mark.asked_bytes);
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn value(&self, handle: Handle) -> &Value {
        &self.values[handle as usize]
    }

    /// Bytes of a scalar as they are in the file.
    pub(crate) fn scalar(&self, start: usize, len: usize) -> &[u8] {
        &self.scalars[start..start + len]
    }

    pub(crate) fn depth(&self, handle: Handle) -> u32 {
        match self.value(handle) {
            Value::Scalar { .. } => 0,
            Value::Container(container) => container.depth,
        }
    }

    pub(crate) fn code_bound(&self, handle: Handle) -> u32 {
        match self.value(handle) {
            Value::Scalar { .. } => 0,
            Value::Container(container) => container.code_bound,
        }
    }

    /// Interns a string, bytes or integer. In the file it is a first byte, a length and the bytes.
    pub(crate) fn sized(&mut self, kind: ObjectKind, flags: u8, bytes: &[u8]) -> Handle {
        let (len, len_len) = write_varint(bytes.len() as u32);
        self.scalar_from(&[&[kind as u8 | flags], &len[..len_len], bytes])
    }

    /// Interns a scalar whose first byte determines its length.
    pub(crate) fn fixed(&mut self, kind: ObjectKind, flags: u8, bytes: &[u8]) -> Handle {
        self.scalar_from(&[&[kind as u8 | flags], bytes])
    }

    fn scalar_from(&mut self, parts: &[&[u8]]) -> Handle {
        let start = self.scalars.len();
        for part in parts {
            self.scalars.extend_from_slice(part);
        }
        let len = self.scalars.len() - start;
        self.asked += 1;
        self.asked_bytes += len as u64;
        let bytes = &self.scalars[start..];
        let hash = name_hash(bytes, 0);
        let found = self.table.find(hash, |(_, handle)| match &self.values[*handle as usize] {
            Value::Scalar { start, len } => &self.scalars[*start..*start + *len] == bytes,
            Value::Container(_) => false,
        });
        if let Some((_, handle)) = found {
            let handle = *handle;
            self.scalars.truncate(start);
            return handle;
        }
        self.add(hash, Value::Scalar { start, len })
    }

    /// Interns a container. A container that is mutable or reaches code objects is never merged with another.
    pub(crate) fn container(&mut self, value: ContainerValue) -> Handle {
        self.asked += 1;
        self.asked_bytes += 3 + 2 * value.items.len() as u64;
        let hash = hash_of_container(&value);
        if value.kind.is_mutable() || value.code_bound > 0 {
            return self.add(hash, Value::Container(value));
        }
        let found = self.table.find(hash, |(_, handle)| match &self.values[*handle as usize] {
            Value::Container(other) => other.kind == value.kind && other.code_bound == 0 && other.items == value.items,
            Value::Scalar { .. } => false,
        });
        if let Some((_, handle)) = found {
            return *handle;
        }
        self.add(hash, Value::Container(value))
    }

    fn add(&mut self, hash: u64, value: Value) -> Handle {
        let handle = self.values.len() as Handle;
        self.values.push(value);
        self.table.insert_unique(hash, (hash, handle), |(hash, _)| *hash);
        handle
    }
}

fn hash_of_container(value: &ContainerValue) -> u64 {
    let mut hash = name_hash(&[value.kind as u8], value.items.len() as u64);
    for item in &value.items {
        let (tag, id) = match item {
            Item::Object(handle) => (0u64, *handle),
            Item::Code(code) => (1u64, *code),
        };
        hash = (hash ^ (tag << 32 | u64::from(id))).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }
    hash
}

/// The distinct blobs of one kind, for example all bytecode. A blob is known by its number.
#[derive(Debug, Default)]
pub(crate) struct Blobs {
    table: HashTable<(u64, u32)>,
    stored: Vec<Stored>,
    bytes: Vec<u8>,
    distinct_bytes: u64,
    /// Number of calls that added a blob, and the bytes that the blobs would have without merging.
    pub(crate) asked: u64,
    pub(crate) asked_bytes: u64,
}

/// Where the bytes of a blob are in memory.
#[derive(Debug)]
enum Stored {
    /// Start and length in [`Blobs::bytes`].
    Range(usize, usize),
    /// In the allocation that the caller handed over.
    Own(Vec<u8>),
}

/// Least length in bytes at which an owned blob keeps its allocation. Shorter ones are copied into [`Blobs::bytes`].
const LARGE: usize = 4096;

/// The state of [`Blobs`], to return to with [`Blobs::undo`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlobsMark {
    stored: usize,
    bytes: usize,
    distinct_bytes: u64,
    asked: u64,
    asked_bytes: u64,
}

impl Blobs {
    pub(crate) fn mark(&self) -> BlobsMark {
        let Blobs { stored, bytes, distinct_bytes, asked, asked_bytes, .. } = self;
        BlobsMark {
            stored: stored.len(),
            bytes: bytes.len(),
            distinct_bytes: *distinct_bytes,
            asked: *asked,
            asked_bytes: *asked_bytes,
        }
    }

    /// Removes everything that was added since `mark`.
    pub(crate) fn undo(&mut self, mark: BlobsMark) {
        if self.stored.len() > mark.stored {
            self.table.retain(|(_, blob)| (*blob as usize) < mark.stored);
        }
        self.stored.truncate(mark.stored);
        self.bytes.truncate(mark.bytes);
        self.distinct_bytes = mark.distinct_bytes;
        (self.asked, self.asked_bytes) = (mark.asked, mark.asked_bytes);
    }

    /// Interns a blob. A large owned blob is kept without copying it.
    pub(crate) fn intern_cow(&mut self, blob: Cow<'_, [u8]>) -> u32 {
        let blob = match blob {
            Cow::Owned(bytes) if bytes.len() >= LARGE => bytes,
            other => return self.intern(&[&other]),
        };
        self.asked += 1;
        self.asked_bytes += blob.len() as u64;
        let hash = name_hash(&blob, 0);
        self.find(hash, &blob).unwrap_or_else(|| self.add(hash, Stored::Own(blob)))
    }

    /// Interns the concatenation of `parts`.
    pub(crate) fn intern(&mut self, parts: &[&[u8]]) -> u32 {
        let start = self.bytes.len();
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        let len = self.bytes.len() - start;
        self.asked += 1;
        self.asked_bytes += len as u64;
        let bytes = &self.bytes[start..];
        let hash = name_hash(bytes, 0);
        if let Some(blob) = self.find(hash, bytes) {
            self.bytes.truncate(start);
            return blob;
        }
        self.add(hash, Stored::Range(start, len))
    }

    fn find(&self, hash: u64, bytes: &[u8]) -> Option<u32> {
        self.table.find(hash, |(_, blob)| self.get(*blob) == bytes).map(|(_, blob)| *blob)
    }

    fn add(&mut self, hash: u64, stored: Stored) -> u32 {
        let blob = self.store(stored);
        self.table.insert_unique(hash, (hash, blob), |(hash, _)| *hash);
        blob
    }

    fn store(&mut self, stored: Stored) -> u32 {
        self.distinct_bytes += match &stored {
            Stored::Range(_, len) => *len as u64,
            Stored::Own(bytes) => bytes.len() as u64,
        };
        self.stored.push(stored);
        (self.stored.len() - 1) as u32
    }

    /// Adds a blob without merging it with an equal one.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> u32 {
        self.asked += 1;
        self.asked_bytes += bytes.len() as u64;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.store(Stored::Range(start, bytes.len()))
    }

    pub(crate) fn get(&self, blob: u32) -> &[u8] {
        match &self.stored[blob as usize] {
            Stored::Range(start, len) => &self.bytes[*start..*start + *len],
            Stored::Own(bytes) => bytes,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.stored.len()
    }

    pub(crate) fn distinct_bytes(&self) -> u64 {
        self.distinct_bytes
    }
}
