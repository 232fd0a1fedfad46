//! From an archive to files: where they lie, what is in them, and what never happens.

mod common;

use std::{fs, path::Path, process::Command};

use common::{archive_of, extracted, files, folder, tree};
use permacode_bundle::{ErrorKind, ExtractOptions, Interpreter, Strip, WhyLeftOut, extract};
use permacode_format::SectionKind;
use permacode_model::{Module, Resource, Str, Target};
use permacode_pyc::{HEADER_LEN, Validation, decode_pyc};
use permacode_reader::Archive;
use permacode_testkit::{
    Sections,
    interpreters::{newest, one_per_minor},
};
use permacode_writer::{Options, Writer};

fn small_tree() -> tempfile::TempDir {
    tree(&[
        ("pack/__init__.py", "'''Doc.'''\nfrom .inner import f\n"),
        ("pack/inner.py", "def f(x, *, y: int = 3):\n    return lambda: (x, y, {1, 2}, __file__)\n"),
        ("pack/data.txt", "text"),
    ])
}

/// Runs Python in a folder that is the first in its path.
fn python(interpreter: &Interpreter, folder: &Path, script: &str) -> String {
    let output = Command::new(&interpreter.executable)
        .args(["-E", "-s", "-S", "-B", "-c", script])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

const SCRIPT: &str = "
import pack, pack.inner
print(pack.__cached__ if hasattr(pack, '__cached__') else '', pack.inner.f.__code__.co_filename, pack.f(1)()[:3])
";

#[test]
fn python_runs_the_extracted_files() {
    let tree = small_tree();
    for interpreter in one_per_minor() {
        let options = permacode_bundle::BundleOptions::new(interpreter.clone()).library(false).path(tree.path());
        let (archive, bundle) = archive_of(&options);
        assert_eq!(bundle.report().modules, 2);
        let (out, report) = extracted(&archive, &ExtractOptions::default());
        assert_eq!((report.modules, report.packages, report.sources, report.resources), (2, 1, 2, 1));
        let names: Vec<String> = files(out.path()).keys().map(|path| path.to_str().unwrap().to_owned()).collect();
        let cached = |name: &str| format!("pack/__pycache__/{name}.{}.pyc", interpreter.tag);
        assert_eq!(
            names,
            [
                "pack/__init__.py".into(),
                cached("__init__"),
                cached("inner"),
                "pack/data.txt".into(),
                "pack/inner.py".into()
            ]
        );
        let text = python(&interpreter, out.path(), SCRIPT);
        let filename = out.path().join("pack/inner.py");
        assert!(text.contains(filename.to_str().unwrap()), "{text}");
        // CPython takes the compiled file, and still notices an edit of the source.
        let pyc = out.path().join(cached("inner"));
        let header = decode_pyc(&fs::read(&pyc).unwrap()).unwrap().header;
        assert!(matches!(header.validation, Validation::CheckedHash(_)));
        let verbose = "import sys, importlib.util as u; s = u.spec_from_file_location('m', 'pack/inner.py'); \
            d = open(s.cached, 'rb').read(); h = u.source_hash(open('pack/inner.py', 'rb').read()); \
            print(d[8:16] == h)";
        assert_eq!(python(&interpreter, out.path(), verbose), "True");
        fs::write(&filename, "def f(x): return lambda: ('edited',)\n").unwrap();
        assert!(python(&interpreter, out.path(), SCRIPT).contains("edited"));

        // Without sources.
        let (archive, _) = archive_of(&options.strip(Strip::Source));
        let (out, report) = extracted(&archive, &ExtractOptions::default().base("/else/where"));
        assert_eq!(report.sources, 0);
        assert!(out.path().join("pack/__init__.pyc").is_file() && !out.path().join("pack/__pycache__").exists());
        let text = python(&interpreter, out.path(), SCRIPT);
        assert!(text.contains("/else/where/pack/inner.py (1, 3, {1, 2})"), "{text}");
    }
}

#[test]
fn names_that_are_too_long_to_be_derived_are_unchanged() {
    let [function, class, method] = ["a", "b", "c"].map(|letter| letter.repeat(25_000));
    let source = format!("def {function}():\n class {class}:\n  def {method}(self): pass\n return {class}\n");
    let tree = tree(&[("long.py", &source)]);
    let script = format!("import long; print(len(long.{function}().{method}.__qualname__), long.__file__[-4:])");
    for interpreter in one_per_minor() {
        let options = permacode_bundle::BundleOptions::new(interpreter.clone()).library(false).path(tree.path());
        let (archive, _) = archive_of(&options.strip(Strip::Source));
        archive.verify().unwrap();
        let (out, _) = extracted(&archive, &ExtractOptions::default());
        // Three names, `.<locals>.` and a dot.
        assert_eq!(python(&interpreter, out.path(), &script), "75011 .pyc", "{}", interpreter.version);
    }
}

#[test]
fn timestamps_are_those_of_the_sources() {
    let tree = small_tree();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890);
    let inner = fs::File::options().write(true).open(tree.path().join("pack/inner.py")).unwrap();
    inner.set_modified(time).unwrap();
    let interpreter = newest();
    let pyc = format!("pack/__pycache__/inner.{}.pyc", interpreter.tag);
    for keeps in [true, false] {
        let (archive, _) = archive_of(&folder(tree.path()).mtime(keeps));
        let (out, _) = extracted(&archive, &ExtractOptions::default().timestamps(true));
        let of_file = fs::metadata(out.path().join("pack/inner.py")).unwrap().modified().unwrap();
        assert_eq!(of_file == time, keeps);
        let seconds = of_file.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as u32;
        let header = decode_pyc(&fs::read(out.path().join(&pyc)).unwrap()).unwrap().header;
        let size = fs::metadata(tree.path().join("pack/inner.py")).unwrap().len() as u32;
        assert_eq!(header.validation, Validation::Timestamp { mtime: seconds, size });
    }
}

