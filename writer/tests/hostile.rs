//! Small archives that could cause much work. All checksums are correct, and most records are valid on their own.
//!
//! A reader that is careless about one of them needs quadratic time: seconds to hours at these sizes.

use permacode_format::{SectionKind, digest};
use permacode_model::*;
use permacode_reader::{Archive, Error, ObjectKind, Rule};
use permacode_testkit::{Edited, Repair, Sections, behind, shapes, walk};
use std::time::{Duration, Instant};

/// Ample for linear work in a debug build on a busy machine, and far too little for quadratic work.
const AMPLE: Duration = Duration::from_secs(20);

/// The errors of `verify`, and of `verify_module` and the conversion to the model for the first module.
#[track_caller]
fn all(bytes: &[u8]) -> [Option<Error>; 3] {
    let started = Instant::now();
    let archive = Archive::open(bytes).unwrap();
    let everything = archive.verify().err();
    let first = archive.targets().flat_map(|target| target.modules().take(1).collect::<Vec<_>>()).next();
    // A target with a wrong count of modules has none.
    let module = first.and_then(Result::ok);
    let one = module.and_then(|module| archive.verify_module(&module).err());
    let back = module.and_then(|module| error_of_conversion(&module));
    let target = archive.targets().next().unwrap();
    assert!(target.children("").count() < 2_000_000 && target.modules().count() < 2_000_000);
    println!("{} bytes: {:?}: {everything:?} {one:?} {back:?}", bytes.len(), started.elapsed());
    assert!(started.elapsed() < AMPLE, "{:?}", started.elapsed());
    [everything, one, back]
}

