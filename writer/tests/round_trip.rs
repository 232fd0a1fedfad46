//! A program that is written reads back equal, and writing it again gives the same bytes.

use permacode_model::*;
use permacode_reader::{Archive, Block, Item};
use permacode_testkit::{Canonical, Choices, Node, Program, rotate};
use permacode_writer::{Options, Placement};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn programs() -> impl Strategy<Value = Program<'static>> {
    proptest::collection::vec(any::<u8>(), 0..1500).prop_map(|choices| Choices(&choices).program())
}

/// A program in the order of an archive, and in canonical form.
fn canonical<'a>(program: &Program<'a>) -> Vec<(Target, Vec<Canonical<'a>>, Vec<Resource<'a>>)> {
    let mut targets: Vec<_> = program
        .targets
        .iter()
        .map(|part| {
            let mut modules: Vec<_> = part.modules.iter().map(Canonical::of).collect();
            modules.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
            let mut resources = part.resources.clone();
            resources.sort_by_key(|file| [file.root.as_bytes(), b"/", &file.path].concat());
            (part.target.clone(), modules, resources)
        })
        .collect();
    targets.sort_by(|one, other| one.0.cmp(&other.0));
    targets
}

/// Number of the target and name of each module, and the offset of its record.
fn modules_of(bytes: &[u8]) -> Result<Vec<(String, u64)>, permacode_reader::Error> {
    let archive = Archive::open(bytes)?;
    let mut names = Vec::new();
    for (number, target) in archive.targets().enumerate() {
        for module in target.modules() {
            let module = module?;
            names.push((format!("{number} {}", module.name()?), module.offset()));
        }
    }
    Ok(names)
}

