//! Which files are modules, which are resources, and which are left out.

mod common;

use common::{archive_of, folder, module_names, resource_names, tree};
use permacode_bundle::{BundleOptions, BundleReport, ErrorKind, Skip, Why, bundle};
use permacode_testkit::interpreters::newest;

fn why(report: &BundleReport, path: &str) -> Why {
    let found = report.not_modules.iter().find(|found| found.path == path);
    found.unwrap_or_else(|| panic!("{path}: {:?}", report.not_modules)).why.clone()
}

fn count(report: &BundleReport, why: Skip) -> u64 {
    report.skipped.iter().find(|skipped| skipped.why == why).map_or(0, |skipped| skipped.count)
}

/// What the report says was left out for a reason.
fn left_out(report: &BundleReport, why: Skip) -> Vec<&str> {
    let found = report.skipped.iter().filter(|skipped| skipped.why == why);
    found.flat_map(|skipped| &skipped.paths).map(String::as_str).collect()
}

fn shadowed(by: &str) -> Why {
    Why::Shadowed { by: by.to_owned() }
}

#[test]
fn names_decide() {
    let tree = tree(&[
        ("plain.py", ""),
        ("audit-tests.py", ""),
        ("pack/__init__.py", ""),
        ("pack/__main__.py", ""),
        ("pack/0001_initial.py", ""),
        ("pack/unicode13-0-0/b.py", ""),
        ("pack/data.txt", "text"),
        ("pack/__pycache__/inner.cpython-313.pyc", "x"),
        ("pack/other.cpython-27.so", "x"),
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
        ("dotted.name.py", ""),
        ("dotted-1.0/a.py", ""),
        ("old.pyc", ""),
        ("plain.pyc", ""),
        ("naïve.py", ""),
    ]);
    std::fs::create_dir(tree.path().join("empty")).unwrap();
    let (archive, bundle) = archive_of(&folder(tree.path()));
    let expected = [
        "audit-tests",
        "double/",
        "ill.well",
        "naïve",
        "only-data//",
        "only-data.inner//",
        "only-data.inner.deep",
        "pack/",
        "pack.0001_initial",
        "pack.__main__",
        "pack.unicode13-0-0//",
        "pack.unicode13-0-0.b",
        "plain",
        "shadow",
        "space//",
        "space.inner//",
        "space.inner.deep",
    ];
    assert_eq!(module_names(&archive), expected);
    let resources = [
        "broken/a.py",
        "dotted-1.0/a.py",
        "dotted.name.py",
        "double.py",
        "ill/__init__.py",
        "old.pyc",
        "pack/data.txt",
        "plain.pyc",
        "shadow/inner.py",
        "space/readme",
        "texts/a.txt",
    ];
    assert_eq!(resource_names(&archive), resources);
    let report = bundle.report();
    assert_eq!((report.modules, report.packages, report.namespaces, report.resources), (17, 2, 5, 11));
    assert_eq!(why(report, "dotted.name.py"), Why::NoName { message: "\"dotted.name\" has a dot".into() });
    assert_eq!(why(report, "dotted-1.0/a.py"), Why::NoName { message: "\"dotted-1.0\" has a dot".into() });
    assert_eq!(why(report, "double.py"), shadowed("root/double/__init__.py"));
    assert_eq!(why(report, "shadow/inner.py"), shadowed("root/shadow.py"));
    assert_eq!(why(report, "old.pyc"), Why::OnlyBytecode);
    assert!(matches!(why(report, "broken/a.py"), Why::NotCompiled { message } if message.starts_with("SyntaxError: ")));
    assert!(matches!(why(report, "ill/__init__.py"), Why::NotCompiled { .. }));
    assert_eq!(report.not_modules.len(), 7);
    assert_eq!(count(report, Skip::Cache), 1);
    assert_eq!(count(report, Skip::SharedObject), 1);
    assert_eq!(count(report, Skip::EmptyFolder), 1);
    assert!(report.verbatim_filenames.is_empty(), "{:?}", report.verbatim_filenames);
    let json = serde_json::to_value(report).unwrap();
    let dotted = json["not_modules"].as_array().unwrap().iter().find(|file| file["path"] == "dotted.name.py").unwrap();
    assert_eq!((&dotted["why"], &dotted["message"]), (&"no-name".into(), &"\"dotted.name\" has a dot".into()));
    assert_eq!(json["skipped"][0]["why"], "cache");
}

