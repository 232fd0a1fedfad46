//! What is compiled depends on nothing but interpreter, file name and source.

use std::path::{Path, PathBuf};

use permacode_bundle::{Compiler, ErrorKind, Interpreter, Outcome};
use permacode_testkit::interpreters::{newest, one_per_minor};

/// Sources that are different enough to disturb each other: many strings, sets, other encodings.
fn sources(interpreter: &Interpreter) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(&interpreter.stdlib)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .collect();
    files.sort();
    // Every third is enough to disturb the next.
    let mut sources: Vec<_> =
        files.into_iter().step_by(3).map(|file| (file.clone(), std::fs::read(file).unwrap())).collect();
    sources.push(("/latin.py".into(), b"# coding: latin-1\nname = '\xE9'\n".to_vec()));
    sources.push(("/sets.py".into(), b"def f(x): return x in {None, 'a', 'b', 0, 8, 16, ..., b'c'}\n".to_vec()));
    sources
}

fn compile(compiler: &Compiler, sources: &[(PathBuf, Vec<u8>)]) -> Vec<Outcome> {
    let mut worker = compiler.worker();
    sources.iter().map(|(file, source)| worker.compile(file, source).unwrap()).collect()
}

#[test]
fn neither_order_nor_neighbours_show() {
    for interpreter in &one_per_minor() {
        let compiler = Compiler::new(interpreter, 0);
        let sources = sources(interpreter);
        let forward = compile(&compiler, &sources);
        let compiled = forward.iter().filter(|outcome| matches!(outcome, Outcome::Compiled(_))).count();
        assert_eq!(compiled, sources.len());

        let reversed: Vec<_> = sources.iter().rev().cloned().collect();
        let mut backward = compile(&Compiler::new(interpreter, 0), &reversed);
        backward.reverse();
        for ((one, other), (file, _)) in forward.iter().zip(&backward).zip(&sources) {
            assert_eq!(one, other, "{} {}", interpreter.version, file.display());
        }
        // Alone in processes of their own.
        for index in (0..sources.len()).step_by(20) {
            let alone = compile(&compiler, &sources[index..=index]);
            assert_eq!(alone[0], forward[index], "{} {}", interpreter.version, sources[index].0.display());
        }
    }
}

#[test]
fn a_source_that_does_not_compile_has_a_reason() {
    for interpreter in &one_per_minor() {
        let compiler = Compiler::new(interpreter, 0);
        let mut worker = compiler.worker();
        for (source, name) in [
            (&b"def f(:\n"[..], "SyntaxError: "),
            (b"x = 1\0\n", "ull bytes"),
            (b"\xFF\n", "SyntaxError: "),
            (b"# coding: nonsense\n", "SyntaxError: "),
        ] {
            match worker.compile(Path::new("/bad.py"), source).unwrap() {
                Outcome::Refused(message) => assert!(message.contains(name), "{message}"),
                other => panic!("{} {source:?}: {other:?}", interpreter.version),
            }
        }
        // 3.8 dies of it, later versions refuse it: the next source does not feel either.
        let deep = format!("a{}\n", ".b".repeat(200_000));
        let outcome = worker.compile(Path::new("/deep.py"), deep.as_bytes()).unwrap();
        match outcome {
            Outcome::Died(how) => assert!(how == "signal: 11", "{how}"),
            Outcome::Refused(message) => assert!(message.contains("Recursion"), "{message}"),
            Outcome::Compiled(_) => println!("{} compiles the deepest of sources", interpreter.version),
        }
        assert!(matches!(worker.compile(Path::new("/good.py"), b"x = 1\n").unwrap(), Outcome::Compiled(_)));
    }
}

#[test]
fn optimisation_levels_differ() {
    for interpreter in &one_per_minor() {
        let source = b"'text'\nassert x\n";
        let outcome =
            |optimize| Compiler::new(interpreter, optimize).worker().compile(Path::new("/a.py"), source).unwrap();
        assert_ne!(outcome(0), outcome(1));
        assert_ne!(outcome(1), outcome(2));
    }
}

