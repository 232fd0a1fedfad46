//! What is a module, what is a resource, what is passed over.

mod common;

use common::{archive_of, folder, module_names, newest, resource_names, tree};
use permacode_bundle::{BundleOptions, BundleReport, ErrorKind, Rule, Why, bundle};

fn why(report: &BundleReport, path: &str) -> Why {
    let found = report.not_modules.iter().find(|found| found.path == path);
    found.unwrap_or_else(|| panic!("{path}: {:?}", report.not_modules)).why.clone()
}

fn count(report: &BundleReport, rule: Rule) -> u64 {
    report.skipped.iter().find(|skipped| skipped.rule == rule).map_or(0, |skipped| skipped.count)
}

#[test]
fn names_decide() {
    let tree = tree(&[
        ("plain.py", ""),
        ("audit-tests.py", ""),
        ("pack/__init__.py", ""),
        ("pack/__main__.py", ""),
        ("pack/data.txt", "text"),
        ("pack/__pycache__/inner.cpython-313.pyc", "x"),
        ("pack/fast.cpython-313-x86_64-linux-gnu.so", "x"),
        ("space/inner/deep.py", ""),
        ("space/readme", ""),
        ("only-data/inner/deep.py", ""),
        ("texts/a.txt", ""),
        ("broken/a.py", "def f(:"),
        ("ill/__init__.py", "def f(:"),
        ("ill/well.py", ""),
        ("double.py", ""),
        ("double/__init__.py", ""),
        ("shadow.py", ""),
        ("shadow/inner.py", ""),
        ("old.pyc", ""),
        ("naïve.py", ""),
    ]);
    std::fs::create_dir(tree.path().join("empty")).unwrap();
    let (archive, bundle) = archive_of(&folder(tree.path()));
    let expected = [
        "double/",
        "ill.well",
        "naïve",
        "pack/",
        "pack.__main__",
        "plain",
        "shadow",
        "space//",
        "space.inner//",
        "space.inner.deep",
    ];
    assert_eq!(module_names(&archive), expected);
    let resources = [
        "audit-tests.py",
        "broken/a.py",
        "double.py",
        "ill/__init__.py",
        "old.pyc",
        "only-data/inner/deep.py",
        "pack/data.txt",
        "shadow/inner.py",
        "space/readme",
        "texts/a.txt",
    ];
    assert_eq!(resource_names(&archive), resources);
    let report = bundle.report();
    assert_eq!((report.modules, report.packages, report.namespaces, report.resources), (6, 2, 2, 10));
    assert_eq!(why(report, "audit-tests.py"), Why::OddName);
    assert_eq!(why(report, "only-data/inner/deep.py"), Why::OddName);
    assert_eq!(why(report, "double.py"), Why::HiddenByPackage);
    assert_eq!(why(report, "shadow/inner.py"), Why::HiddenByModule);
    assert_eq!(why(report, "old.pyc"), Why::OnlyBytecode);
    assert!(matches!(why(report, "broken/a.py"), Why::NotCompiled { message } if message.starts_with("SyntaxError: ")));
    assert!(matches!(why(report, "ill/__init__.py"), Why::NotCompiled { .. }));
    assert_eq!(report.not_modules.len(), 7);
    assert_eq!(count(report, Rule::Cache), 1);
    assert_eq!(count(report, Rule::SharedObject), 1);
    assert_eq!(count(report, Rule::EmptyFolder), 1);
    assert!(report.verbatim_filenames.is_empty(), "{:?}", report.verbatim_filenames);
    let json = serde_json::to_value(report).unwrap();
    assert_eq!(json["not_modules"][0]["why"], "odd-name");
    assert_eq!(json["skipped"][0]["rule"], "cache");
}

