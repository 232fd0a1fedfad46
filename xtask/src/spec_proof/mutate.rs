//! Mutants: archives with a few changes. Most changes are to meaningful fields, and most mutants have correct
//! checksums.

use super::bases::Base;
use fastrand::Rng;
use permacode_format::{Field, Header, IndexHeader, Layout, ObjectEntry, Record, SectionEntry, SectionKind, U32};
use permacode_testkit::{Edited, Repair, Sections};
use std::{borrow::Cow, ops::Range};

/// Boundary values of varints, list items, container items, ids and integers.
const BOUNDARIES: [u64; 22] = [
    0,
    1,
    2,
    3,
    0x7F,
    0x80,
    0xFE,
    0xFF,
    0x100,
    2000,
    0x7FFF,
    0x8000,
    0xBFFF,
    0xC000,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
    1 << 63,
    u64::MAX,
];

/// A mutant of one of the archives.
pub(super) fn mutant(base: &Base, rng: &mut Rng) -> Vec<u8> {
    let bytes = if rng.u8(..6) == 0 { rearranged(base, rng) } else { base.bytes.clone() };
    let mut archive = Edited(bytes);
    for _ in 0..[1, 1, 1, 2, 2, 3, 5][rng.usize(..7)] {
        edit(&mut archive, rng);
    }
    archive.repair(match rng.u8(..40) {
        0 => Repair::Nothing,
        1 => Repair::Header,
        2 => Repair::Table,
        3 => Repair::Sections,
        _ => Repair::Chunks,
    });
    if rng.u8(..100) == 0 {
        resize(&mut archive.0, rng);
    }
    archive.0
}

/// Adds records or bytes to some sections, or removes some, and lays out the archive again.
fn rearranged(base: &Base, rng: &mut Rng) -> Vec<u8> {
    let mut sections = Sections(base.sections.iter().map(|(kind, bytes)| (*kind, Cow::from(bytes))).collect());
    for _ in 0..1 + rng.usize(..2) {
        let Some(kind) = choose(sections.0.keys().copied(), rng) else { break };
        let record = SectionKind::from_number(kind).map_or(1, |kind| kind.record_len() as usize);
        let Some(section) = sections.0.get_mut(&kind).map(Cow::to_mut) else { break };
        let at = record * rng.usize(..=section.len() / record);
        match rng.u8(..8) {
            // An empty section is the same as an absent one.
            0 => section.clear(),
            1 | 2 => drop(section.drain(at..section.len().min(at + record))),
            3 => section.truncate(at),
            4 => section.extend_from_within(at..),
            5 => drop(section.splice(at..at, (0..record).map(|_| 0))),
            _ => {
                let from = section.len().min(at + record);
                let copy = section.get(at..from).unwrap_or_default().to_vec();
                let to = record * rng.usize(..=section.len() / record);
                section.splice(to..to, copy);
            }
        }
    }
    sections.archive()
}

/// Makes one change. The bytes need not be a valid archive.
fn edit(archive: &mut Edited, rng: &mut Rng) {
    let parts = Parts::of(archive);
    let Some((kind, section)) = choose(parts.sections.iter().cloned(), rng) else {
        return edit_record(archive, &parts, 0..size_of::<Header>(), &Header::LAYOUT, rng);
    };
    let len = archive.0.len();
    match rng.u8(..20) {
        0 => edit_record(archive, &parts, 0..size_of::<Header>(), &Header::LAYOUT, rng),
        1 => edit_record(archive, &parts, parts.table.clone(), &SectionEntry::LAYOUT, rng),
        2 => edit_byte(&mut archive.0, 0..len, rng),
        3 => edit_byte(&mut archive.0, section, rng),
        4 => edit_bits(&mut archive.0, section, rng),
        5 => swap_records(&mut archive.0, kind, section, rng),
        6..=8 => edit_object(archive, &parts, rng),
        _ => match kind {
            Some(kind) => edit_kind(archive, &parts, kind, section, rng),
            None => edit_byte(&mut archive.0, section, rng),
        },
    }
}

