//! The plan of an archive: the bytes and the offset of each section. The bytes are written exactly as planned.

use crate::{
    codes::{self, Placed},
    error::Error,
    intern::{Blobs, Handle},
    objects,
    order::{ModuleBase, Order},
    placement,
    publish::publish,
    records,
    report::{Merged, Report},
    writer::Writer,
};
use bytemuck::Zeroable;
use hashbrown::HashMap;
use permacode_format::{
    CHUNK_LEN, CHUNK_LOG2, Crc32, FORMAT_VERSION, HEADER_LEN, Header, LIST_BUDGET, MAGIC, NONE, PAGE_LEN, PAGE_LOG2,
    SectionEntry, SectionKind, U32, header_crc, section_flag,
};
use std::{io, io::Write, path::Path};

/// An archive that is laid out but not yet written.
#[derive(Debug)]
pub struct Plan {
    /// Header and section table.
    head: Vec<u8>,
    sections: Vec<Section>,
    report: Report,
}

/// A section and its offset.
#[derive(Debug)]
struct Section {
    kind: SectionKind,
    /// Offset in the file.
    offset: u64,
    content: Content,
}

/// The bytes of a section.
#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    Blobs { blobs: Blobs, placed: Placed },
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Blobs { placed, .. } => placed.len,
        }
    }

    /// Calls `take` with the bytes in order, including the padding between blobs.
    fn each_piece<E>(&self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match self {
            Content::Bytes(bytes) => take(bytes),
            Content::Blobs { blobs, placed } => {
                let mut position = 0u64;
                for blob in &placed.order {
                    let padding = position.next_multiple_of(placed.align) - position;
                    take(&ZEROS[..padding as usize])?;
                    let bytes = blobs.get(*blob);
                    take(bytes)?;
                    position += padding + bytes.len() as u64;
                }
                Ok(())
            }
        }
    }
}

/// Enough for any padding, because no alignment exceeds a page.
const ZEROS: [u8; PAGE_LEN as usize] = [0; PAGE_LEN as usize];

impl Writer {
    /// Lays out the archive. The result knows the offset and length of each section.
    ///
    /// # Errors
    /// If the archive as a whole exceeds a limit of the format, or if no name index can be built
    /// ([`ErrorKind::Index`](crate::ErrorKind::Index)).
    pub fn plan(self) -> Result<Plan, Error> {
        if self.options.code_align_log2 > PAGE_LOG2 {
            let found = u64::from(self.options.code_align_log2);
            return Err(Error::limit(None, "power of two of the alignment of bytecode", found, PAGE_LOG2.into()));
        }
        Plan::of(self)
    }
}