#[test]
fn compiled_files_are_kept_and_come_out_again() {
    let tree = small_tree();
    let kept = tempfile::tempdir().unwrap();
    for level in [0, 1, 2] {
        let kept = kept.path().join(level.to_string());
        let (archive, bundle) = archive_of(&folder(tree.path()).optimize(level).keep_compiled(&kept));
        let (out, _) = extracted(&archive, &ExtractOptions::default().base(tree.path()));
        let (kept, out) = (files(&kept), files(out.path()));
        assert_eq!(kept.len(), 2);
        assert_eq!(kept.values().map(|file| file.len() as u64).sum::<u64>(), bundle.report().pyc_bytes);
        for (path, file) in &kept {
            assert_eq!(path.to_str().unwrap().contains(".opt-"), level > 0);
            let (one, other) = (decode_pyc(file).unwrap(), decode_pyc(&out[path]).unwrap());
            assert_eq!(one.header, other.header);
            assert_eq!(file[HEADER_LEN..].len(), out[path][HEADER_LEN..].len(), "{}", path.display());
        }
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let tree = small_tree();
    let (archive, _) = archive_of(&folder(tree.path()));
    let (out, _) = extracted(&archive, &ExtractOptions::default());
    let before = files(out.path());
    let error = extract(&archive, out.path(), &ExtractOptions::default(), &()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotEmpty(_)), "{error}");
    fs::write(out.path().join("pack/inner.py"), "changed").unwrap();
    fs::write(out.path().join("other"), "stays").unwrap();
    extract(&archive, out.path(), &ExtractOptions::default().overwrite(true), &()).unwrap();
    let mut after = files(out.path());
    assert_eq!(after.remove(Path::new("other")).unwrap(), b"stays");
    assert_eq!(after, before);
}

/// An archive with such names and nothing else.
fn archive_with(tag: &str, root: &str, modules: &[&str], resources: &[&str]) -> Result<Archive<Vec<u8>>, String> {
    let tree = tree(&[("m.py", "x = 1\n")]);
    let (good, _) = archive_of(&folder(tree.path()));
    let target = good.targets().next().unwrap();
    let mut module = Module::try_from(&target.find("m").unwrap().unwrap()).unwrap();
    let mut writer = Writer::new(Options::default());
    let mut model = Target::try_from(&target).unwrap();
    model.cache_tag = tag.to_owned();
    let target = writer.add_target(&model).map_err(|error| error.to_string())?;
    for name in modules {
        module.name = (*name).to_owned();
        module.filename.as_mut().unwrap().root = Some(root.to_owned().into());
        module.source.as_mut().unwrap().path.root = Some(root.to_owned().into());
        writer.add_module(target, &module).map_err(|error| error.to_string())?;
    }
    for path in resources {
        let resource = Resource {
            root: "stdlib".into(),
            path: path.as_bytes().into(),
            executable: false,
            data: b"harm"[..].into(),
        };
        writer.add_resource(target, &resource).map_err(|error| error.to_string())?;
    }
    Archive::open(writer.plan().map_err(|error| error.to_string())?.to_bytes()).map_err(|error| error.to_string())
}