/// Changes a section of this kind.
fn edit_kind(archive: &mut Edited, parts: &Parts, kind: SectionKind, section: Range<usize>, rng: &mut Rng) {
    // A record of one field is edited as a number.
    if let Some(record) = kind.layout().filter(|layout| layout.fields.len() > 1) {
        return edit_record(archive, parts, section, record, rng);
    }
    match kind {
        SectionKind::Lists => edit_number(archive, parts, section, [2, 2, 2, 4][rng.usize(..4)], rng),
        SectionKind::Objects | SectionKind::Checksums | SectionKind::Index => {
            edit_number(archive, parts, section, 4, rng);
        }
        SectionKind::Constants | SectionKind::Docstrings => edit_object(archive, parts, rng),
        _ => edit_byte(&mut archive.0, section, rng),
    }
}

/// Changes a field of one of the records.
fn edit_record(archive: &mut Edited, parts: &Parts, section: Range<usize>, record: &Layout, rng: &mut Rng) {
    let Layout { len, fields, .. } = *record;
    let Some(index) = below(section.len() / len, rng) else { return };
    let Some(field) = choose(flat(fields).into_iter(), rng) else { return };
    let place = |index: usize| {
        section.start + index * len + field.offset..section.start + index * len + field.offset + field.size
    };
    // The value of another record is more often nearly valid than a random number.
    if rng.u8(..4) == 0
        && let Some(other) = below(section.len() / len, rng)
        && archive.0.len() >= place(index).end.max(place(other).end)
    {
        return archive.0.copy_within(place(other), place(index).start);
    }
    set(archive, parts, place(index), rng);
}

/// The fields of a record. A field that is itself a record is replaced by its fields.
fn flat(fields: &[Field]) -> Vec<Field> {
    let inner = |field: &Field| match field.type_name {
        "IndexHeader" => {
            let parts = IndexHeader::LAYOUT.fields.iter();
            parts.map(|part| Field { offset: field.offset + part.offset, ..*part }).collect()
        }
        _ => vec![*field],
    };
    fields.iter().flat_map(inner).collect()
}

/// Changes a number in a section of numbers, sometimes to the value of another number.
fn edit_number(archive: &mut Edited, parts: &Parts, section: Range<usize>, width: usize, rng: &mut Rng) {
    let Some(index) = below(section.len() / width, rng) else { return };
    let place = section.start + index * width..section.start + (index + 1) * width;
    match below(section.len() / width, rng) {
        Some(other) if rng.bool() => {
            let from = section.start + other * width;
            archive.0.copy_within(from..from + width, place.start);
        }
        _ => set(archive, parts, place, rng),
    }
}

/// Changes a byte near the start of an object: kind, flags, length, depth, bound, or items.
fn edit_object(archive: &mut Edited, parts: &Parts, rng: &mut Rng) {
    let Some(entries) = parts.of_kind(SectionKind::Objects) else { return };
    let Some(index) = below(entries.len() / 4, rng) else { return };
    let entry = archive.number(entries.start + 4 * index..entries.start + 4 * index + 4) as u32;
    let entry = ObjectEntry { place: U32::new(entry) };
    let (offset, pool) = (entry.offset_in_section(), parts.of_kind(entry.section()));
    let Some(pool) = pool.filter(|pool| (offset as usize) < pool.len()) else { return };
    let start = pool.start + offset as usize;
    let behind = [0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16][rng.usize(..16)];
    let Some(byte) = archive.0.get(start + behind).copied() else { return };
    let value = match rng.u8(..6) {
        0 => byte ^ 1 << rng.u8(..8),
        1 => byte.wrapping_add(1),
        2 => byte.wrapping_sub(1),
        // Another kind with the same flags.
        3 => byte & 0xE0 | rng.u8(..24),
        4 => index.wrapping_sub(rng.usize(..4)) as u8,
        _ => boundary(rng) as u8,
    };
    archive.0[start + behind] = value;
}

