//! An image of an archive and of invented facts: what it says about itself is true, and every word is accounted for.

use hashbrown::HashMap;
use permacode_image::{
    Facts, HEADER_LEN, Header, Layout, ModuleEntry, Modules, Name, Objects, PAGE_LEN, Range, SLOTS_LEN, SetEntry, Slot,
    Types, base_of, build, header_crc, interned_texts,
};
use permacode_reader::{Archive, Module};

const EVERYTHING: &[u8] = include_bytes!("../../testdata/valid/everything.perma");

/// A layout that is like that of CPython 3.13. The tests of the package compare images with real interpreters.
fn layout() -> Layout {
    let mut layout = <Layout as bytemuck::Zeroable>::zeroed();
    layout.head = 0xffff_ffff;
    (layout.object_type, layout.object_size, layout.gc_head) = (8, 16, 16);
    (layout.str_length, layout.str_hash, layout.str_state) = (16, 24, 32);
    (layout.str_ascii, layout.str_other, layout.str_states) = (40, 56, [0x64, 0x24, 0x28, 0x30]);
    (layout.bytes_hash, layout.bytes_data, layout.tuple_items) = (24, 32, 24);
    (layout.int_tag, layout.int_digits, layout.int_shift, layout.int_tag_shift) = (16, 24, 30, 3);
    layout.int_signs = [1, 2];
    (layout.float_value, layout.float_size, layout.complex_value, layout.complex_size) = (16, 24, 16, 32);
    (layout.slice_items, layout.slice_size) = ([16, 24, 32], 40);
    layout.code_pointers = [24, 32, 40, 96, 104, 112, 120, 128, 136];
    layout.code_numbers = [48, 52, 56, 60, 64, 68, 72, 76, 80, 84, 88, 92, 176];
    (layout.code_units, layout.frame_words, layout.kinds, layout.resume) = (200, 9, [0x20, 0x40, 0x80], 149);
    (layout.small_negative, layout.small_positive) = (5, 257);
    layout
}

fn facts(fixed_anchor: Option<u64>, names: HashMap<Vec<u8>, Name>) -> Facts {
    facts_with(fixed_anchor, names, "facts: invented\n")
}

fn facts_with(fixed_anchor: Option<u64>, names: HashMap<Vec<u8>, Name>, fingerprint: &str) -> Facts {
    let types = Types { str: 0, bytes: -8, tuple: 16, int: 24, float: 32, complex: 40, slice: 48, code: 56 };
    let objects = Objects {
        none: 0x100,
        false_: 0x108,
        true_: 0x110,
        ellipsis: 0x118,
        stop_iteration: 0x120,
        empty_tuple: 0x128,
        empty_str: 0x130,
        empty_bytes: 0x138,
        bytes: (0..256).map(|byte| 0x1000 + byte * 8).collect(),
        characters: (0..256).map(|character| 0x2000 + character * 8).collect(),
        ints: (0..262).map(|int| 0x3000 + int * 8).collect(),
    };
    Facts { layout: layout(), fixed_anchor, types, objects, names, fingerprint: fingerprint.to_owned() }
}

/// Refuses the first modules.
struct Toy {
    refused: usize,
}

impl Modules<'_> for Toy {
    fn admit(&mut self, module: &Module<'_>) -> Result<Vec<u8>, String> {
        match self.refused.checked_sub(1) {
            Some(left) => {
                self.refused = left;
                Err(format!("{} is refused", module.name().unwrap()))
            }
            None => Ok(format!("/{}", module.name().unwrap()).into()),
        }
    }

    fn marshal(&mut self, module: &Module<'_>) -> Result<Vec<u8>, String> {
        Ok(format!("marshal form of {}", module.name().unwrap()).into())
    }
}

struct Built {
    bytes: Vec<u8>,
    header: Header,
}

fn built(facts: &Facts) -> Built {
    let archive = Archive::open(EVERYTHING).unwrap();
    let target = archive.target(0).unwrap();
    let image = build(&archive, &target, facts, &mut Toy { refused: 0 }).unwrap();
    let header = bytemuck::pod_read_unaligned(&image.bytes[..HEADER_LEN]);
    assert_eq!(image.module_count, {
        let Header { module_count, .. } = header;
        module_count
    } as usize);
    Built { bytes: image.bytes, header }
}

impl Built {
    fn table<T: bytemuck::AnyBitPattern>(&self, offset: u64, count: u32) -> Vec<T> {
        let bytes = &self.bytes[offset as usize..][..count as usize * size_of::<T>()];
        bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
    }

