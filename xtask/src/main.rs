//! `cargo xtask`: what is done to the project itself.
#![forbid(unsafe_code)]

mod bench_python;
mod ci;
mod demo;
mod open_cost;
mod python;
mod python_proof;
mod pythons;
mod run;
mod spec;
mod spec_proof;
mod stdlib;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask <TASK>

Tasks:
  demo [PYTHON]  bundle the standard library of an interpreter (python3) and show what is in it
  ci             everything that must pass: format, lints, tests, documentation, each crate alone
  open-cost      count the instructions of opening, for few and for many modules
  spec           compare the generated blocks of spec.md, or write them [--bless]
  spec-proof     mutants of small archives, verified by the reader and by a second verifier made from spec.md alone
                 [--mutants N] [--seed S] [--jobs J] [--only MUTANT] [--file FILE...]
  stdlib         whole standard libraries into archives and back [--no-tests] [--reproduce] [--regress] [--keep DIR]
                 [PYTHON...]
  python         the wheel of the Python package for each interpreter, and its tests
                 [--no-tests] [PYTHON...] [-- ARGUMENTS OF PYTEST...]
  python-proof   what CPython gets from an archive beside what it gets from its own files: modules of an environment,
                 code objects, its own tests, memory, damage [--environment [--installed | --system-site-packages]]
                 [--equal] [--regress] [--leaks] [--damage] [--tests NAME,...] [--keep DIR] [PYTHON...]
  bench-python   importing from archives, measured against CPython itself and others
                 [--rounds N] [--only load|imports|process|instructions|placement] [--instructions]
                 [--json FILE] [PYTHON...]
  pythons        the interpreters that take part in the tests";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["demo"] => demo::demo("python3"),
        ["demo", python] => demo::demo(python),
        ["ci"] => ci::ci(),
        ["spec"] => spec::spec(false),
        ["spec", "--bless"] => spec::spec(true),
        ["spec-proof", ref args @ ..] => spec_proof::spec_proof(args),
        ["open-cost"] => open_cost::open_cost(),
        ["stdlib", ref args @ ..] => stdlib::stdlib(args),
        ["python", ref args @ ..] => python::python(args),
        ["python-proof", ref args @ ..] => python_proof::python_proof(args),
        ["bench-python", ref args @ ..] => bench_python::bench_python(args),
        ["pythons"] => pythons::list(),
        ["help" | "-h" | "--help"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