#[test]
fn a_source_that_nests_too_deeply_is_not_a_shortage_of_memory() {
    let nested = format!("x = {}1\n", "lambda: ".repeat(3000));
    for interpreter in &one_per_minor() {
        let outcome =
            Compiler::new(interpreter, 0).worker().compile(Path::new("/nested.py"), nested.as_bytes()).unwrap();
        match outcome {
            Outcome::Refused(message) => {
                assert!(message.contains("Memory") || message.contains("Recursion"), "{message}")
            }
            other => panic!("{}: {other:?}", interpreter.version),
        }
    }
}

/// An interpreter that a shell script starts. In the script, `$python` is the interpreter, and `$@` its arguments.
#[cfg(unix)]
fn started_by(folder: &Path, interpreter: &Interpreter, script: &str) -> Interpreter {
    use std::os::unix::fs::PermissionsExt;
    let program = folder.join("python");
    let python = interpreter.executable.display();
    std::fs::write(&program, format!("#!/bin/sh\npython='{python}'\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    Interpreter { executable: program, ..interpreter.clone() }
}

#[cfg(target_os = "linux")]
#[test]
fn a_shortage_of_memory_is_an_error_and_not_the_sources() {
    let large: String = (0..50_000).map(|number| format!("x{number} = ['{number}', {number}]\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    for interpreter in &one_per_minor() {
        let program = started_by(folder.path(), interpreter, "ulimit -v 60000\nexec \"$python\" \"$@\"");
        let compiler = Compiler::new(&program, 0);
        let mut worker = compiler.worker();
        assert!(matches!(worker.compile(Path::new("/small.py"), b"x = 1\n").unwrap(), Outcome::Compiled(_)));
        let error = worker.compile(Path::new("/large.py"), large.as_bytes()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::CompilerFailed { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("/large.py") && text.contains("MemoryError"), "{}: {text}", interpreter.version);
        // A source that does not compile is still reported as such.
        assert!(matches!(worker.compile(Path::new("/bad.py"), b"def (:\n").unwrap(), Outcome::Refused(_)));
        assert!(matches!(worker.compile(Path::new("/small.py"), b"x = 1\n").unwrap(), Outcome::Compiled(_)));
    }
}

#[cfg(unix)]
#[test]
fn a_killed_compiler_is_an_error_and_a_crashed_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let interpreter = &newest();
    // It says that it forks, reads how long name and source are, and ends.
    for (end, text) in [
        ("kill -KILL $$", "signal: 9"),
        ("kill -TERM $$", "signal: 15"),
        ("echo 'cannot fork' >&2; exit 1", "exit status: 1: cannot fork"),
        ("exit 137", "signal: 9"),
        ("printf '\\2\\3\\0\\0\\0\\0\\0\\0\\0why'", "why"),
    ] {
        let script = format!("printf F\ndd bs=1 count=12 >/dev/null 2>&1\n{end}");
        let program = started_by(folder.path(), interpreter, &script);
        let error = Compiler::new(&program, 0).worker().compile(Path::new("/a.py"), b"x = 1\n").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::CompilerFailed { .. }), "{end}: {error}");
        assert!(error.to_string().contains(text), "{end}: {error}");
    }
    // The compiler itself crashes: an interpreter that takes the signal for the one of its child.
    let crash = "exec \"$python\" -c 'import os, sys; os.write(1, b\"F\"); os.read(0, 12); \
                 os.write(1, b\"\\3\" + (10).to_bytes(8, \"little\") + b\"signal: 11\")'";
    let program = started_by(folder.path(), interpreter, crash);
    let outcome = Compiler::new(&program, 0).worker().compile(Path::new("/a.py"), b"x = 1\n").unwrap();
    assert_eq!(outcome, Outcome::Died("signal: 11".to_owned()));
    let error = Compiler::new(&started_by(folder.path(), interpreter, "echo 'no memory' >&2; exit 1"), 0)
        .worker()
        .compile(Path::new("/a.py"), b"")
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Compiler { .. }) && error.to_string().contains("no memory"), "{error}");
}
