//! Folders of installed packages: which there are, what their roots are called, and what is said of packages elsewhere.
#![cfg(unix)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::{archive_of, tree};
use permacode_bundle::{BundleOptions, ElsewhereKind, Interpreter, PackagesFolder};
use permacode_testkit::interpreters::newest;

/// Names of roots with their folders.
fn roots(interpreter: &Interpreter) -> Vec<(String, PathBuf)> {
    let packages = interpreter.site_packages.iter();
    packages.map(|packages| (packages.root.clone().unwrap_or_default(), packages.folder.clone())).collect()
}

/// A virtual environment, and the folder of its packages.
fn environment(python: &Path, folder: &Path, flags: &[&str]) -> (PathBuf, PathBuf) {
    let arguments = ["-I", "-m", "venv", "--without-pip"];
    let made = Command::new(python).args(arguments).args(flags).arg(folder).stdin(Stdio::null()).status();
    assert!(made.unwrap().success());
    let library = fs::read_dir(folder.join("lib")).unwrap().next().unwrap().unwrap().path();
    (folder.join("bin/python"), library.join("site-packages"))
}

#[test]
fn an_environment_has_its_packages_and_those_that_it_sees() {
    let base = newest();
    let folder = tempfile::tempdir().unwrap();
    let (python, packages) = environment(&base.executable, &folder.path().join("alone"), &[]);
    let own = ("site-packages".to_owned(), packages);
    assert_eq!(roots(&Interpreter::probe(&python).unwrap()), [own]);

    let (python, packages) = environment(&base.executable, &folder.path().join("seeing"), &["--system-site-packages"]);
    let found = roots(&Interpreter::probe(&python).unwrap());
    assert!(found.contains(&("site-packages".to_owned(), packages)), "{found:?}");
    for (root, folder) in roots(&base) {
        let root = if root.starts_with("user-") { root } else { format!("base-{root}") };
        assert!(found.contains(&(root, folder)), "{found:?}");
    }
}

#[test]
fn debian_has_several_folders_of_packages() {
    let debian = Path::new("/usr/lib/python3/dist-packages");
    let Ok(interpreter) = Interpreter::probe("/usr/bin/python3") else { return println!("no /usr/bin/python3") };
    if !debian.is_dir() {
        return println!("{debian:?} is not a folder: this is not Debian");
    }
    let found = roots(&interpreter);
    assert!(found.contains(&("python3-dist-packages".to_owned(), debian.to_owned())), "{found:?}");
    for (root, folder) in found {
        let folder = folder.to_str().unwrap();
        match root.as_str() {
            "local-dist-packages" => assert!(folder.starts_with("/usr/local/lib/python3."), "{folder}"),
            "dist-packages" => assert!(folder.starts_with("/usr/lib/python3."), "{folder}"),
            "python3-dist-packages" | "user-site-packages" => {}
            other => panic!("{other}: {folder}"),
        }
    }
}

#[test]
fn each_folder_is_a_root_and_the_first_has_a_module() {
    let [first, second, third] =
        [[("a.py", "FIRST = 1"), ("b.py", "")], [("a.py", "SECOND = 1"), ("c.py", "")], [("d.py", ""), ("e.py", "")]]
            .map(|files| tree(&files));
    let mut interpreter = newest();
    let packages = |root: Option<&str>, folder: &tempfile::TempDir| PackagesFolder {
        folder: folder.path().to_owned(),
        root: root.map(ToOwned::to_owned),
    };
    interpreter.site_packages = vec![
        packages(Some("local-dist-packages"), &first),
        packages(Some("dist-packages"), &second),
        packages(None, &third),
    ];
    let (archive, bundle) = archive_of(&BundleOptions::new(interpreter).library(false).site_packages(true));
    assert_eq!(common::module_names(&archive), ["a", "b", "c"]);
    let roots: Vec<&str> = bundle.report().roots.iter().map(|root| root.name.as_str()).collect();
    assert_eq!(roots, ["local-dist-packages", "dist-packages"]);
    let target = archive.targets().next().unwrap();
    let source = target.find("a").unwrap().unwrap().source().unwrap().unwrap();
    assert_eq!(source.path.root.unwrap().bytes().as_ref(), b"local-dist-packages");
    // The folder that nothing would find again is named.
    let [elsewhere] = &bundle.report().elsewhere[..] else { panic!("{:?}", bundle.report().elsewhere) };
    assert_eq!((elsewhere.kind, &*elsewhere.file), (ElsewhereKind::UnknownFolder, third.path()));
}

#[test]
fn targets_of_path_files_and_editable_installs_are_named() {
    let elsewhere = tree(&[("src/far/__init__.py", ""), ("plain/near.py", "")]);
    let (src, plain) = (elsewhere.path().join("src"), elsewhere.path().join("plain"));
    let packages = tree(&[
        ("here.py", ""),
        ("inside/other.py", ""),
        ("_far.pth", &format!("# a comment\n\n{}\r\n/permacode/no/such/folder\ninside\n", src.display())),
        ("distutils-precedence.pth", "import os; os.environ.get('SETUPTOOLS_USE_DISTUTILS')\n"),
        ("__editable__.near-1.0.pth", "import __editable___near_1_0_finder; __editable___near_1_0_finder.install()\n"),
        ("__editable___near_1_0_finder.py", "MAPPING = {}\n"),
        ("near-1.0.dist-info/direct_url.json", r#"{"dir_info": {"editable": true}, "url": "file:///src/near"}"#),
        ("wheel-1.0.dist-info/direct_url.json", r#"{"archive_info": {}, "url": "file:///wheel.whl"}"#),
        ("copied-1.0.dist-info/direct_url.json", r#"{"dir_info": {}, "url": "file:///copied"}"#),
        ("broken-1.0.dist-info/direct_url.json", "{"),
        ("given.pth", &plain.display().to_string()),
    ]);
    let mut interpreter = newest();
    interpreter.site_packages = common::packages([packages.path()]);
    // A place that is bundled is not elsewhere.
    let options = BundleOptions::new(interpreter).library(false).site_packages(true).root("given", &plain);
    let (_, bundle) = archive_of(&options);
    let found: Vec<_> = bundle.report().elsewhere.iter().map(|found| (found.kind, &*found.target)).collect();
    let expected = [
        (ElsewhereKind::PathFile, src.to_str().unwrap()),
        (ElsewhereKind::PathFile, "inside"),
        (ElsewhereKind::EditableFinder, "__editable___near_1_0_finder"),
        (ElsewhereKind::Editable, "file:///src/near"),
    ];
    assert_eq!(found, expected);
    let json = serde_json::to_value(bundle.report()).unwrap();
    assert_eq!(json["elsewhere"][0]["kind"], "path-file");
    assert_eq!(json["elsewhere"][0]["file"], packages.path().join("_far.pth").to_str().unwrap());
    let without = archive_of(&options.site_packages(false)).1;
    assert!(without.report().elsewhere.is_empty());
}