impl Plan {
    fn of(writer: Writer) -> Result<Plan, Error> {
        let order = Order::of(&writer);
        let base_of = bases_of_containers(&writer, &order);
        let placed = placement::of_objects(&writer, &order);
        let objects = objects::lay_out(&writer.interner, &order, &placed, |handle| base_of[&handle])?;
        let (records, payloads) = records::lay_out(&writer, &order)?;
        let mut codes = codes::lay_out(&writer, &order, true)?;
        let rest = objects.hot.len() as u64 + codes.lists.len() as u64;
        if codes.list_items > LIST_BUDGET * rest {
            // The code objects share long lists. A verifier visits a shared list once for each code object, and
            // rule [C-9] limits that work in proportion to the file. Unshared lists keep the rule.
            codes = codes::lay_out(&writer, &order, false)?;
        }

        let merged = |blobs: &Blobs| Merged {
            given: blobs.asked,
            distinct: blobs.len() as u64,
            given_bytes: blobs.asked_bytes,
            distinct_bytes: blobs.distinct_bytes(),
        };
        let mut report = Report {
            targets: records.targets.len() as u64,
            modules: records.modules.len() as u64,
            resources: records.resources.len() as u64,
            codes: codes.records.len() as u64,
            wide_records: codes.wide.len() as u64,
            wide_lists: codes.wide_lists,
            objects: Merged {
                given: writer.interner.asked,
                distinct: objects.entries.len() as u64,
                given_bytes: writer.interner.asked_bytes,
                distinct_bytes: (objects.hot.len() + objects.cold.len()) as u64,
            },
            lists: codes.merged_lists,
            bytecode: merged(&writer.bytecode),
            tables: merged(&writer.tables),
            sources: merged(&writer.sources),
            files: merged(&writer.files),
            ..Report::default()
        };

        let bytes = |slice: &[u8]| Content::Bytes(slice.to_vec());
        let contents = [
            (SectionKind::Targets, bytes(bytemuck::cast_slice(&records.targets))),
            (SectionKind::Modules, bytes(bytemuck::cast_slice(&records.modules))),
            (SectionKind::Resources, bytes(bytemuck::cast_slice(&records.resources))),
            (SectionKind::Index, Content::Bytes(records.index)),
            (SectionKind::Names, Content::Bytes(records.names)),
            (SectionKind::Code, bytes(bytemuck::cast_slice(&codes.records))),
            (SectionKind::Wide, bytes(bytemuck::cast_slice(&codes.wide))),
            (SectionKind::Lists, Content::Bytes(codes.lists)),
            (SectionKind::Objects, bytes(bytemuck::cast_slice(&objects.entries))),
            (SectionKind::Constants, Content::Bytes(objects.hot)),
            (SectionKind::Bytecode, Content::Blobs { blobs: writer.bytecode, placed: codes.bytecode }),
            (SectionKind::Details, bytes(bytemuck::cast_slice(&codes.details))),
            (SectionKind::Docstrings, Content::Bytes(objects.cold)),
            (SectionKind::Tables, Content::Blobs { blobs: writer.tables, placed: codes.tables }),
            (SectionKind::Signatures, bytes(bytemuck::cast_slice(&codes.signatures))),
            (SectionKind::SignatureText, Content::Blobs { blobs: writer.signatures, placed: codes.signature_text }),
            (SectionKind::Sources, Content::Blobs { blobs: writer.sources, placed: payloads.sources }),
            (SectionKind::Files, Content::Blobs { blobs: writer.files, placed: payloads.files }),
        ];
        let contents: Vec<_> = contents.into_iter().filter(|(_, content)| content.len() > 0).collect();
        for (kind, content) in &contents {
            let limit = kind.max_len();
            if content.len() > limit {
                return Err(Error::limit(None, "bytes of a section", content.len(), limit));
            }
        }
        let (head, sections) = lay_out_sections(contents, writer.options.code_align_log2);
        report.file_len = sections.last().map_or(head.len() as u64, |last| last.offset + last.content.len());
        report.sections = sections.iter().map(|section| (section.kind, section.content.len())).collect();
        Ok(Plan { head, sections, report })
    }

    /// The contents of the archive in numbers, and what merging saved.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Writes the archive: [`Report::file_len`] bytes.
    ///
    /// # Errors
    /// The errors of `out`.
    pub fn write_to(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        out.write_all(&self.head)?;
        let mut position = self.head.len() as u64;
        for section in &self.sections {
            out.write_all(&ZEROS[..(section.offset - position) as usize])?;
            position = section.offset;
            section.content.each_piece(|piece| {
                position += piece.len() as u64;
                out.write_all(piece)
            })?;
            assert_eq!(position, section.offset + section.content.len(), "{:?} must end where planned", section.kind);
        }
        Ok(())
    }

    /// The archive in memory.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.report.file_len as usize);
        match self.write_to(&mut bytes) {
            Ok(()) => bytes,
            Err(_) => unreachable!("writing to memory does not fail"),
        }
    }

    /// Writes the archive to a temporary file in the folder of `path`, syncs it to disk and renames it to `path`.
    ///
    /// # Errors
    /// If one of these steps fails. Until the rename, `path` is unchanged. If only the last step fails, the sync of the
    /// folder, then `path` already is the new archive.
    pub fn publish(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        publish(path.as_ref(), |out| self.write_to(out))
    }
}