#[cfg(unix)]
#[test]
fn links_and_odd_bytes() {
    use std::os::unix::{ffi::OsStrExt, fs::symlink};
    let tree = tree(&[("real/a.py", ""), ("real/tool", "#!/bin/sh\n")]);
    let path = |name: &str| tree.path().join(name);
    symlink("real", path("linked")).unwrap();
    symlink("..", path("real/up")).unwrap();
    symlink("nowhere", path("lost")).unwrap();
    symlink("real/a.py", path("other.py")).unwrap();
    std::fs::write(tree.path().join(std::ffi::OsStr::from_bytes(b"b\xFF.py")), "").unwrap();
    std::fs::set_permissions(path("real/tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (archive, bundle) = archive_of(&folder(tree.path()));
    assert_eq!(module_names(&archive), ["linked//", "linked.a", "other", "real//", "real.a"]);
    assert_eq!(resource_names(&archive), ["b\\xff.py", "linked/tool", "real/tool"]);
    let tool = archive.targets().next().unwrap().find_resource(b"root/real/tool").unwrap().unwrap();
    assert!(tool.is_executable());
    let report = bundle.report();
    assert_eq!((count(report, Rule::BrokenLink), count(report, Rule::Cycle)), (1, 2));
    let lost = report.skipped.iter().find(|skipped| skipped.rule == Rule::BrokenLink).unwrap();
    assert_eq!(lost.paths, ["root/lost"]);
    let (out, _) = common::extracted(&archive, &permacode_bundle::ExtractOptions::default());
    assert!(out.path().join(std::ffi::OsStr::from_bytes(b"b\xFF.py")).is_file());
    let mode = std::fs::metadata(out.path().join("real/tool")).unwrap().permissions();
    assert_ne!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o100, 0);
}

#[test]
fn patterns() {
    let tree = tree(&[
        ("a/__init__.py", ""),
        ("a/b/__init__.py", ""),
        ("a/b/c.py", ""),
        ("a/b/data.txt", ""),
        ("a/d.py", ""),
        ("e.py", ""),
    ]);
    let options = folder(tree.path());
    let (archive, bundle) = archive_of(&options.clone().include("a.b"));
    assert_eq!(module_names(&archive), ["a/", "a.b/", "a.b.c"]);
    assert_eq!(resource_names(&archive), ["a/b/data.txt"]);
    assert_eq!(count(bundle.report(), Rule::NotIncluded), 2);
    let (archive, bundle) = archive_of(&options.clone().exclude("a/b").exclude("e.py"));
    assert_eq!(module_names(&archive), ["a/", "a.d"]);
    assert_eq!(count(bundle.report(), Rule::Excluded), 2);
    let (archive, _) = archive_of(&options.clone().exclude("**/*.txt").resources(true));
    assert!(resource_names(&archive).is_empty());
    let (archive, bundle) = archive_of(&options.resources(false));
    assert!(resource_names(&archive).is_empty());
    assert_eq!(count(bundle.report(), Rule::Resource), 1);
}

#[test]
fn several_folders() {
    let one = tree(&[("space/a.py", ""), ("same.py", "")]);
    let two = tree(&[("space/b.py", ""), ("same.py", "")]);
    let both = BundleOptions::new(newest()).library(false).path(one.path()).root("two", two.path());
    match bundle(&both, &()).unwrap_err().kind() {
        ErrorKind::Conflict { name, first, second } => {
            assert_eq!(name, "same");
            assert_eq!((first, second), (&one.path().join("same.py"), &two.path().join("same.py")));
        }
        other => panic!("{other:?}"),
    }
    std::fs::remove_file(two.path().join("same.py")).unwrap();
    let (archive, bundle) = archive_of(&both);
    assert_eq!(module_names(&archive), ["same", "space//", "space.a", "space.b"]);
    assert_eq!(bundle.report().roots.len(), 2);
    let nothing = BundleOptions::new(newest()).library(false);
    assert!(matches!(permacode_bundle::bundle(&nothing, &()).unwrap_err().kind(), ErrorKind::Nothing));
}

#[test]
fn site_packages_are_hidden_by_the_library() {
    // A made library and made packages: the interpreter only compiles.
    let library =
        tree(&[("json/__init__.py", ""), ("sys_like.py", ""), ("_sysconfigdata__x-y.py", ""), ("LICENSE", "1")]);
    let packages = tree(&[
        ("json/__init__.py", ""),
        ("json/extra.py", ""),
        ("sys_like.py", ""),
        ("mine.py", ""),
        ("LICENSE", "2"),
        ("mine-1.0.dist-info/METADATA", ""),
        ("fast.so", ""),
    ]);
    let mut interpreter = newest();
    interpreter.stdlib = library.path().to_owned();
    interpreter.platstdlib = library.path().to_owned();
    interpreter.site_packages = vec![packages.path().to_owned()];
    let (archive, bundle) = archive_of(&BundleOptions::new(interpreter).site_packages(true));
    assert_eq!(module_names(&archive), ["_sysconfigdata__x-y", "json/", "mine", "sys_like"]);
    let names =
        ["LICENSE", "LICENSE", "json/__init__.py", "json/extra.py", "mine-1.0.dist-info/METADATA", "sys_like.py"];
    assert_eq!(resource_names(&archive), names);
    let report = bundle.report();
    assert_eq!(why(report, "json/extra.py"), Why::HiddenByRoot { root: "stdlib".into() });
    assert_eq!(count(report, Rule::SharedObject), 1);
    // Two roots: a folder each.
    let (out, _) = common::extracted(&archive, &permacode_bundle::ExtractOptions::default());
    assert!(out.path().join("stdlib/json/__init__.py").is_file());
    assert!(out.path().join("site-packages/json/__init__.py").is_file());
    assert_eq!(std::fs::read(out.path().join("stdlib/LICENSE")).unwrap(), b"1");
    assert_eq!(std::fs::read(out.path().join("site-packages/LICENSE")).unwrap(), b"2");
}