fn placements() -> impl Strategy<Value = Placement> {
    prop_oneof![Just(Placement::SharedFirst), Just(Placement::FirstUse), Just(Placement::BodiesFirst)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_program_reads_back_equal_and_valid(program in programs(), align in 0u8..=12, placement in placements()) {
        let bytes = program.plan(Options::default().code_align_log2(align).placement(placement), 0).unwrap().to_bytes();
        let archive = Archive::open(&bytes[..]).unwrap();
        archive.verify().unwrap();
        for module in archive.targets().flat_map(|target| target.modules()) {
            archive.verify_module(&module.unwrap()).unwrap();
        }
        let again = Program::read(&archive).unwrap();
        prop_assert_eq!(canonical(&again), canonical(&program));
        for (part, target) in again.targets.iter().zip(archive.targets()) {
            for (model, module) in part.modules.iter().zip(target.modules()) {
                let mut qualnames = Vec::new();
                for code in module.unwrap().codes() {
                    let code = code.unwrap();
                    let mut text = Vec::new();
                    code.qualname().append_to(&mut text).unwrap();
                    prop_assert!(code.has_qualname(&text).unwrap());
                    prop_assert_eq!(code.bytecode().unwrap().offset() % (1 << align), 0);
                    qualnames.push(text);
                }
                prop_assert_eq!(&Canonical::of(model).qualnames, &qualnames);
            }
        }
    }

    #[test]
    fn no_flipped_bit_is_read_from_a_checked_archive(
        program in programs(),
        flips in proptest::collection::vec(any::<proptest::sample::Index>(), 200),
    ) {
        let whole = program.write();
        let names: Vec<(String, u64)> = modules_of(&whole).unwrap();
        let mut bytes = whole.clone();
        for flip in flips {
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(archive) = Archive::open(&bytes[..]).and_then(Archive::checked) {
                if let Ok(read) = Program::read(&archive) {
                    prop_assert_eq!(canonical(&read), canonical(&program));
                }
                for (number, target) in archive.targets().enumerate() {
                    for (name, offset) in names.iter().filter(|(name, _)| name.starts_with(&format!("{number} "))) {
                        let found = target.find(&name[2..]).map(|module| module.map(|module| module.offset()));
                        prop_assert!(found.map_or(true, |found| found == Some(*offset)), "{}: bit {}", name, bit);
                    }
                }
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_program_read_back_is_written_with_the_same_bytes(program in programs()) {
        let bytes = program.write();
        let archive = Archive::open(&bytes[..]).unwrap();
        prop_assert!(Program::read(&archive).unwrap().write() == bytes);
    }

    #[test]
    fn the_order_of_calls_and_of_objects_does_not_change_the_bytes(
        mut program in programs(),
        order in 1u64..,
        by in 0usize..9,
    ) {
        let bytes = program.write();
        let mixed = program.plan(Options::default(), order).unwrap().to_bytes();
        prop_assert!(mixed == bytes);
        for module in program.targets.iter_mut().flat_map(|part| &mut part.modules) {
            rotate(module, by, by / 2);
        }
        prop_assert!(program.plan(Options::default(), order).unwrap().to_bytes() == bytes);
    }

    #[test]
    fn modules_share_neither_mutable_values_nor_code(program in programs()) {
        let bytes = program.write();
        let archive = Archive::open(&bytes[..]).unwrap();
        let mut owners: BTreeMap<u32, u64> = BTreeMap::new();
        for module in archive.targets().flat_map(|target| target.modules()) {
            let module = module.unwrap();
            let mut stack: Vec<_> = module.codes().flat_map(|code| code.unwrap().constants().unwrap().iter()).collect();
            let mut steps = 0;
            while let Some(item) = stack.pop() {
                let Item::Object(object) = item.unwrap() else { continue };
                let permacode_reader::Constant::Container(container) = object.constant().unwrap() else { continue };
                if container.kind().is_mutable() || container.has_code() {
                    prop_assert_eq!(*owners.entry(object.id()).or_insert(module.offset()), module.offset());
                }
                steps += 1;
                if steps < 10_000 {
                    stack.extend(container.iter());
                }
            }
        }
    }

    #[test]
    fn storage_and_alignment_do_not_matter(program in programs(), skip in 1usize..16, tail in 0usize..9) {
        let bytes = program.write();
        let expected = Program::read(&Archive::open(&bytes[..]).unwrap()).unwrap().write();
        let padded = [vec![0xAA; skip], bytes.clone(), vec![0xAA; tail]].concat();
        let odd = Archive::open(&padded[skip..skip + bytes.len()]).unwrap();
        let prefix = Archive::open_prefix(&padded[skip..]).unwrap();
        prop_assert_eq!(Archive::open(&padded[skip..]).is_ok(), tail == 0);
        let block = Archive::open(Block::copy_of(&bytes)).unwrap();
        let leaked: &'static [u8] = Vec::leak(bytes.clone());
        let forever: Archive<&'static [u8]> = Archive::open(leaked).unwrap();
        prop_assert_eq!(prefix.file_len(), bytes.len() as u64);
        prefix.verify().unwrap();
        for again in [Program::read(&odd), Program::read(&prefix), Program::read(&forever)] {
            prop_assert!(again.unwrap().write() == expected);
        }
        prop_assert!(Program::read(&block).unwrap().write() == expected);
    }
}

#[test]
fn a_mapped_file_and_a_read_file_hold_the_same_program() {
    let choices: Vec<u8> = (0..=255).cycle().take(4000).collect();
    let program = Choices(&choices).program();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lib.perma");
    program.plan(Options::default(), 0).unwrap().publish(&path).unwrap();
    // SAFETY: nothing writes into the file.
    #[allow(unsafe_code)]
    let mapped = unsafe { Archive::map(&path) }.unwrap();
    let block = Archive::open(Block::read(&path).unwrap()).unwrap();
    mapped.verify().unwrap();
    assert!(Program::read(&mapped).unwrap().write() == program.write());
    assert!(Program::read(&block).unwrap().write() == program.write());
}

#[test]
fn an_empty_program_is_a_valid_archive() {
    let bytes = Program::default().write();
    let archive = Archive::open(&bytes[..]).unwrap();
    archive.verify().unwrap();
    assert_eq!(Program::read(&archive).unwrap(), Program::default());
    assert_eq!(bytes.len(), 64);
}

/// A module whose one code object has these constants.
fn module_of(objects: Vec<Object<'static>>, constants: Vec<Ref>) -> Module<'static> {
    let mut module = Choices(&[]).module();
    module.codes[0].name = objects.len() as u32;
    module.codes[0].constants = constants;
    module.objects = objects;
    module.objects.push(Object::Leaf(Leaf::Str(Str::interned("f"))));
    module
}

fn int(value: u32) -> Object<'static> {
    let mut bytes = value.to_le_bytes().to_vec();
    bytes.push(0);
    while let [.., before, 0] = bytes[..] {
        if before & 0x80 != 0 {
            break;
        }
        bytes.pop();
    }
    if bytes == [0] {
        bytes.clear();
    }
    Object::Leaf(Leaf::Int(bytes.into()))
}

#[test]
fn lists_and_containers_with_distant_items_are_wide() {
    // More than 32,768 shared ids and the 16,384 of the window. The container reaches back further than 32,768.
    let count = 80_000;
    let mut objects: Vec<_> = (0..count).map(int).collect();
    objects.push(Object::Container(Container::Tuple, (0..count).map(Ref::Object).collect()));
    let constants: Vec<Ref> = (0..=count).map(Ref::Object).collect();
    let program = Program::of(vec![module_of(objects, constants)]);
    let plan = program.plan(Options::default(), 0).unwrap();
    assert_eq!((plan.report().wide_lists, plan.report().wide_records), (1, 1));
    let bytes = plan.to_bytes();
    let archive = Archive::open(&bytes[..]).unwrap();
    archive.verify().unwrap();
    let again = Program::read(&archive).unwrap();
    assert!(canonical(&again) == canonical(&program));
    assert!(again.write() == bytes);
}

#[test]
fn lists_are_not_shared_if_that_would_exceed_the_list_budget() {
    let constants: Vec<Ref> = (0..20_000).map(|_| Ref::Object(0)).collect();
    let mut module = module_of(vec![Object::Leaf(Leaf::None)], constants.clone());
    let count = 150;
    module.codes = vec![module.codes[0].clone(); count];
    module.codes[0].constants.extend((1..count as u32).map(Ref::Code));
    let program = Program::of(vec![module]);
    let bytes = program.write();
    let archive = Archive::open(&bytes[..]).unwrap();
    archive.verify().unwrap();
    let again = Program::read(&archive).unwrap();
    assert!(canonical(&again) == canonical(&program));
    assert!(again.write() == bytes);
}

#[test]
fn two_thousand_levels_can_be_written() {
    let mut objects = vec![Object::Leaf(Leaf::None)];
    objects.extend((0..2000).map(|level| Object::Container(Container::Tuple, vec![Ref::Object(level)])));
    let mut module = module_of(objects, vec![Ref::Object(2000)]);
    let first = module.codes[0].clone();
    module.codes = (0..=2000u32)
        .map(|level| Code {
            constants: if level == 0 { first.constants.clone() } else { vec![Ref::Code(level - 1)] },
            qualname: if level == 2000 { Qualname::Name } else { Qualname::Local { interned: true } },
            ..first.clone()
        })
        .collect();
    module.body = Some(2000);
    let program = Program::of(vec![module]);
    let bytes = program.write();
    let archive = Archive::open(&bytes[..]).unwrap();
    archive.verify().unwrap();
    let module = archive.targets().next().unwrap().module(0).unwrap();
    assert_eq!(module.code(0).unwrap().qualname().parts().unwrap().len(), 2001);
    assert!(canonical(&Program::read(&archive).unwrap()) == canonical(&program));
}

#[test]
fn equal_values_are_merged_only_if_their_types_are_equal() {
    let text = |interned| Object::Leaf(Leaf::Str(Str { text: b"1".as_slice().into(), interned }));
    let tuple = |items: &[u32]| Object::Container(Container::Tuple, items.iter().copied().map(Ref::Object).collect());
    let list = || Object::Container(Container::List, vec![]);
    let objects = vec![
        int(1),
        Object::Leaf(Leaf::True),
        Object::Leaf(Leaf::Float(1f64.to_bits())),
        Object::Leaf(Leaf::Float(0)),
        Object::Leaf(Leaf::Float(1 << 63)),
        Object::Leaf(Leaf::Float(f64::NAN.to_bits())),
        Object::Leaf(Leaf::Float(f64::NAN.to_bits() | 1)),
        text(true),
        text(false),
        Object::Leaf(Leaf::Bytes(b"1".as_slice().into())),
        tuple(&[0]),
        tuple(&[1]),
        list(),
        list(),
        tuple(&[12]),
        tuple(&[13]),
        // Repetitions of values above.
        int(1),
        text(true),
        tuple(&[16]),
        tuple(&[12]),
        Object::Leaf(Leaf::Float(f64::NAN.to_bits())),
    ];
    let constants = (0..objects.len() as u32).map(Ref::Object).collect();
    let module = module_of(objects, constants);
    let form = Canonical::of(&module);
    assert_eq!(form.nodes.iter().filter(|node| !matches!(node, Node::Code(_))).count(), 17);
    let program = Program::of(vec![module]);
    let bytes = program.write();
    let archive = Archive::open(&bytes[..]).unwrap();
    assert!(canonical(&Program::read(&archive).unwrap()) == canonical(&program));
    let root = archive.targets().next().unwrap().module(0).unwrap().body().unwrap().unwrap();
    let ids: Vec<u32> = root
        .constants()
        .unwrap()
        .iter()
        .map(|item| match item.unwrap() {
            Item::Object(object) => object.id(),
            Item::Code(code) => panic!("{code:?}"),
        })
        .collect();
    assert_eq!(ids[16..], [ids[0], ids[7], ids[10], ids[14], ids[5]]);
}
