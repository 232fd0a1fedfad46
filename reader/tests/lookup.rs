//! Lookups of names, compared with a map.

use permacode_model::Module;
use permacode_reader::Archive;
use permacode_testkit::{Program, shapes};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn names() -> impl Strategy<Value = BTreeSet<String>> {
    // Bytes below and above the dot, so that `a-b` and `a0` are neighbours of `a.b`.
    proptest::collection::btree_set("[ab0\\-\u{e9}]{1,2}(\\.[ab0\\-]{1,2}){0,3}", 0..40)
}

/// A path of one component that does not consist of dots only.
fn path() -> impl Strategy<Value = Vec<u8>> {
    let is_valid = |path: &Vec<u8>| !path.iter().all(|byte| *byte == b'.') && !path.contains(&b'/');
    proptest::collection::vec(1u8..=255, 1..4).prop_filter("a path", is_valid)
}

fn children<'n>(names: &'n BTreeSet<String>, package: &str) -> Vec<&'n str> {
    let below = |name: &'n str| match package {
        "" => Some(name),
        _ => name.strip_prefix(package)?.strip_prefix('.'),
    };
    let mut found: Vec<&str> = names.iter().map(String::as_str).collect();
    found.retain(|name| below(name).is_some_and(|rest| !rest.contains('.')));
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn modules_are_found_as_in_a_map(names in names(), others in names(), files in proptest::collection::btree_map(
        path(), proptest::collection::vec(any::<u8>(), 0..4), 0..30))
    {
        let modules: Vec<Module<'_>> = names.iter().map(|name| shapes::namespace(name)).collect();
        let resources = files.iter().map(|(path, data)| shapes::resource(path, data)).collect();
        let second = others.iter().map(|name| shapes::namespace(name)).collect();
        let targets = vec![shapes::part(0, modules, resources), shapes::part(1, second, vec![])];
        let bytes = Program { targets }.write();
        let archive = Archive::open(&bytes[..]).unwrap();
        archive.verify().unwrap();
        for (target, (names, strangers)) in archive.targets().zip([(&names, &others), (&others, &names)]) {
            let listed: Vec<&str> = target.modules().map(|module| module.unwrap().name().unwrap()).collect();
            prop_assert_eq!(&listed, &names.iter().map(String::as_str).collect::<Vec<_>>());
            for name in names.union(strangers) {
                let found = target.find(name).unwrap().map(|module| module.name().unwrap());
                prop_assert_eq!(found, names.get(name).map(String::as_str));
                // Parts of names, and longer names.
                let longer = format!("{name}.");
                for other in [&name[..name.len() - name.chars().next_back().unwrap().len_utf8()], &longer, ""] {
                    prop_assert_eq!(target.find(other).unwrap().is_some(), names.contains(other));
                }
            }
            for package in names.iter().map(String::as_str).chain(["", "zz", "a", "a."]) {
                let found: Vec<&str> = target.children(package).map(|module| module.unwrap().name().unwrap()).collect();
                prop_assert_eq!(found, children(names, package), "{:?}", package);
            }
        }
        let (target, other) = (archive.targets().next().unwrap(), archive.targets().nth(1).unwrap());
        let listed: BTreeMap<Vec<u8>, Vec<u8>> = target.resources().map(|file| {
            let file = file.unwrap();
            (file.path().unwrap().to_vec(), file.data().unwrap().to_vec())
        }).collect();
        prop_assert_eq!(&listed, &files);
        for (path, data) in &files {
            let name = [b"stdlib/", path.as_slice()].concat();
            let found = target.find_resource(&name).unwrap().unwrap();
            prop_assert!(found.data().unwrap() == *data && found.root().unwrap() == "stdlib");
            prop_assert!(found.name().unwrap() == name);
            let [longer_name, longer_path] = [&name, path].map(|name| [name.as_slice(), b"\xFF"].concat());
            prop_assert_eq!(target.find_resource(&longer_name).unwrap().is_some(), files.contains_key(&longer_path));
            prop_assert!(other.find_resource(&name).unwrap().is_none());
            prop_assert!(target.find_resource(path).unwrap().is_none());
        }
    }
}

#[test]
fn code_is_found_by_its_qualified_name() {
    let bytes = shapes::everything();
    let archive = Archive::open(&bytes[..]).unwrap();
    let module = archive.targets().next().unwrap().find("pkg.mod").unwrap().unwrap();
    let mut by_name: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for code in module.codes() {
        let code = code.unwrap();
        by_name.entry(code.qualname().to_string()).or_default().push(code.id());
    }
    let expected = ["<module>", "<module>.<locals>.<lambda>", "C", "C.f", "odd.name"];
    assert_eq!(by_name.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    for (name, ids) in &by_name {
        assert_eq!(module.find_code(name).unwrap().unwrap().id(), ids[0]);
        assert_eq!(module.find_codes(name).map(|code| code.unwrap().id()).collect::<Vec<_>>(), *ids);
    }
    for absent in ["", "f", "C.", ".f", "C.<locals>.f", "C.f.", "x", "<module>.C", "D.f"] {
        assert!(module.find_code(absent).unwrap().is_none(), "{absent:?}");
    }
}