/// The error of the conversion to the model.
fn error_of_conversion(module: &permacode_reader::Module<'_>) -> Option<Error> {
    match Module::try_from(module).err()?.into_kind() {
        permacode_model::ErrorKind::Archive(error) => Some(error),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn breaks(error: &Option<Error>, rule: Rule) {
    assert_eq!(error.as_ref().and_then(Error::rule), Some(rule), "{error:?}");
}

fn program(module: Module<'static>) -> Sections<'static> {
    Sections::of(&shapes::archive(vec![module], vec![]))
}

/// A module of many equal code objects.
fn many_codes(count: u32) -> Module<'static> {
    let mut module = shapes::plain("m");
    module.codes = (0..count).map(|_| shapes::code(0, vec![])).collect();
    module.codes.push(shapes::code(0, (0..count).map(Ref::Code).collect()));
    module.body = Some(count);
    module
}

/// Repeats the only target of an archive. Each copy has another version of the machine.
fn repeated_target(mut sections: Sections<'_>, count: usize) -> Vec<u8> {
    sections.repeat(SectionKind::Targets, count);
    let mut archive = Edited(sections.archive());
    for number in 0..count {
        archive.set(&format!("targets[{number}].vm_version"), number as u64);
    }
    archive.repair(Repair::Chunks);
    archive.0
}

#[test]
fn many_targets() {
    let sections = Sections::of(&shapes::archive(vec![], vec![]));
    assert!(all(&repeated_target(sections, 40_000))[0].is_none());
}

#[test]
fn many_targets_with_one_index() {
    let mut sections = Sections::of(&shapes::archive(vec![], vec![]));
    let slots = [0, 0, 0, 0, 255, 255, 255, 255].repeat(200_000);
    sections.section(SectionKind::Index).extend([&[0; 8][..], &slots].concat());
    let mut archive = Edited(sections.archive());
    // One bucket, and empty slots for every target.
    for (field, value) in [("pilots_offset", 0), ("bucket_count", 1), ("slots_offset", 8), ("slot_count", 200_000)] {
        archive.set(&format!("targets[0].module_index.{field}"), value);
    }
    archive.repair(Repair::Chunks);
    breaks(&all(&repeated_target(Sections::of(&archive.0), 20_000))[0], Rule::X1);
}

#[test]
fn many_overlapping_names() {
    let modules = (0..1000).map(|number| shapes::namespace(&format!("m{number:04}"))).collect();
    let mut sections = Sections::of(&shapes::archive(modules, vec![]));
    sections.section(SectionKind::Names).extend([b'a'; 200_000]);
    let mut archive = Edited(sections.archive());
    for number in 0..1000 {
        archive.set(&format!("modules[{number}].name_offset"), number);
        archive.set(&format!("modules[{number}].name_len"), 65_535);
    }
    archive.repair(Repair::Chunks);
    breaks(&all(&archive.0)[0], Rule::N1);
}

#[test]
fn a_false_count_of_modules() {
    let mut archive = Edited(shapes::everything());
    for count in [6, 1000, u64::from(u32::MAX)] {
        archive.set("targets[0].module_count", count);
        archive.repair(Repair::Chunks);
        all(&archive.0);
        let opened = Archive::open(&archive.0).unwrap();
        let target = opened.targets().next().unwrap();
        for package in ["", "pkg", "zz"] {
            assert!(target.children(package).count() <= 7, "{package:?}, {count}");
        }
    }
}

#[test]
fn a_source_shared_by_all_modules_and_overlapping_sources() {
    let text = vec![b'#'; 3_000_000];
    let sourced = |name: String| {
        let path = Path { root: None, path: Str::plain("s.py") };
        let (size, digest) = (text.len() as u64, digest(&text));
        Module {
            source: Some(Source {
                path,
                size,
                digest,
                mtime: None,
                executable: false,
                text: Some(text.clone().into()),
            }),
            ..shapes::namespace(&name)
        }
    };
    let modules = (0..3000)
        .map(|number| if number == 0 { sourced("m".into()) } else { shapes::namespace(&format!("m{number}")) });
    let bytes = shapes::archive(modules.collect(), vec![]);
    let mut archive = Edited(bytes);
    for number in 1..3000 {
        for field in ["flags", "source_path", "source_size", "source_digest"] {
            archive.copy(&format!("modules[0].{field}"), &format!("modules[{number}].{field}"));
        }
    }
    archive.repair(Repair::Chunks);
    assert!(all(&archive.0)[0].is_none());
    for number in 1..3000 {
        archive.set(&format!("modules[{number}].source_offset"), number);
        archive.set(&format!("modules[{number}].source_size"), 2_900_000);
    }
    archive.repair(Repair::Chunks);
    breaks(&all(&archive.0)[0], Rule::M6);
}

#[test]
fn a_signature_shared_by_all_code_objects_and_overlapping_signatures() {
    let mut module = many_codes(5000);
    let text = vec![b' '; 2_000_000];
    module.codes.iter_mut().for_each(|code| code.signature = Some(b"{}".as_slice().into()));
    module.codes[0].signature = Some(text.into());
    let mut archive = Edited(program(module).archive());
    let [offset, len] = ["offset", "len"].map(|field| archive.get(&format!("signatures[0].{field}")));
    for number in 0..=5000 {
        archive.set(&format!("signatures[{number}].offset"), offset);
        archive.set(&format!("signatures[{number}].len"), len);
    }
    archive.repair(Repair::Chunks);
    assert!(all(&archive.0)[..2].iter().all(Option::is_none));
    for number in 0..=5000 {
        archive.set(&format!("signatures[{number}].offset"), offset + number);
        archive.set(&format!("signatures[{number}].len"), len - 5000);
    }
    archive.repair(Repair::Chunks);
    breaks(&all(&archive.0)[0], Rule::G2);
}

#[test]
fn overlapping_objects() {
    // Each entry leads to the same large tuple, and all of them are constants.
    let count = 20_000;
    let mut module = shapes::plain("m");
    module.objects.push(Object::Container(Container::Tuple, vec![Ref::Object(1); 500_000]));
    module
        .objects
        .extend((0..count).map(|number: u32| Object::Leaf(Leaf::Bytes(number.to_le_bytes().to_vec().into()))));
    module.codes[0].constants = (2..count + 3).map(Ref::Object).collect();
    let mut archive = Edited(program(module).archive());
    let entries = archive.section(SectionKind::Objects).len() / SectionKind::Objects.record_len() as usize;
    let starts = |archive: &Edited, id: usize, bytes: &[u8]| {
        let start = archive.place(&archive.object(id as u32)).start;
        archive.0[start..].starts_with(bytes)
    };
    let large = (0..entries).find(|id| starts(&archive, *id, &[ObjectKind::Tuple as u8])).unwrap();
    for id in 0..entries {
        if starts(&archive, id, &[ObjectKind::Bytes as u8, 4]) {
            archive.copy(&format!("objects[{large}]"), &format!("objects[{id}]"));
        }
    }
    archive.repair(Repair::Chunks);
    for error in all(&archive.0) {
        breaks(&error, Rule::O1);
    }
}

#[test]
fn a_large_list_shared_by_all_code_objects() {
    let mut module = many_codes(3000);
    // After its code objects, the list of the body has items that fit any code object: local kinds, name, constants.
    module.objects.push(Object::Leaf(Leaf::Bytes(b"".as_slice().into())));
    module.codes[3000].constants.extend([Ref::Object(2), Ref::Object(0)]);
    module.codes[3000].constants.extend([Ref::Object(1); 10_000]);
    let mut archive = Edited(program(module).archive());
    let offset = archive.get("code[3000].list_offset") + 2 + 3000;
    for number in 0..3000 {
        archive.set(&format!("code[{number}].list_offset"), offset);
        archive.set(&format!("code[{number}].constant_count"), 10_000);
    }
    archive.repair(Repair::Chunks);
    for error in all(&archive.0) {
        breaks(&error, Rule::C9);
    }
}

#[test]
fn bytecode_shared_by_all_code_objects() {
    let mut module = many_codes(20_000);
    module.codes[0].bytecode = vec![7; 60 << 16].into();
    let mut archive = Edited(program(module).archive());
    assert_eq!(archive.get("code[0].form") & 2, 2, "its length is in a wide record");
    let wide = ["bytecode_len", "constant_count"].map(|field| archive.get(&format!("code[0].{field}")));
    let list = archive.get("code[0].list_offset");
    for number in 1..20_000 {
        for (field, value) in [
            ("form", 2),
            ("bytecode_offset", 0),
            ("bytecode_len", wide[0]),
            ("constant_count", wide[1]),
            ("list_offset", list),
        ] {
            archive.set(&format!("code[{number}].{field}"), value);
        }
        for field in ["name_count", "local_count", "stack_size", "docstring", "exception_len"] {
            archive.set(&format!("code[{number}].{field}"), 0);
        }
        for field in ["line_len", "first_line", "parent_delta"] {
            archive.set(&format!("details[{number}].{field}"), 0);
        }
    }
    archive.set("wide[0].parent_delta", 0);
    archive.repair(Repair::Chunks);
    assert!(all(&archive.0).iter().all(Option::is_none));
}

#[test]
fn a_container_that_reaches_the_code_of_another_module() {
    // The code objects of the second module follow those of the first, so a lower id leads into the first module.
    let parts = vec![shapes::classes("a"), shapes::classes("b")];
    let bytes = shapes::archive(parts, vec![]);
    let archive = Archive::open(&bytes[..]).unwrap();
    let second = archive.targets().next().unwrap().module(1).unwrap();
    let is_tuple = |id: &u32| {
        let object = archive.object(*id).unwrap();
        object.kind().unwrap() == ObjectKind::Tuple && *id >= second.object_base()
    };
    let id = (0..archive.object_count()).find(is_tuple).unwrap();
    let mut broken = Edited(bytes.clone());
    // First byte, count, depth, bound; then the wide item of the code object.
    let tuple = broken.object(id);
    let item = behind(&tuple, 4);
    let bound = behind(&tuple, 3);
    let code = broken.get(&item);
    broken.set(&item, code - u64::from(second.first_code()));
    let was = broken.get(&bound);
    broken.set(&bound, was - u64::from(second.first_code()));
    // The container of the tuple states a bound, too.
    let holder = (0..archive.object_count())
        .filter(|holder| *holder > id)
        .find(|holder| archive.object(*holder).unwrap().kind().unwrap() == ObjectKind::List);
    let bound = behind(&broken.object(holder.unwrap()), 3);
    let was = broken.get(&bound);
    broken.set(&bound, was - u64::from(second.first_code()));
    broken.repair(Repair::Chunks);
    breaks(&Archive::open(&broken.0).unwrap().verify().err(), Rule::C11);
    let opened = Archive::open(&broken.0).unwrap();
    let second = opened.targets().next().unwrap().module(1).unwrap();
    breaks(&opened.verify_module(&second).err(), Rule::C11);
    breaks(&error_of_conversion(&second), Rule::C11);
    assert!(walk::walk(&opened).errors > 0);
}

#[test]
fn more_parents_than_the_limit() {
    let local = |constants| Code { qualname: Qualname::Local { interned: false }, ..shapes::code(0, constants) };
    let mut module = shapes::plain("m");
    // One code object directly in the body, then 2,000 nested ones.
    module.codes = vec![local(vec![]), local(vec![])];
    module.codes.extend((1..2000).map(|level| local(vec![Ref::Code(level)])));
    module.codes.push(shapes::code(0, vec![Ref::Code(0), Ref::Code(2000)]));
    module.body = Some(2001);
    let mut archive = Edited(program(module).archive());
    assert_eq!((archive.get("details[0].parent_delta"), archive.get("details[1].parent_delta")), (2001, 1));
    assert!(all(&archive.0).iter().all(Option::is_none));
    // A parent need not hold its child, but a code object may have at most 2,000 parents.
    archive.set("details[0].parent_delta", 2);
    archive.repair(Repair::Chunks);
    assert!(all(&archive.0).iter().all(Option::is_none));
    archive.set("details[0].parent_delta", 1);
    archive.repair(Repair::Chunks);
    let [everything, one, _] = all(&archive.0);
    breaks(&everything, Rule::C6);
    breaks(&one, Rule::C6);
    let opened = Archive::open(&archive.0).unwrap();
    let module = opened.targets().next().unwrap().module(0).unwrap();
    let code = module.code(0).unwrap();
    breaks(&code.qualname().parts().err(), Rule::C6);
    let long = ["<module>"; 3000].join(".<locals>.");
    breaks(&code.has_qualname(long.as_bytes()).err(), Rule::C6);
    assert_eq!(code.qualname().to_string(), "<broken>");
    assert_eq!(module.code(1).unwrap().qualname().parts().unwrap().len(), 2001);
}

#[test]
fn a_long_name_shared_by_a_chain_of_parents() {
    let local = |constants| Code { qualname: Qualname::Local { interned: false }, ..shapes::code(0, constants) };
    let nested = |len: usize| {
        let mut module = shapes::plain("m");
        module.objects[0] = Object::Leaf(Leaf::Str(Str::plain("n".repeat(len))));
        // The qualified name of the innermost one is its name.
        let innermost = shapes::code(0, vec![]);
        module.codes = vec![innermost, local(vec![Ref::Code(0)]), local(vec![Ref::Code(1)])];
        module.codes.push(shapes::code(0, vec![Ref::Code(2)]));
        module.body = Some(3);
        module
    };
    let write = |module| {
        let mut writer = permacode_writer::Writer::new(permacode_writer::Options::default());
        let target = writer.add_target(&shapes::target(0)).unwrap();
        writer.add_module(target, &module)
    };
    // Three names and two separators of ten bytes.
    let error = write(nested(21_840)).unwrap_err().to_string();
    assert_eq!(error, r#""m": bytes in a derived qualified name: found 65540; at most 65536 are allowed"#);
    let mut archive = Edited(program(nested(21_838)).archive());
    assert!(all(&archive.0).iter().all(Option::is_none));
    // Now four names.
    let form = archive.get("code[1].form");
    archive.set("code[0].form", form);
    archive.repair(Repair::Chunks);
    let [everything, one, _] = all(&archive.0);
    for error in [everything, one] {
        let shown = error.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(shown.starts_with("the length of a derived qualified name is 87382"), "{shown}");
        breaks(&error, Rule::C6);
    }
    let opened = Archive::open(&archive.0).unwrap();
    let module = opened.targets().next().unwrap().module(0).unwrap();
    breaks(&module.code(0).unwrap().qualname().parts().err(), Rule::C6);
}