#[test]
fn a_file_that_is_not_bundled_is_imported_all_the_same() {
    let mut interpreter = newest();
    let extension = interpreter.extension_suffixes[0].clone();
    let fast = format!("pack/_fast{extension}");
    let init = format!("wheel/__init__{extension}");
    let tree = tree(&[
        ("pack/__init__.py", ""),
        ("pack/_fast.py", ""),
        (&fast, ""),
        // Of another interpreter.
        ("pack/slow.cpython-27.so", ""),
        ("pack/slow.py", ""),
        ("package.py", ""),
        ("package/__init__.pyc", ""),
        ("wheel.py", ""),
        (&init, ""),
        ("wheel/part.py", ""),
        ("bare.pyc", ""),
        ("bare/part.py", ""),
        ("left.py", ""),
        ("left/__init__.py", ""),
        ("left/part.py", ""),
    ]);
    let names = ["pack/", "pack.slow", "wheel.part"];
    let (archive, bundle) = archive_of(&folder(tree.path()).exclude("left/*"));
    assert_eq!(module_names(&archive), names);
    let report = bundle.report();
    assert_eq!(why(report, "pack/_fast.py"), shadowed(&format!("root/{fast}")));
    assert_eq!(why(report, "package.py"), shadowed("root/package/__init__.pyc"));
    assert_eq!(why(report, "package/__init__.pyc"), Why::OnlyBytecode);
    assert_eq!(why(report, "wheel.py"), shadowed(&format!("root/{init}")));
    assert_eq!(why(report, "bare/part.py"), shadowed("root/bare.pyc"));
    assert_eq!(why(report, "left.py"), shadowed("root/left/__init__.py"));
    assert!(resource_names(&archive).contains(&"pack/_fast.py".to_owned()), "so that extraction is complete");

    // Of several folders that are searched, each of these files hides what comes later.
    let packages = common::tree(&[("package.py", ""), ("pack/_fast.py", ""), ("bare.py", ""), ("own.py", "")]);
    (interpreter.stdlib, interpreter.platstdlib) = (tree.path().to_owned(), tree.path().to_owned());
    interpreter.site_packages = common::packages([packages.path()]);
    let (archive, bundle) = archive_of(&BundleOptions::new(interpreter).site_packages(true).exclude("left/*"));
    assert_eq!(module_names(&archive), ["own", "pack/", "pack.slow", "wheel.part"]);
    assert_eq!(why(bundle.report(), "bare.py"), shadowed("stdlib/bare.pyc"));
}

/// CPython does not load a hidden source either, so the archive lacks nothing. Packages of mypyc have such sources.
#[test]
fn a_hidden_source_is_not_an_omission() {
    let extension = newest().extension_suffixes[0].clone();
    let fast = format!("pack/_fast{extension}");
    let hidden = tree(&[
        ("pack/__init__.py", ""),
        ("pack/_fast.py", ""),
        (&fast, ""),
        ("double.py", ""),
        ("double/__init__.py", ""),
        ("shadow.py", ""),
        ("shadow/inner.py", ""),
    ]);
    let options = folder(hidden.path()).strict(true);
    let (archive, bundle) = archive_of(&options);
    assert_eq!(module_names(&archive), ["double/", "pack/", "shadow"]);
    assert_eq!(why(bundle.report(), "pack/_fast.py"), shadowed(&format!("root/{fast}")));
    assert_eq!(bundle.report().not_modules.len(), 3);
    // What CPython would load from the folder and not from the archive is an omission.
    std::fs::write(hidden.path().join("old.pyc"), "").unwrap();
    let error = permacode_bundle::bundle(&options, &()).unwrap_err();
    let ErrorKind::NotModules(files) = error.kind() else { panic!("{error}") };
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["old.pyc"]);
}