    fn word(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    /// The offsets of all slots, by their bits.
    fn slots(&self) -> Vec<usize> {
        let bits: Vec<[u64; SLOTS_LEN / 8]> = self.table(self.header.slots, self.header.page_count);
        let first = self.header.first_page as usize * 512;
        let words = bits.iter().flatten().enumerate();
        let set = words
            .flat_map(|(index, bits)| (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| index * 64 + bit));
        set.map(|word| (first + word) * 8).collect()
    }

    fn pages(&self) -> std::ops::Range<usize> {
        let first = self.header.first_page as usize;
        first * PAGE_LEN as usize..(first + self.header.page_count as usize) * PAGE_LEN as usize
    }
}

/// All interned texts as canonical names, except for one, which is static.
fn names() -> HashMap<Vec<u8>, Name> {
    let texts = interned_texts(&Archive::open(EVERYTHING).unwrap()).unwrap();
    assert!(texts.len() > 5);
    texts
        .into_iter()
        .enumerate()
        .map(|(n, text)| (text, if n == 0 { Name::Static(0x4000) } else { Name::Canonical }))
        .collect()
}

#[test]
fn the_header_describes_the_file() {
    let Built { bytes, header } = built(&facts(None, HashMap::new()));
    assert_eq!((header.base, header.file_len), (base_of(b"facts: invented\n"), bytes.len() as u64));
    let fingerprint = &bytes[HEADER_LEN..][..header.fingerprint_len as usize];
    assert_eq!(fingerprint, b"facts: invented\n");
    assert_eq!(header.header_crc, header_crc(&header, fingerprint));
    assert_eq!(header.probe + u64::from(header.probe_len), header.file_len);
    let probe = &bytes[header.probe as usize..];
    assert_eq!(header.probe_crc, permacode_format::crc32(probe));
    assert!(probe.starts_with(b"marshal form of "));
    assert_eq!(header.probe_code % 8, 0);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for anchor in [None, Some(0x40_0000)] {
        assert_eq!(built(&facts(anchor, names())).bytes, built(&facts(anchor, names())).bytes);
    }
}

/// The addresses of the bodies of modules, and their versions.
fn bodies(image: &Built) -> Vec<(u64, u32)> {
    let modules: Vec<ModuleEntry> = image.table(image.header.modules, image.header.module_count);
    let version = |code: u64| {
        let at = (code - image.header.base) as usize + layout().code_version() as usize;
        u32::from_ne_bytes(image.bytes[at..at + 4].try_into().unwrap())
    };
    modules.iter().map(|module| (module.code, version(module.code))).collect()
}

#[test]
fn images_of_one_process_share_no_address_and_no_version() {
    let images = ["archive: 1\n", "archive: 2\n"].map(|text| built(&facts_with(None, HashMap::new(), text)));
    let [first, second] = images.each_ref().map(|image| image.header.base..image.header.base + image.header.file_len);
    assert!(first.end <= second.start || second.end <= first.start, "{first:x?} {second:x?}");
    let all: Vec<(u64, u32)> = images.iter().flat_map(bodies).collect();
    let versions: std::collections::HashSet<u32> = all.iter().map(|(_, version)| *version).collect();
    assert!(all.len() > 2 && versions.len() == all.len(), "{all:x?}");
    assert!(all.iter().all(|(_, version)| *version >= 0x8000_0000), "an interpreter counts from 1 on: {all:x?}");
}

#[test]
fn images_lie_apart_below_336_gib() {
    let mut bases: Vec<u64> = (0..1000).map(|number| base_of(format!("archive: {number}\n").as_bytes())).collect();
    bases.sort_unstable();
    assert!(bases.iter().all(|base| (128 << 30..320 << 30).contains(base)));
    let is_huge_page = |base: &u64| (base + 384 * PAGE_LEN).is_multiple_of(2 << 20);
    assert!(bases.iter().all(is_huge_page), "page 384 begins a huge page");
    bases.dedup();
    assert!(bases.len() > 980, "{}", bases.len());
    let quarters = bases.chunk_by(|one, next| one / (48 << 30) == next / (48 << 30)).count();
    assert!(quarters >= 4, "the whole range is used");
}

#[test]
fn every_sentinel_is_a_slot_and_every_slot_a_sentinel() {
    for (anchor, names) in [(None, HashMap::new()), (None, names()), (Some(0x40_0000), names())] {
        let image = built(&facts(anchor, names));
        let slots = image.slots();
        assert!(anchor.is_some() || !slots.is_empty());
        let sentinels: Vec<usize> =
            image.pages().step_by(8).filter(|at| Slot::decode(image.word(*at)).is_some()).collect();
        assert_eq!(slots, sentinels);
        let statics = slots.iter().any(|at| matches!(Slot::decode(image.word(*at)), Some(Slot::Static(_))));
        assert_eq!(statics, anchor.is_none(), "where nothing moves, static objects have addresses");
    }
}

#[test]
fn a_module_lists_every_page_with_slots_that_it_reaches() {
    let image = built(&facts(None, names()));
    let Header { module_count, range_count, set_count, .. } = image.header;
    let modules: Vec<ModuleEntry> = image.table(image.header.modules, module_count);
    let ranges: Vec<Range> = image.table(image.header.ranges, range_count);
    let sets: Vec<SetEntry> = image.table(image.header.sets, set_count);
    assert!(modules.is_sorted_by(|one, next| one.key < next.key));
    let listed = |first: u32, count: u32| -> Vec<u32> {
        let ranges = &ranges[first as usize..][..count as usize];
        ranges.iter().flat_map(|range| range.page..range.page + range.count).collect()
    };
    let layout = layout();
    for module in &modules {
        let pages = listed(module.first_range, module.range_count);
        let (mut todo, mut seen) = (vec![module.code], std::collections::HashSet::new());
        while let Some(address) = todo.pop() {
            let at = (address - image.header.base) as usize;
            assert!(image.pages().contains(&at), "{address:#x}");
            if !seen.insert(at) {
                continue;
            }
            assert_eq!(image.word(at), layout.head);
            assert!(pages.contains(&(((at + 8) as u64 / PAGE_LEN) as u32)), "the type of {address:#x}");
            let Some(Slot::Static(kind)) = Slot::decode(image.word(at + 8)) else { panic!("{address:#x}") };
            let fields: Vec<usize> = match kind {
                16 => (0..image.word(at + 16) as usize).map(|index| at + 24 + index * 8).collect(),
                48 => layout.slice_items.iter().map(|offset| at + *offset as usize).collect(),
                56 => layout.code_pointers.iter().map(|offset| at + *offset as usize).collect(),
                _ => continue,
            };
            for field in fields {
                let word = image.word(field);
                match Slot::decode(word) {
                    None => todo.push(word),
                    Some(slot) => {
                        assert!(pages.contains(&((field as u64 / PAGE_LEN) as u32)), "{slot:?} at {field:#x}");
                        if let Slot::Set(number) = slot {
                            todo.push(sets[number as usize].items);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn where_nothing_moves_a_module_lists_the_pages_of_its_body() {
    // Without names and frozensets, nothing has a slot.
    let image = built(&facts(Some(0x40_0000), HashMap::new()));
    let layout = layout();
    let modules: Vec<ModuleEntry> = image.table(image.header.modules, image.header.module_count);
    let ranges: Vec<Range> = image.table(image.header.ranges, image.header.range_count);
    for module in &modules {
        let pages: Vec<u64> = ranges[module.first_range as usize..][..module.range_count as usize]
            .iter()
            .flat_map(|range| u64::from(range.page)..u64::from(range.page + range.count))
            .collect();
        let at = (module.code - image.header.base) as usize;
        let units = image.word(at + layout.object_size as usize);
        let end = at as u64 + u64::from(layout.code_units) + units * 2;
        assert!((at as u64 / PAGE_LEN..=(end - 1) / PAGE_LEN).all(|page| pages.contains(&page)), "{pages:?}");
        // The empty tuple is an object of the interpreter.
        let Some(names) = image.word(at + layout.code_pointers[1] as usize).checked_sub(image.header.base) else {
            continue;
        };
        let names = names as usize;
        for index in 0..image.word(names + 16) as usize {
            let Some(name) = image.word(names + 24 + index * 8).checked_sub(image.header.base) else { continue };
            assert!(pages.contains(&((name + u64::from(layout.str_hash)) / PAGE_LEN)), "{pages:?}");
        }
    }
}

#[test]
fn a_module_that_is_refused_is_left_out() {
    let archive = Archive::open(EVERYTHING).unwrap();
    let target = archive.target(0).unwrap();
    let image = build(&archive, &target, &facts(None, HashMap::new()), &mut Toy { refused: 1 }).unwrap();
    assert!(
        image.left_out.iter().any(|(name, reason)| *reason == format!("{name} is refused")),
        "{:?}",
        image.left_out
    );
    let all = target.modules().filter(|module| !module.as_ref().unwrap().is_namespace()).count();
    assert_eq!(image.module_count + image.left_out.len(), all);
}