/// The first ids of the module that each container belongs to, for the containers that reach code objects.
fn bases_of_containers(writer: &Writer, order: &Order) -> HashMap<Handle, ModuleBase> {
    let mut bases = HashMap::new();
    for (module, base) in order.modules(writer).into_iter().zip(&order.bases) {
        for handle in &module.objects {
            if writer.interner.code_bound(*handle) > 0 {
                bases.insert(*handle, *base);
            }
        }
    }
    bases
}

/// Adds the checksums section, gives each section its offset, and makes the header and the section table.
///
/// Returns the bytes of header and section table, and the sections.
fn lay_out_sections(mut contents: Vec<(SectionKind, Content)>, code_align_log2: u8) -> (Vec<u8>, Vec<Section>) {
    let mut chunk_crcs: Vec<U32> = Vec::new();
    let mut crcs = Vec::new();
    for (kind, content) in &contents {
        let first_chunk = if kind.is_chunked() { chunk_crcs.len() as u32 } else { NONE };
        let (crc, chunks) = checksums(content);
        if kind.is_chunked() {
            chunk_crcs.extend(chunks);
        }
        crcs.push((crc, first_chunk));
    }
    if !chunk_crcs.is_empty() {
        let content = Content::Bytes(bytemuck::cast_slice(&chunk_crcs).to_vec());
        crcs.push((checksums(&content).0, NONE));
        contents.push((SectionKind::Checksums, content));
    }

    let table_len = contents.len() * size_of::<SectionEntry>();
    let mut position = u64::from(HEADER_LEN) + table_len as u64;
    let mut group = None;
    let mut sections = Vec::new();
    let mut table = Vec::new();
    for ((kind, content), (crc, first_chunk)) in contents.into_iter().zip(crcs) {
        let mut align = 8;
        if group != Some(kind.group()) {
            group = Some(kind.group());
            align = PAGE_LEN;
        }
        if kind == SectionKind::Bytecode {
            align = align.max(1 << code_align_log2);
        }
        position = position.next_multiple_of(align);
        table.push(SectionEntry {
            kind: U32::new(kind as u32),
            flags: U32::new(section_flag::REQUIRED),
            offset: position.into(),
            len: content.len().into(),
            crc: crc.into(),
            first_chunk: first_chunk.into(),
        });
        let offset = position;
        position += content.len();
        sections.push(Section { kind, offset, content });
    }

    let table_bytes: &[u8] = bytemuck::cast_slice(&table);
    let mut header = Header {
        magic: MAGIC,
        version: FORMAT_VERSION.into(),
        header_len: HEADER_LEN.into(),
        file_len: position.into(),
        section_count: (table.len() as u32).into(),
        table_crc: permacode_format::crc32(table_bytes).into(),
        code_align_log2,
        page_log2: PAGE_LOG2,
        chunk_log2: CHUNK_LOG2,
        ..Header::zeroed()
    };
    header.header_crc = header_crc(bytemuck::bytes_of(&header)).into();
    let mut head = bytemuck::bytes_of(&header).to_vec();
    head.extend_from_slice(table_bytes);
    (head, sections)
}

/// The CRC of a section and those of its chunks.
fn checksums(content: &Content) -> (u32, Vec<U32>) {
    let mut whole = Crc32::new();
    let mut chunk = Crc32::new();
    let mut room = CHUNK_LEN as usize;
    let mut chunks = Vec::new();
    let take = |mut piece: &[u8]| {
        whole.update(piece);
        while !piece.is_empty() {
            let (now, later) = piece.split_at(piece.len().min(room));
            chunk.update(now);
            room -= now.len();
            if room == 0 {
                chunks.push(U32::new(chunk.finish()));
                (chunk, room) = (Crc32::new(), CHUNK_LEN as usize);
            }
            piece = later;
        }
        Ok::<(), std::convert::Infallible>(())
    };
    match content.each_piece(take) {
        Ok(()) => {}
        Err(never) => match never {},
    }
    if room != CHUNK_LEN as usize {
        chunks.push(U32::new(chunk.finish()));
    }
    (whole.finish(), chunks)
}
