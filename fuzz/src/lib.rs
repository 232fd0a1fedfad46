//! What the fuzz targets share. Archives, models and the walk over every accessor are those of the tests.

#[path = "../../reader/tests/common/mod.rs"]
pub mod archives;
#[path = "../../writer/tests/common/mod.rs"]
pub mod models;

use permacode_format::{
    CHUNK_LEN, CHUNK_LOG2, HEADER_LEN, Header, MAGIC, PAGE_LOG2, SectionEntry, SectionKind, crc32, header_crc,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes everything right that stands between changed bytes and the code behind the checksums: header, lengths,
/// checksums of sections and chunks. Bytes that are too short stay as they are.
pub fn mend(bytes: &mut [u8]) {
    let len = bytes.len();
    if len < HEADER_LEN as usize {
        return;
    }
    let put = |bytes: &mut [u8], at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(bytes, 0, &MAGIC);
    put(bytes, 8, &permacode_format::FORMAT_VERSION.to_le_bytes());
    put(bytes, 12, &HEADER_LEN.to_le_bytes());
    put(bytes, 16, &(len as u64).to_le_bytes());
    put(bytes, 28, &[0; 8]);
    put(bytes, 48, &[bytes[48] % 13, PAGE_LOG2, CHUNK_LOG2]);
    put(bytes, 51, &[0; 13]);
    let room = (len - HEADER_LEN as usize) / size_of::<SectionEntry>();
    let count = (u32_at(bytes, 40) as usize).min(room).min(256);
    put(bytes, 40, &(count as u32).to_le_bytes());

    let section = |bytes: &[u8], entry: usize| {
        let start = usize::try_from(u64_at(bytes, entry + 8)).ok()?;
        let end = start.checked_add(usize::try_from(u64_at(bytes, entry + 16)).ok()?)?;
        (start >= HEADER_LEN as usize + count * size_of::<SectionEntry>() && end <= len).then_some(start..end)
    };
    let entries: Vec<usize> = (0..count).map(|index| HEADER_LEN as usize + index * size_of::<SectionEntry>()).collect();
    let find =
        |bytes: &[u8], kind: SectionKind| entries.iter().copied().find(|entry| u32_at(bytes, *entry) == kind as u32);
    let checksums = find(bytes, SectionKind::Checksums).and_then(|entry| section(bytes, entry));
    let mut next = 0u32;
    for kind in SectionKind::ALL.iter().filter(|kind| kind.is_chunked()) {
        let Some(entry) = find(bytes, *kind) else { continue };
        put(bytes, entry + 28, &next.to_le_bytes());
        let Some(range) = section(bytes, entry) else { continue };
        for start in range.clone().step_by(CHUNK_LEN as usize) {
            let crc = crc32(&bytes[start..range.end.min(start + CHUNK_LEN as usize)]);
            let place = checksums.clone().map(|range| range.start + 4 * next as usize..range.end);
            if let Some(place) = place.filter(|place| place.len() >= 4) {
                put(bytes, place.start, &crc.to_le_bytes());
            }
            next += 1;
        }
    }
    for entry in &entries {
        if let Some(range) = section(bytes, *entry) {
            let crc = crc32(&bytes[range]);
            put(bytes, entry + 24, &crc.to_le_bytes());
        }
    }
    let table = crc32(&bytes[HEADER_LEN as usize..HEADER_LEN as usize + count * size_of::<SectionEntry>()]);
    put(bytes, 44, &table.to_le_bytes());
    let crc = header_crc(&bytes[..size_of::<Header>()]);
    put(bytes, 24, &crc.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// How many runs came how far: a target that is stuck at its first check finds nothing.
#[derive(Debug)]
pub struct Shares<const STEPS: usize> {
    names: [&'static str; STEPS],
    runs: AtomicU64,
    reached: [AtomicU64; STEPS],
}

impl<const STEPS: usize> Shares<STEPS> {
    pub const fn new(names: [&'static str; STEPS]) -> Self {
        Shares { names, runs: AtomicU64::new(0), reached: [const { AtomicU64::new(0) }; STEPS] }
    }

    /// Counts a run; prints the shares from time to time.
    pub fn run(&self) {
        let runs = self.runs.fetch_add(1, Ordering::Relaxed) + 1;
        if runs.is_power_of_two() && runs >= 1 << 12 {
            let share = |count: &AtomicU64| 100.0 * count.load(Ordering::Relaxed) as f64 / runs as f64;
            let shares =
                self.names.iter().zip(&self.reached).map(|(name, count)| format!("{name} {:.1} %", share(count)));
            eprintln!("of {runs} runs: {}", shares.collect::<Vec<_>>().join(", "));
        }
    }

    /// Counts a run that came as far as this step.
    pub fn reach(&self, step: usize) {
        self.reached[step].fetch_add(1, Ordering::Relaxed);
    }
}