#[test]
fn names_in_an_archive_do_no_harm() {
    let outside = tempfile::tempdir().unwrap();
    let inside = outside.path().join("a/b/c");
    let absolute = outside.path().join("victim").to_str().unwrap().to_owned();
    let cases: [(&str, &str, &[&str], &[&str]); 10] = [
        ("tag", "stdlib", &["/../../../victim"], &[]),
        ("tag", "stdlib", &[absolute.as_str()], &[]),
        ("tag", "../../victim", &["m"], &["x"]),
        ("../../../victim", "stdlib", &["m"], &[]),
        ("tag", "stdlib", &["m", "m/x"], &[]),
        ("tag", "stdlib", &["m"], &["m.py"]),
        ("tag", "stdlib", &["m"], &["m.py/x"]),
        ("tag", "stdlib", &["m"], &["__pycache__/m.tag.pyc/x"]),
        ("tag", "stdlib", &["m"], &["__pycache__"]),
        ("tag", "stdlib", &[], &["a", "a/b"]),
    ];
    for (tag, root, modules, resources) in cases {
        // That the writer refuses it is as good; a hostile one would not.
        let Ok(archive) = archive_with(tag, root, modules, resources) else { continue };
        let error = extract(&archive, &inside, &ExtractOptions::default(), &()).unwrap_err();
        let is_meant = matches!(error.kind(), ErrorKind::UnsafeName { .. } | ErrorKind::SameFile { .. });
        assert!(is_meant, "{tag} {root} {modules:?} {resources:?}: {error}");
        assert_eq!(files(outside.path()).len(), 0, "{tag} {root} {modules:?} {resources:?}");
    }
}

#[test]
fn a_resource_name_that_a_hostile_writer_put_there_is_refused() {
    let archive = archive_with("tag", "stdlib", &["m"], &["aaaaaaaa"]).unwrap();
    let name = b"aaaaaaaa";
    for evil in [&b"../../x/"[..], b"/tmp/xyz", b"a/../../", b"aaaa\0aaa", b"a//aaaaa"] {
        let mut sections = Sections::of(archive.storage());
        let names = sections.section(SectionKind::Names);
        let at = names.windows(name.len()).position(|window| window == name).unwrap();
        names[at..at + name.len()].copy_from_slice(evil);
        let archive = Archive::open(sections.archive()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let error = extract(&archive, folder.path().join("in"), &ExtractOptions::default(), &()).unwrap_err();
        let ErrorKind::Read(read) = error.kind() else { panic!("{error}") };
        let permacode_model::ErrorKind::Archive(broken) = read.kind() else { panic!("{read}") };
        assert!(broken.rule().is_some(), "{broken}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_choice_of_target_must_be_possible() {
    let tree = small_tree();
    let (archive, _) = archive_of(&folder(tree.path()));
    let out = tempfile::tempdir().unwrap();
    let error = extract(&archive, out.path(), &ExtractOptions::default().target(1), &()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TargetChoice { .. }), "{error}");
    extract(&archive, out.path(), &ExtractOptions::default().target(0), &()).unwrap();
}

/// An archive with `count` equal resources of `len` bytes.
fn equal_files(count: usize, len: usize) -> Archive<Vec<u8>> {
    let tree = small_tree();
    let (good, _) = archive_of(&folder(tree.path()));
    let target = Target::try_from(&good.targets().next().unwrap()).unwrap();
    let mut writer = Writer::new(Options::default());
    let id = writer.add_target(&target).unwrap();
    let data = vec![b'x'; len];
    for number in 0..count {
        let path = format!("{number}/file").into_bytes();
        let resource = Resource { root: "r".into(), path: path.into(), executable: false, data: (&data[..]).into() };
        writer.add_resource(id, &resource).unwrap();
    }
    Archive::open(writer.plan().unwrap().to_bytes()).unwrap()
}

#[test]
fn equal_files_come_out_however_small_the_archive_is() {
    let archive = equal_files(400, 1 << 18);
    assert!(archive.file_len() * 256 < 400 << 18, "{} bytes", archive.file_len());
    let (out, report) = extracted(&archive, &ExtractOptions::default());
    assert_eq!((report.resources, report.bytes), (400, 400 << 18));
    assert!(fs::read(out.path().join("399/file")).unwrap().iter().all(|byte| *byte == b'x'));
}

/// What the files of an archive take at most, by its own account, which no file may be written for.
fn most(archive: &Archive<Vec<u8>>) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("out");
    let error = extract(archive, &folder, &ExtractOptions::default().max_size(0), &()).unwrap_err();
    let ErrorKind::TooMuch { bytes, limit: 0 } = error.kind() else { panic!("{error}") };
    assert!(!folder.exists());
    *bytes
}

#[test]
fn files_beyond_the_limit_are_refused_before_anything_is_written() {
    let archive = equal_files(10, 1000);
    assert_eq!(most(&archive), 10_000);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("out");
    let error = extract(&archive, &folder, &ExtractOptions::default().max_size(9_999), &()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TooMuch { bytes: 10_000, limit: 9_999 }), "{error}");
    assert!(!folder.exists());
    extract(&archive, &folder, &ExtractOptions::default().max_size(10_000), &()).unwrap();
    assert_eq!(files(&folder).len(), 10);
}