#[test]
fn the_folder_of_extension_modules_is_searched_before_installed_packages() {
    let mut interpreter = newest();
    let heap = format!("_heap{}", interpreter.extension_suffixes[0]);
    let (library, extensions, packages) = (
        tree(&[("os.py", ""), ("_heap.py", "")]),
        tree(&[(&heap, ""), ("other.cpython-27.so", "")]),
        tree(&[("_heap.py", ""), ("other.py", ""), ("own.py", "")]),
    );
    (interpreter.stdlib, interpreter.platstdlib) = (library.path().to_owned(), library.path().to_owned());
    interpreter.extensions = Some(extensions.path().to_owned());
    interpreter.site_packages = common::packages([packages.path()]);
    let (archive, bundle) = archive_of(&BundleOptions::new(interpreter.clone()).site_packages(true));
    assert_eq!(module_names(&archive), ["_heap", "os", "other", "own"]);
    assert_eq!(why(bundle.report(), "_heap.py"), shadowed("stdlib/_heap.py"));
    std::fs::remove_file(library.path().join("_heap.py")).unwrap();
    let (archive, bundle) = archive_of(&BundleOptions::new(interpreter).site_packages(true));
    assert_eq!(module_names(&archive), ["os", "other", "own"]);
    assert_eq!(why(bundle.report(), "_heap.py"), shadowed(&format!("lib-dynload/{heap}")));
    let roots: Vec<&str> = bundle.report().roots.iter().map(|root| root.name.as_str()).collect();
    assert_eq!(roots, ["stdlib", "site-packages"]);
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
    symlink("lost/in/it", path("lost.py")).unwrap();
    symlink("real/a.py", path("other.py")).unwrap();
    std::fs::write(tree.path().join(std::ffi::OsStr::from_bytes(b"b\xFF.py")), "").unwrap();
    std::fs::set_permissions(path("real/tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (archive, bundle) = archive_of(&folder(tree.path()));
    assert_eq!(module_names(&archive), ["other", "real//", "real.a"]);
    assert_eq!(resource_names(&archive), ["b\\xff.py", "real/tool"]);
    let tool = archive.targets().next().unwrap().find_resource(b"root/real/tool").unwrap().unwrap();
    assert!(tool.is_executable());
    let report = bundle.report();
    assert_eq!(why(report, "b\\xff.py"), Why::NoName { message: "\"b\\xff\" is not UTF-8".into() });
    assert_eq!(left_out(report, Skip::BrokenLink), ["root/lost", "root/lost.py"]);
    let other_names: Vec<(&str, &str)> =
        report.other_names.iter().map(|other| (other.name.as_str(), other.folder.as_str())).collect();
    assert_eq!(other_names, [("root/linked", "root/real"), ("root/real/up", "root")]);
    let (out, _) = common::extracted(&archive, &permacode_bundle::ExtractOptions::default());
    assert!(out.path().join(std::ffi::OsStr::from_bytes(b"b\xFF.py")).is_file());
    let mode = std::fs::metadata(out.path().join("real/tool")).unwrap().permissions();
    assert_ne!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o100, 0);
}

/// With two links in each folder to the one before, there are 2^26 paths to the innermost.
#[cfg(unix)]
#[test]
fn each_real_folder_is_visited_once() {
    use std::os::unix::fs::symlink;
    let tree = tree(&[("d0/a.py", "")]);
    for number in 1..=26 {
        let folder = tree.path().join(format!("d{number}"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("a.py"), "").unwrap();
        for link in ["one", "two"] {
            symlink(format!("../d{}", number - 1), folder.join(link)).unwrap();
        }
    }
    let (archive, bundle) = archive_of(&folder(tree.path()));
    assert_eq!((bundle.report().modules, bundle.report().other_names.len()), (2 * 27, 52));
    assert!(module_names(&archive).contains(&"d26.a".to_owned()));
}

/// The path without links wins, and of linked paths the first, however deep they lie.
#[cfg(unix)]
#[test]
fn the_name_of_a_linked_folder_is_always_the_same() {
    use std::os::unix::fs::symlink;
    let outside = tree(&[("x.py", ""), ("inner/y.py", "")]);
    let tree = tree(&[("z/real/a.py", ""), ("a/readme", ""), ("c/readme", "")]);
    let path = |name: &str| tree.path().join(name);
    symlink("../z/real", path("a/link")).unwrap();
    symlink(outside.path(), path("c/out")).unwrap();
    symlink(outside.path(), path("b")).unwrap();
    symlink(outside.path().join("inner"), path("c/inner")).unwrap();
    let (archive, bundle) = archive_of(&folder(tree.path()));
    assert_eq!(module_names(&archive), ["b//", "b.inner//", "b.inner.y", "b.x", "z//", "z.real//", "z.real.a"]);
    let names: Vec<&str> = bundle.report().other_names.iter().map(|other| other.name.as_str()).collect();
    assert_eq!(names, ["root/a/link", "root/c/inner", "root/c/out"]);

    // A link to a package still hides a module of its name.
    std::fs::write(path("z/real/__init__.py"), "").unwrap();
    symlink("real", path("z/alias")).unwrap();
    std::fs::write(path("z/alias.py"), "").unwrap();
    let (archive, bundle) = archive_of(&folder(&path("z")));
    assert_eq!(module_names(&archive), ["real/", "real.a"]);
    assert_eq!(why(bundle.report(), "alias.py"), shadowed("root/alias/__init__.py"));
}

#[cfg(unix)]
#[test]
fn a_folder_of_two_roots_is_bundled_once() {
    use std::os::unix::fs::symlink;
    let library = tree(&[("os.py", "")]);
    let packages = tree(&[("one/__init__.py", ""), ("one/a.py", "")]);
    let more = tree(&[("own.py", "")]);
    symlink(packages.path().join("one"), more.path().join("one")).unwrap();
    symlink(packages.path().join("one"), more.path().join("two")).unwrap();
    let mut interpreter = newest();
    (interpreter.stdlib, interpreter.platstdlib) = (library.path().to_owned(), library.path().to_owned());
    interpreter.site_packages = common::packages([more.path(), packages.path()]);
    let (archive, bundle) = archive_of(&BundleOptions::new(interpreter.clone()).site_packages(true));
    // The link `one` of the first folder is what is found.
    assert_eq!(module_names(&archive), ["one/", "one.a", "os", "own"]);
    let names: Vec<(&str, &str)> =
        bundle.report().other_names.iter().map(|other| (other.name.as_str(), other.folder.as_str())).collect();
    let folder = "site-packages/one";
    assert_eq!(names, [("site-packages-2/one", folder), ("site-packages/two", folder)]);
    // Without it, that is the folder itself.
    std::fs::remove_file(more.path().join("one")).unwrap();
    let (archive, bundle) = archive_of(&BundleOptions::new(interpreter).site_packages(true));
    assert_eq!(module_names(&archive), ["one/", "one.a", "os", "own"]);
    assert_eq!(bundle.report().other_names[0].name, "site-packages/two");

    // What the user named is bundled under the name that it has there.
    let tree = tree(&[("app/main.py", ""), ("app/vendor/lib.py", "")]);
    let app = tree.path().join("app");
    let options = BundleOptions::new(newest()).library(false).root("app", &app).root("vendor", app.join("vendor"));
    let (archive, bundle) = archive_of(&options);
    assert_eq!(module_names(&archive), ["lib", "main"]);
    assert_eq!(bundle.report().other_names[0].name, "app/vendor");
    assert_eq!(bundle.report().other_names[0].folder, "vendor");
}

#[test]
fn hidden_entries_are_left_out_unless_they_are_wanted() {
    let tree = tree(&[
        ("app/__init__.py", ""),
        ("app/.env", "SECRET=1"),
        ("app/.secret.py", ""),
        ("app/.cache/a.py", ""),
        (".git/config", ""),
        ("sub/.git", "gitdir: elsewhere"),
        ("CVS/Entries", ""),
        (".venv/pyvenv.cfg", ""),
        (".venv/lib/python3.13/site-packages/x.py", ""),
        ("my env/pyvenv.cfg", ""),
        ("my env/x.py", ""),
        ("conda/conda-meta/history", ""),
        (".tox/x.py", ""),
        ("web/node_modules/gyp/gyp.py", ""),
        ("web/page.html", ""),
        ("app/__pycache__/a.cpython-313.pyc", "x"),
        // Packages of the program, whatever their names.
        ("app/CVS/__init__.py", ""),
        ("app/venv/__init__.py", ""),
        ("app/env/readme", ""),
    ]);
    let (archive, bundle) = archive_of(&folder(tree.path()));
    let report = bundle.report();
    assert_eq!(module_names(&archive), ["app/", "app.CVS/", "app.venv/"]);
    assert_eq!(resource_names(&archive), ["app/env/readme", "web/page.html"]);
    assert_eq!(left_out(report, Skip::VersionControl), ["root/.git", "root/CVS"]);
    assert_eq!(left_out(report, Skip::Environment), ["root/.tox", "root/.venv", "root/conda", "root/my env"]);
    assert_eq!(left_out(report, Skip::NodeModules), ["root/web/node_modules"]);
    let hidden = ["root/app/.cache", "root/app/.env", "root/app/.secret.py", "root/sub/.git"];
    assert_eq!(left_out(report, Skip::Hidden), hidden);
    assert_eq!(count(report, Skip::Cache), 1);

    let (archive, bundle) = archive_of(&folder(tree.path()).hidden(true));
    let resources = resource_names(&archive);
    for path in [".git/config", "app/.env", "app/.secret.py", ".tox/x.py", "sub/.git", "my env/pyvenv.cfg"] {
        assert!(resources.iter().any(|resource| resource == path), "{path}: {resources:?}");
    }
    assert!(module_names(&archive).contains(&"web.node_modules.gyp.gyp".to_owned()));
    let rules: Vec<Skip> = bundle.report().skipped.iter().map(|skipped| skipped.why).collect();
    assert_eq!(rules, [Skip::Cache], "all sources are compiled again");

    // What the user names is wanted.
    let options = BundleOptions::new(newest()).library(false);
    let named = options.clone().root("env", tree.path().join("my env")).path(tree.path().join("app/.env"));
    let (archive, _) = archive_of(&named);
    assert_eq!(resource_names(&archive), [".env", "pyvenv.cfg"]);
    assert_eq!(module_names(&archive), ["x"]);
    // What the user excludes is not news.
    let (_, bundle) = archive_of(&folder(tree.path()).exclude(".git").exclude("**/.env"));
    assert_eq!(left_out(bundle.report(), Skip::VersionControl), ["root/CVS"]);
    assert_eq!(count(bundle.report(), Skip::Excluded), 2);
}

/// Folders whose path is longer than a system call takes. The innermost cannot be listed, even by root.
#[cfg(unix)]
fn make_unreadable_folder(below: &std::path::Path) {
    let name = "n".repeat(200);
    let mut folder = cap_std::fs::Dir::open_ambient_dir(below, cap_std::ambient_authority()).unwrap();
    for _ in 0..25 {
        folder.create_dir(&name).unwrap();
        folder = folder.open_dir(&name).unwrap();
    }
}

/// Files vanish at the beginning of a phase.
struct Vanish(permacode_bundle::Phase, Vec<std::path::PathBuf>);

impl permacode_bundle::Progress for Vanish {
    fn begin(&self, phase: permacode_bundle::Phase, _: u64) {
        if phase == self.0 {
            self.1.iter().for_each(|file| std::fs::remove_file(file).unwrap());
        }
    }

    fn step(&self) {}
}

#[cfg(target_os = "linux")]
#[test]
fn all_that_cannot_be_read_is_named_at_once() {
    use permacode_bundle::Phase;
    let tree = tree(&[("a.py", ""), ("b.py", ""), ("c.txt", ""), ("d.txt", ""), ("deep/x.py", "")]);
    let path = |name: &str| tree.path().join(name);
    let options = folder(tree.path());
    make_unreadable_folder(&path("deep"));
    match bundle(&options, &()).unwrap_err().kind() {
        ErrorKind::Unreadable(files) => assert_eq!(files.len(), 1, "{files:?}"),
        other => panic!("{other:?}"),
    }
    let (archive, found) = archive_of(&options.clone().keep_going(true));
    assert_eq!(module_names(&archive), ["a", "b", "deep//", "deep.x"]);
    assert!(found.report().unreadable[0].file.starts_with(path("deep")));

    // The memory of this process is a file that is there and can be opened, but not read at its beginning.
    for name in ["e.py", "f.txt"] {
        std::os::unix::fs::symlink("/proc/self/mem", path(name)).unwrap();
    }
    std::fs::remove_dir_all(path("deep")).unwrap();
    let gone = [path("b.py"), path("d.txt")];
    for is_tolerated in [false, true] {
        let vanish = Vanish(Phase::Compile, gone.to_vec());
        let result = bundle(&options.clone().keep_going(is_tolerated), &vanish);
        let files = match &result {
            Ok(bundle) => &bundle.report().unreadable,
            Err(error) => match error.kind() {
                ErrorKind::Unreadable(files) => files,
                other => panic!("{other:?}"),
            },
        };
        let names: Vec<_> = files.iter().map(|file| file.file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["b.py", "d.txt", "e.py", "f.txt"]);
        assert_eq!(result.is_ok(), is_tolerated);
        if let Err(error) = &result {
            let text = error.to_string();
            assert!(text.starts_with("4 files or folders cannot be read\n  "), "{text}");
            assert!(files.iter().all(|file| text.contains(&format!("{}: ", file.file.display()))), "{text}");
            gone.iter().for_each(|file| std::fs::write(file, "").unwrap());
        }
    }
    // A file that could not be read is not a module, but still takes its name.
    let tree = common::tree(&[("e/inner.py", ""), ("f.py", "")]);
    std::os::unix::fs::symlink("/proc/self/mem", tree.path().join("e.py")).unwrap();
    let (archive, _) = archive_of(&folder(tree.path()).keep_going(true));
    assert_eq!(module_names(&archive), ["f"]);
}

/// A pattern asks for a name. Other names of the folder do not take its place.
#[cfg(unix)]
#[test]
fn the_included_name_of_a_linked_folder_wins() {
    use std::os::unix::fs::symlink;
    let tree = tree(&[
        ("real/__init__.py", ""),
        ("real/a.py", ""),
        ("real/sub/b.py", ""),
        ("real/data.txt", ""),
        ("more/c.py", ""),
    ]);
    symlink("real", tree.path().join("alias")).unwrap();
    symlink("../real", tree.path().join("more/link")).unwrap();
    let names = |patterns: &[&str]| {
        let options = patterns.iter().fold(folder(tree.path()), |options, &pattern| options.include(pattern));
        let (archive, bundle) = archive_of(&options);
        let report = bundle.report();
        assert_eq!(report.modules, module_names(&archive).len() as u64);
        let others: Vec<String> = report.other_names.iter().map(|it| format!("{}={}", it.name, it.folder)).collect();
        (module_names(&archive).join(" "), resource_names(&archive).join(" "), others.join(" "))
    };
    let texts = |one: &str, two: &str, three: &str| (one.to_owned(), two.to_owned(), three.to_owned());
    let all = |name: &str| format!("{name}/ {name}.a {name}.sub// {name}.sub.b");
    assert_eq!(names(&["alias"]), texts(&all("alias"), "alias/data.txt", ""));
    assert_eq!(names(&["real"]), texts(&all("real"), "real/data.txt", ""));
    assert_eq!(names(&["more.link"]), texts(&format!("more// {}", all("more.link")), "more/link/data.txt", ""));
    // Two included names: the path without links, and then the first.
    assert_eq!(names(&["alias", "real"]), texts(&all("real"), "real/data.txt", "root/alias=root/real"));
    assert_eq!(names(&["alias", "more/link"]), texts(&all("alias"), "alias/data.txt", "root/more/link=root/alias"));
    assert_eq!(names(&["alias", "real/a.py"]), texts(&format!("{} real/ real.a", all("alias")), "alias/data.txt", ""));
    // A name that is not included is not reported as another name.
    assert_eq!(names(&["more/c.py"]), texts("more// more.c", "", ""));
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
    assert_eq!(count(bundle.report(), Skip::NotIncluded), 2);
    let (archive, bundle) = archive_of(&options.clone().exclude("a/b").exclude("e.py"));
    assert_eq!(module_names(&archive), ["a/", "a.d"]);
    assert_eq!(count(bundle.report(), Skip::Excluded), 2);
    let (archive, _) = archive_of(&options.clone().exclude("**/*.txt").resources(true));
    assert!(resource_names(&archive).is_empty());
    let (archive, bundle) = archive_of(&options.resources(false));
    assert!(resource_names(&archive).is_empty());
    assert_eq!(count(bundle.report(), Skip::Resource), 1);
}

#[test]
fn a_pattern_that_nothing_matches_is_named() {
    let tree = tree(&[("a/__init__.py", ""), ("a/b.py", ""), ("e.py", "")]);
    let options = folder(tree.path());
    let absolute = tree.path().join("e.py").to_str().unwrap().to_owned();
    let wrong = [absolute.as_str(), "./a", "tpyo"];
    let patterns = wrong.iter().fold(options.clone().include("a"), |options, &pattern| options.include(pattern));
    let error = bundle(&patterns, &()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unmatched(patterns) if patterns == &wrong), "{error}");
    assert!(wrong.iter().all(|pattern| error.to_string().contains(&format!("{pattern:?}"))), "{error}");
    // A pattern to exclude may match nothing. Each pattern is tried, even if another one has decided already.
    let patterns = wrong.iter().fold(options.exclude("a"), |options, &pattern| options.exclude(pattern));
    let (_, found) = archive_of(&patterns.clone().exclude("a/").include("e*").include("e.py"));
    assert_eq!(found.report().unmatched, wrong);
    assert_eq!(serde_json::to_value(found.report()).unwrap()["unmatched"][2], "tpyo");
}

#[test]
fn several_folders() {
    let one = tree(&[("space/a.py", ""), ("same.py", ""), ("both/__init__.py", ""), ("both/x.py", "")]);
    let two = tree(&[("space/b.py", ""), ("same.py", ""), ("both/__init__.py", ""), ("both/y.py", "")]);
    let mut both = BundleOptions::new(newest()).library(false).path(one.path()).root("two", two.path());
    // The advice can be followed, as often as it is given.
    for (expected, file) in [("both", "both/__init__.py"), ("same", "same.py")] {
        let error = bundle(&both, &()).unwrap_err();
        match error.kind() {
            ErrorKind::Conflict { name, first, second, pattern: Some(pattern) } => {
                assert_eq!(name, expected);
                assert_eq!((first, second), (&one.path().join(file), &two.path().join(file)));
                assert!(error.to_string().contains(&format!("the pattern {pattern:?} excludes one")), "{error}");
                both = both.exclude(pattern);
            }
            other => panic!("{other:?}"),
        }
    }
    let (archive, bundle) = archive_of(&both);
    assert_eq!(module_names(&archive), ["both/", "both.x", "same", "space//", "space.a", "space.b"]);
    assert_eq!(bundle.report().roots.len(), 2);
    // Two folders of one root have to be told apart before.
    let unnamed = folder(one.path()).path(two.path());
    let error = permacode_bundle::bundle(&unnamed, &()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conflict { pattern: None, .. }), "{error}");
    assert!(error.to_string().contains("give one of the two folders a root of its own"), "{error}");
    let nothing = BundleOptions::new(newest()).library(false);
    assert!(matches!(permacode_bundle::bundle(&nothing, &()).unwrap_err().kind(), ErrorKind::Nothing));
}