fn edit_byte(bytes: &mut [u8], range: Range<usize>, rng: &mut Rng) {
    let Some(at) = below(range.len(), rng) else { return };
    bytes[range.start + at] = if rng.bool() { rng.u8(..) } else { boundary(rng) as u8 };
}

fn edit_bits(bytes: &mut [u8], range: Range<usize>, rng: &mut Rng) {
    for _ in 0..1 + rng.usize(..2) {
        let Some(at) = below(range.len(), rng) else { return };
        bytes[range.start + at] ^= 1 << rng.u8(..8);
    }
}

/// Swaps two records, or copies one over another.
fn swap_records(bytes: &mut [u8], kind: Option<SectionKind>, section: Range<usize>, rng: &mut Rng) {
    let len = kind.map_or(1, |kind| kind.record_len() as usize);
    let (Some(one), Some(other)) = (below(section.len() / len, rng), below(section.len() / len, rng)) else { return };
    let (one, other) = (section.start + one * len, section.start + other * len);
    let before = bytes[one..one + len].to_vec();
    bytes.copy_within(other..other + len, one);
    if rng.bool() {
        bytes[other..other + len].copy_from_slice(&before);
    }
}

/// Truncates or extends the file.
fn resize(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let len = match rng.u8(..4) {
        0 => rng.usize(..=bytes.len()),
        1 => rng.usize(..=bytes.len().min(100)),
        2 => bytes.len().saturating_sub(1 + rng.usize(..9)),
        _ => bytes.len() + 1 + rng.usize(..9),
    };
    bytes.resize(len, 0);
}

/// Changes an integer.
fn set(archive: &mut Edited, parts: &Parts, place: Range<usize>, rng: &mut Rng) {
    if place.end > archive.0.len() {
        return;
    }
    if place.len() > 8 {
        return edit_byte(&mut archive.0, place, rng);
    }
    let old = archive.number(place.clone());
    let of_a_section = |rng: &mut Rng| {
        let Some((kind, section)) = choose(parts.sections.iter().cloned(), rng) else { return 0 };
        let len = section.len() as u64;
        if rng.bool() { len } else { len / kind.map_or(1, SectionKind::record_len) }
    };
    let new = match rng.u8(..10) {
        0 => boundary(rng),
        1 => old.wrapping_add(1),
        2 => old.wrapping_sub(1),
        3 => old ^ 1 << rng.usize(..8 * place.len()),
        4 => rng.u64(..16),
        5 => old.wrapping_add(rng.u64(..64)).wrapping_sub(32),
        6 => of_a_section(rng).wrapping_add(rng.u64(..3)).wrapping_sub(1),
        7 => {
            let most = of_a_section(rng).max(1);
            rng.u64(..most)
        }
        8 => u64::MAX.wrapping_sub(old),
        _ => rng.u64(..),
    };
    archive.set_number(place, new);
}

fn boundary(rng: &mut Rng) -> u64 {
    BOUNDARIES[rng.usize(..BOUNDARIES.len())]
}

fn below(count: usize, rng: &mut Rng) -> Option<usize> {
    (count > 0).then(|| rng.usize(..count))
}

fn choose<T>(from: impl Iterator<Item = T>, rng: &mut Rng) -> Option<T> {
    let mut from: Vec<T> = from.collect();
    below(from.len(), rng).map(|index| from.swap_remove(index))
}

/// The ranges of the section table and of the sections, as far as they lie within the bytes.
struct Parts {
    table: Range<usize>,
    /// Sections that are not empty.
    sections: Vec<(Option<SectionKind>, Range<usize>)>,
}

impl Parts {
    fn of(archive: &Edited) -> Self {
        let sections = archive.sections().filter(|(_, section)| !section.is_empty());
        Parts { table: archive.table(), sections: sections.collect() }
    }

    fn of_kind(&self, wanted: SectionKind) -> Option<Range<usize>> {
        self.sections.iter().find(|(kind, _)| *kind == Some(wanted)).map(|(_, range)| range.clone())
    }
}