#[test]
fn compiled_files_are_at_most_as_large_as_is_said_before() {
    let constants = "
class Outer:
    \'\'\'Doc.\'\'\'
    def method(self, a, /, b=(1, (2, 3), -1 << 100, 1.5, 2j, b\'bytes\', None, True, ...), *, c=\'\\ud800\'):
        def inner(): return lambda: [x for x in self.a if x in {1, 2, \'é\'} and (1, (2, 3))]
        return inner
";
    let tree = tree(&[("one.py", constants), ("two.py", constants), ("three.py", ""), ("data.txt", "data")]);
    for interpreter in one_per_minor() {
        let options = permacode_bundle::BundleOptions::new(interpreter.clone());
        for options in [options.clone().library(false).path(tree.path()), options.include("json").include("enum.py")] {
            let (archive, _) = archive_of(&options);
            let (out, report) = extracted(&archive, &ExtractOptions::default());
            let most = most_below(&archive, out.path());
            let written: u64 = files(out.path()).values().map(|file| file.len() as u64).sum();
            assert_eq!(written, report.bytes);
            assert!(written <= most && most < written * 3 / 2, "{}: {written} {most}", interpreter.version);
        }
    }
}

/// As [`most`], where code objects say that they lie in this folder.
fn most_below(archive: &Archive<Vec<u8>>, base: &Path) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let options = ExtractOptions::default().base(base).max_size(0);
    let error = extract(archive, folder.path(), &options, &()).unwrap_err();
    let ErrorKind::TooMuch { bytes, .. } = error.kind() else { panic!("{error}") };
    *bytes
}

#[test]
fn a_source_comes_out_even_if_the_name_of_its_compiled_file_is_too_long() {
    let lens = [200, 230, 240, 251, 252];
    let names = lens.map(|len| "n".repeat(len));
    let sources: Vec<String> = names.iter().map(|name| format!("{name}.py")).collect();
    let pairs: Vec<(&str, &str)> = sources.iter().map(|source| (source.as_str(), "x = 1\n")).collect();
    let tree = tree(&pairs);
    let kept = tempfile::tempdir().unwrap();
    let (archive, bundle) = archive_of(&folder(tree.path()).keep_compiled(kept.path()));
    assert_eq!((bundle.report().modules, bundle.report().not_kept.len(), files(kept.path()).len()), (5, 3, 2));
    let (out, report) = extracted(&archive, &ExtractOptions::default());
    assert_eq!((report.modules, report.sources), (5, 5));
    let suffix = format!(".{}.pyc", newest().tag);
    let mut written = files(out.path());
    assert_eq!(written.values().map(|file| file.len() as u64).sum::<u64>(), report.bytes);
    for (name, source) in names.iter().zip(&sources) {
        assert_eq!(written.remove(Path::new(source)).unwrap(), b"x = 1\n");
        let compiled = format!("__pycache__/{name}{suffix}");
        let fits = name.len() + suffix.len() <= 255;
        assert_eq!(written.remove(Path::new(&compiled)).is_some(), fits, "{}", name.len());
        let left_out = report.left_out.iter().filter(|left_out| left_out.path == compiled);
        let whys: Vec<WhyLeftOut> = left_out.map(|left_out| left_out.why).collect();
        assert_eq!(whys, if fits { vec![] } else { vec![WhyLeftOut::NameTooLong] });
    }
    assert!(written.is_empty() && report.left_out.len() == 3, "{:?}", report.left_out);

    // Without the source there would be nothing of the module.
    let (archive, _) = archive_of(&folder(tree.path()).strip(Strip::Source));
    let out = tempfile::tempdir().unwrap();
    let error = extract(&archive, out.path(), &ExtractOptions::default(), &()).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert_eq!(files(out.path()).len(), 0);
}

#[test]
fn a_name_that_no_file_can_have_is_found_before_anything_is_written() {
    let (longest, longer) = ("r".repeat(255), "r".repeat(256));
    let archive = archive_with("tag", "stdlib", &["m"], &["a", &longest, "z/\n\t\\ \u{202e}"]).unwrap();
    let (out, report) = extracted(&archive, &ExtractOptions::default());
    assert_eq!((report.resources, files(out.path()).len()), (3, 5));
    assert!(out.path().join(longest).is_file());
    for (modules, resources) in [
        (&["m"][..], &["a", longer.as_str()][..]),
        (&["m"], &["a", &format!("{longer}/x")]),
        (&["m", &longer], &["a"]),
        (&["m", &format!("{longer}.m")], &["a"]),
    ] {
        let archive = archive_with("tag", "stdlib", modules, resources).unwrap();
        let out = tempfile::tempdir().unwrap();
        let error = extract(&archive, out.path(), &ExtractOptions::default(), &()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Io { path, .. } if path.starts_with(out.path())), "{error}");
        assert_eq!(files(out.path()).len(), 0, "{error}");
    }
}

#[test]
fn an_older_compiled_file_makes_room_for_that_of_the_module() {
    let archive = archive_with("tag", "stdlib", &["m"], &["__pycache__/m.tag.pyc", "__pycache__/other"]).unwrap();
    let (out, report) = extracted(&archive, &ExtractOptions::default());
    let [left_out] = &report.left_out[..] else { panic!("{:?}", report.left_out) };
    assert_eq!((left_out.path.as_str(), left_out.why), ("__pycache__/m.tag.pyc", WhyLeftOut::HiddenByModule));
    let files = files(out.path());
    assert_eq!(files.len(), 3, "{:?}", files.keys());
    decode_pyc(&files[Path::new("__pycache__/m.tag.pyc")]).unwrap();
}

/// Bytecode beside its source is a resource. Without sources, the compiled file of the module has the same place.
#[test]
fn a_compiled_file_beside_its_source_makes_room_for_that_of_the_module() {
    let tree = tree(&[
        ("a.py", "x = 'new'\n"),
        ("a.pyc", "old"),
        ("pack/__init__.py", "y = 'new'\n"),
        ("pack/__init__.pyc", "old"),
        ("other.pyc", "old"),
    ]);
    let (archive, _) = archive_of(&folder(tree.path()).strip(Strip::Source));
    let (out, report) = extracted(&archive, &ExtractOptions::default());
    let left_out: Vec<_> = report.left_out.iter().map(|left_out| (left_out.path.as_str(), left_out.why)).collect();
    let why = WhyLeftOut::HiddenByModule;
    assert_eq!(left_out, [("a.pyc", why), ("pack/__init__.pyc", why)]);
    assert_eq!((report.modules, report.packages, report.sources, report.resources), (2, 1, 0, 1));
    let paths: Vec<_> = files(out.path()).into_keys().collect();
    assert_eq!(paths, ["a.pyc", "other.pyc", "pack/__init__.pyc"].map(std::path::PathBuf::from));
    assert_eq!(python(&newest(), out.path(), "import a, pack; print(a.x, pack.y)"), "new new");
    // With sources, nothing is in its way.
    let (archive, _) = archive_of(&folder(tree.path()));
    let (out, report) = extracted(&archive, &ExtractOptions::default());
    assert_eq!((report.left_out.len(), report.resources), (0, 3));
    assert_eq!(fs::read(out.path().join("a.pyc")).unwrap(), b"old");
    assert_eq!(python(&newest(), out.path(), "import a, pack; print(a.x, pack.y)"), "new new");
}

#[cfg(unix)]
#[test]
fn executable_files_stay_executable() {
    use std::os::unix::fs::PermissionsExt;
    let tree = tree(&[("run.py", "x = 1\n"), ("pack/__init__.py", ""), ("pack/tool", "x"), ("plain.py", "")]);
    let is_executable = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o100 != 0;
    let executables = ["run.py", "pack/__init__.py", "pack/tool"];
    for name in executables {
        fs::set_permissions(tree.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (archive, _) = archive_of(&folder(tree.path()));
    archive.verify().unwrap();
    let (out, _) = extracted(&archive, &ExtractOptions::default());
    let mut found: Vec<_> =
        files(out.path()).into_keys().filter(|path| is_executable(&out.path().join(path))).collect();
    found.sort();
    assert_eq!(found, ["pack/__init__.py", "pack/tool", "run.py"].map(Path::new));
}

#[test]
fn the_root_of_a_file_name_counts_as_that_of_a_source_does() {
    let tree = tree(&[("m.py", "x = 1\n")]);
    let (good, _) = archive_of(&folder(tree.path()));
    let target = good.targets().next().unwrap();
    let mut module = Module::try_from(&target.find("m").unwrap().unwrap()).unwrap();
    module.filename.as_mut().unwrap().root = Some("other".into());
    let mut writer = Writer::new(Options::default());
    let id = writer.add_target(&Target::try_from(&target).unwrap()).unwrap();
    writer.add_module(id, &module).unwrap();
    let archive = Archive::open(writer.plan().unwrap().to_bytes()).unwrap();
    let options = ExtractOptions::default().base("/base").base_of("other", "/elsewhere");
    let (out, report) = extracted(&archive, &options);
    let names: Vec<_> = report.roots.iter().map(|root| (root.name.as_str(), root.base.to_str().unwrap())).collect();
    assert_eq!(names, [("other", "/elsewhere"), ("root", "/base/root")]);
    let files = files(out.path());
    let (_, pyc) = files.iter().find(|(path, _)| path.extension() == Some("pyc".as_ref())).unwrap();
    let filename = decode_pyc(pyc).unwrap().module.filename.unwrap();
    assert_eq!(&*filename.path.text, b"/elsewhere/m.py");

    module.filename.as_mut().unwrap().root = Some(Str { text: b"\xED\xA0\x80".as_slice().into(), interned: false });
    let mut writer = Writer::new(Options::default());
    let id = writer.add_target(&Target::try_from(&target).unwrap()).unwrap();
    writer.add_module(id, &module).unwrap();
    let archive = Archive::open(writer.plan().unwrap().to_bytes()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = extract(&archive, out.path(), &ExtractOptions::default(), &()).unwrap_err();
    assert!(error.to_string().contains("the name of a root must be UTF-8"), "{error}");
}

#[test]
fn a_file_name_that_code_objects_share_is_in_memory_once() {
    let tree = tree(&[("m.py", "def f(): pass\n")]);
    let (good, _) = archive_of(&folder(tree.path()));
    let target = good.targets().next().unwrap();
    let mut module = Module::try_from(&target.find("m").unwrap().unwrap()).unwrap();
    module.filename = Some(permacode_model::Path { root: None, path: Str::plain("f".repeat(100_000)) });
    let mut writer = Writer::new(Options::default());
    let id = writer.add_target(&Target::try_from(&target).unwrap()).unwrap();
    for number in 0..20 {
        module.name = format!("m{number}");
        writer.add_module(id, &module).unwrap();
    }
    let archive = Archive::open(writer.plan().unwrap().to_bytes()).unwrap();
    let (_, report) = extracted(&archive, &ExtractOptions::default());
    let [first, others @ ..] = &report.verbatim_filenames[..] else { panic!() };
    assert_eq!((first.filename.len(), others.len()), (100_000, 19));
    assert!(others.iter().all(|other| std::sync::Arc::ptr_eq(&other.filename, &first.filename)));
}

#[test]
fn a_base_for_an_unknown_root_is_refused() {
    let tree = small_tree();
    let (archive, _) = archive_of(&folder(tree.path()));
    let out = tempfile::tempdir().unwrap();
    let error = extract(&archive, out.path(), &ExtractOptions::default().base_of("lib", "/lib"), &()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoSuchRoot { name, roots } if name == "lib" && roots == &["root"]));
    assert_eq!(files(out.path()).len(), 0);
}
