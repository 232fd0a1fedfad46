//! What is offered for import is what the interpreter's own finder would load: compared over made-up trees.

mod common;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use common::archive_of;
use permacode_bundle::{BundleOptions, Interpreter};
use permacode_reader::Archive;
use permacode_testkit::interpreters::newest;

/// Says which modules the finder of files finds below each list of folders: a line for each, name and file.
const FIND: &str = r#"
import importlib.machinery, sys, types

def visit(prefix, path, above):
    for part in sys.argv[1].split(","):
        name = prefix + part
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        # As `PACKAGE.__init__`, the source of a package is found a second time: no archive has it twice.
        if spec is None or spec.has_location and spec.origin == above:
            continue
        if spec.has_location:
            print(name, spec.origin)
        if spec.submodule_search_locations is not None:
            # The path of a namespace package asks its parent's.
            sys.modules[name] = types.ModuleType(name)
            sys.modules[name].__path__ = spec.submodule_search_locations
            visit(name + ".", list(spec.submodule_search_locations), spec.origin)

visit("", sys.argv[2:], None)
"#;

/// The last parts of names: only a few, so that they collide. One differs by case, and one is not an identifier.
const PARTS: [&str; 5] = ["a", "b", "A", "0-b", "__init__"];

/// Numbers that look random, and are the same each time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

/// Fills a folder with files of all suffixes, and with folders, `depth` deep.
fn fill(folder: &Path, depth: usize, suffixes: &[String], numbers: &mut Numbers) {
    fs::create_dir_all(folder).unwrap();
    for stem in PARTS {
        for suffix in suffixes {
            if numbers.below(if suffix == ".py" { 2 } else { 9 }) == 0 {
                fs::write(folder.join(format!("{stem}{suffix}")), "").unwrap();
            }
        }
        if depth > 0 && numbers.below(3) == 0 {
            fill(&folder.join(stem), depth - 1, suffixes, numbers);
        }
    }
}

/// The names of the modules that an archive offers, and their files.
fn offered(archive: &Archive<Vec<u8>>, folders: &[(&str, &Path)]) -> BTreeSet<(String, String)> {
    let target = archive.targets().next().unwrap();
    let modules = target.modules().map(|module| module.unwrap()).filter(|module| !module.is_namespace());
    modules
        .map(|module| {
            let source = module.source().unwrap().unwrap();
            let root = source.path.root.unwrap().to_str().unwrap().to_owned();
            let folder = folders.iter().find(|(name, _)| *name == root).unwrap().1;
            let path = source.path.path.to_str().unwrap().to_owned();
            (module.name().unwrap().to_owned(), format!("{}/{path}", folder.display()))
        })
        .collect()
}

fn found(interpreter: &Interpreter, folders: &[(&str, &Path)]) -> BTreeSet<(String, String)> {
    let mut command = Command::new(&interpreter.executable);
    command.args(["-I", "-S", "-c", FIND, &PARTS.join(",")]);
    command.args(folders.iter().map(|(_, folder)| folder));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| line.split_once(' ').map(|(name, file)| (name.to_owned(), file.to_owned())).unwrap();
    text.lines().map(line).collect()
}

#[test]
fn modules_are_those_that_the_interpreter_finds_in_folders_searched_one_after_the_other() {
    let mut interpreter = newest();
    // Of another version, so of no meaning to this one.
    let mut suffixes: Vec<String> = vec![".cpython-39-x86_64-linux-gnu.so".into(), ".txt".into()];
    suffixes.extend(interpreter.extension_suffixes.iter().cloned());
    suffixes.extend(interpreter.source_suffixes.iter().cloned());
    suffixes.extend(interpreter.bytecode_suffixes.iter().cloned());
    let (mut sources, mut others) = (0, 0);
    for seed in 0..16 {
        let temporary = tempfile::tempdir().unwrap();
        let names = ["stdlib", "lib-dynload", "site-packages", "site-packages-2"];
        let paths = names.map(|name| temporary.path().join(name));
        let mut numbers = Numbers(seed);
        for (path, depth) in paths.iter().zip([2, 0, 2, 2]) {
            fill(path, depth, &suffixes, &mut numbers);
        }
        let is_bundled = |file: &Path| file.extension().unwrap() == "py" && !file.starts_with(&paths[1]);
        let folders: Vec<(&str, &Path)> = names.into_iter().zip(paths.iter().map(|path| path.as_path())).collect();
        (interpreter.stdlib, interpreter.platstdlib) = (paths[0].clone(), paths[0].clone());
        interpreter.extensions = Some(paths[1].clone());
        interpreter.site_packages = common::packages(&paths[2..]);
        let (archive, _) = archive_of(&BundleOptions::new(interpreter.clone()).site_packages(true));
        let (of_sources, of_others): (BTreeSet<_>, BTreeSet<_>) =
            found(&interpreter, &folders).into_iter().partition(|(_, file)| is_bundled(Path::new(file)));
        assert_eq!(offered(&archive, &folders), of_sources, "seed {seed}");
        sources += of_sources.len();
        others += of_others.len();
    }
    assert!(sources > 50 && others > 50, "{sources} {others}");
}
