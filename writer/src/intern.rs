//! Merging: each distinct value of the whole archive once.
//!
//! A value is identified by the bytes it will have in the file (scalars) or by its kind and the identity of its items
//! (containers): type-strict, recursive without recursion, and blind to everything else. Mutable values get an
//! identity of their own.

use std::borrow::Cow;

use hashbrown::HashTable;
use permacode_format::{Container, ObjectKind, name_hash, write_varint};

/// Identity of a distinct object while the archive is collected.
pub(crate) type Handle = u32;

/// An item of a container or of a list of a code object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    /// An object.
    Object(Handle),
    /// A code object of the same module: its place in the order in which children come first.
    Code(u32),
}

/// A distinct object.
#[derive(Debug)]
pub(crate) enum Value {
    /// The bytes it has in the file.
    Scalar { start: usize, len: usize },
    /// A container.
    Container(ContainerValue),
}

/// A distinct container.
#[derive(Debug)]
pub(crate) struct ContainerValue {
    pub(crate) kind: Container,
    pub(crate) items: Box<[Item]>,
    /// Levels of containers, itself included.
    pub(crate) depth: u32,
    /// One more than the highest code object of the module that can be reached; zero: none can.
    pub(crate) code_bound: u32,
}

/// All distinct objects.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    table: HashTable<(u64, Handle)>,
    values: Vec<Value>,
    /// Bytes of the scalars, one behind the other.
    scalars: Vec<u8>,
    /// Objects and bytes that were asked for, merged or not.
    pub(crate) asked: u64,
    pub(crate) asked_bytes: u64,
}

/// How far an [`Interner`] had come.
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

    /// Forgets everything that was interned since `mark`.
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

    /// Bytes of a scalar as they stand in the file.
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

    /// A string, bytes or integer: first byte, length, bytes.
    pub(crate) fn sized(&mut self, kind: ObjectKind, flags: u8, bytes: &[u8]) -> Handle {
        let (len, len_len) = write_varint(bytes.len() as u32);
        self.scalar_from(&[&[kind as u8 | flags], &len[..len_len], bytes])
    }

    /// A scalar of fixed size: first byte, bytes.
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

    /// A container. One that can change, or through which code objects can be reached, is always a new one.
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

/// Distinct blobs of one section.
#[derive(Debug, Default)]
pub(crate) struct Blobs {
    table: HashTable<(u64, u32)>,
    places: Vec<Stored>,
    bytes: Vec<u8>,
    distinct_bytes: u64,
    /// Blobs and bytes that were asked for, merged or not.
    pub(crate) asked: u64,
    pub(crate) asked_bytes: u64,
}

/// Where a blob lies.
#[derive(Debug)]
enum Stored {
    /// Among others, in one allocation.
    Range(usize, usize),
    /// Where its maker put it: what is large is not copied.
    Own(Vec<u8>),
}

/// From this length on, a blob that is given away is kept as it is.
const LARGE: usize = 4096;

/// How far some [`Blobs`] had come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlobsMark {
    places: usize,
    bytes: usize,
    distinct_bytes: u64,
    asked: u64,
    asked_bytes: u64,
}

impl Blobs {
    pub(crate) fn mark(&self) -> BlobsMark {
        let Blobs { places, bytes, distinct_bytes, asked, asked_bytes, .. } = self;
        BlobsMark {
            places: places.len(),
            bytes: bytes.len(),
            distinct_bytes: *distinct_bytes,
            asked: *asked,
            asked_bytes: *asked_bytes,
        }
    }

    /// Forgets everything that was interned since `mark`.
    pub(crate) fn undo(&mut self, mark: BlobsMark) {
        if self.places.len() > mark.places {
            self.table.retain(|(_, blob)| (*blob as usize) < mark.places);
        }
        self.places.truncate(mark.places);
        self.bytes.truncate(mark.bytes);
        self.distinct_bytes = mark.distinct_bytes;
        (self.asked, self.asked_bytes) = (mark.asked, mark.asked_bytes);
    }

    /// The identity of a blob that is given away, if it is owned.
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

    /// The identity of the blob that these parts make.
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
        self.places.push(stored);
        (self.places.len() - 1) as u32
    }

    /// A blob that is not merged with any other.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> u32 {
        self.asked += 1;
        self.asked_bytes += bytes.len() as u64;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.store(Stored::Range(start, bytes.len()))
    }

    pub(crate) fn get(&self, blob: u32) -> &[u8] {
        match &self.places[blob as usize] {
            Stored::Range(start, len) => &self.bytes[*start..*start + *len],
            Stored::Own(bytes) => bytes,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn distinct_bytes(&self) -> u64 {
        self.distinct_bytes
    }
}