/// The search order of folders that the user named is not known. These results do not depend on it.
#[test]
fn folders_that_were_named_have_no_order() {
    let extension = newest().extension_suffixes[0].clone();
    let fast = format!("fast{extension}");
    let one = tree(&[(&fast, ""), ("space/a.py", ""), ("part/a.py", ""), ("plain/a.py", "")]);
    let two = tree(&[("fast.py", ""), ("space.py", ""), ("part/__init__.py", ""), ("plain.pyc", "")]);
    for (first, second) in [("one", "two"), ("two", "one")] {
        let options = BundleOptions::new(newest()).library(false).root(first, one.path()).root(second, two.path());
        let (archive, bundle) = archive_of(&options);
        // If `one` is searched first, the extension module is found before the archive is asked.
        assert_eq!(module_names(&archive), ["fast", "part/", "space"]);
        assert_eq!(why(bundle.report(), "space/a.py"), shadowed(&format!("{second}/space.py")));
        assert_eq!(why(bundle.report(), "part/a.py"), shadowed(&format!("{second}/part/__init__.py")));
        assert_eq!(why(bundle.report(), "plain/a.py"), shadowed(&format!("{second}/plain.pyc")));
    }
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
    interpreter.site_packages = common::packages([packages.path()]);
    let (archive, bundle) = archive_of(&BundleOptions::new(interpreter).site_packages(true));
    assert_eq!(module_names(&archive), ["_sysconfigdata__x-y", "json/", "mine", "sys_like"]);
    let names =
        ["LICENSE", "LICENSE", "json/__init__.py", "json/extra.py", "mine-1.0.dist-info/METADATA", "sys_like.py"];
    assert_eq!(resource_names(&archive), names);
    let report = bundle.report();
    assert_eq!(why(report, "json/extra.py"), shadowed("stdlib/json/__init__.py"));
    assert_eq!(count(report, Skip::SharedObject), 1);
    // Two roots: a folder each.
    let (out, _) = common::extracted(&archive, &permacode_bundle::ExtractOptions::default());
    assert!(out.path().join("stdlib/json/__init__.py").is_file());
    assert!(out.path().join("site-packages/json/__init__.py").is_file());
    assert_eq!(std::fs::read(out.path().join("stdlib/LICENSE")).unwrap(), b"1");
    assert_eq!(std::fs::read(out.path().join("site-packages/LICENSE")).unwrap(), b"2");
}
