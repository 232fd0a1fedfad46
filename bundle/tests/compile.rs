//! What is compiled depends on nothing but interpreter, file name and source.

use std::path::{Path, PathBuf};

use permacode_bundle::{Compiler, Interpreter, Outcome, interpreter::find_all};

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
    let found = find_all();
    println!("{found}");
    for interpreter in found.one_per_minor() {
        let compiler = Compiler::new(interpreter, 0).unwrap();
        let sources = sources(interpreter);
        let forward = compile(&compiler, &sources);
        let compiled = forward.iter().filter(|outcome| matches!(outcome, Outcome::Compiled(_))).count();
        assert_eq!(compiled, sources.len());

        let reversed: Vec<_> = sources.iter().rev().cloned().collect();
        let mut backward = compile(&Compiler::new(interpreter, 0).unwrap(), &reversed);
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
fn what_does_not_compile_says_why() {
    for interpreter in find_all().one_per_minor() {
        let compiler = Compiler::new(interpreter, 0).unwrap();
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
    for interpreter in find_all().one_per_minor() {
        let source = b"'text'\nassert x\n";
        let outcome = |optimize| {
            Compiler::new(interpreter, optimize).unwrap().worker().compile(Path::new("/a.py"), source).unwrap()
        };
        assert_ne!(outcome(0), outcome(1));
        assert_ne!(outcome(1), outcome(2));
    }
}
