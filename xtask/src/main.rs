//! `cargo xtask`: tasks for the people who work on this project.
#![forbid(unsafe_code)]

mod bench;
mod ci;
mod demo;
mod introspection;
mod python;
mod python_proof;
mod pythons;
mod run;
mod spec;
mod spec_proof;
mod stdlib;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Tasks for the people who work on this project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Demo(demo::Args),
    /// Run everything that must pass before a change is merged
    Ci,
    #[command(subcommand)]
    Bench(bench::Bench),
    Spec(spec::Args),
    SpecProof(spec_proof::Args),
    Stdlib(stdlib::Args),
    Introspection(introspection::Args),
    Python(python::Args),
    PythonProof(python_proof::Args),
    /// List the interpreters that the tests use
    Pythons,
}

impl Task {
    fn run(&self) -> Result<()> {
        match self {
            Task::Demo(args) => demo::demo(args),
            Task::Ci => ci::ci(),
            Task::Bench(bench) => bench.run(),
            Task::Spec(args) => spec::spec(args),
            Task::SpecProof(args) => spec_proof::spec_proof(args),
            Task::Stdlib(args) => stdlib::stdlib(args),
            Task::Introspection(args) => introspection::introspection(args),
            Task::Python(args) => python::python(args),
            Task::PythonProof(args) => python_proof::python_proof(args),
            Task::Pythons => pythons::list(),
        }
    }
}

fn main() -> ExitCode {
    match Cli::parse().task.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::{fs, path::Path};

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// The commands in a Markdown text: each line of a code block, and each code span, that starts with `cargo xtask`.
    fn commands(markdown: &str) -> Vec<String> {
        let mut commands = Vec::new();
        // Every second part lies inside a code block.
        for (number, part) in markdown.split("```").enumerate() {
            // In the other parts, code spans lie between backticks. A span may continue on the next line.
            let spans = part.split('`').skip(1).step_by(2);
            let lines = part.lines().map(|line| line.split(" #").next().unwrap_or(line).trim_start_matches("$ "));
            let code: Vec<&str> = if number % 2 == 0 { spans.collect() } else { lines.collect() };
            let words = code.into_iter().map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "));
            commands.extend(words.filter(|words| words.starts_with("cargo xtask ")));
        }
        commands
    }

    fn markdown_files(folder: &Path) -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
    }

    #[test]
    fn each_task_that_the_documentation_names_can_be_run() {
        let root = run::root();
        let mut found = 0;
        for path in ["", "docs", "python", "fuzz"].iter().flat_map(|folder| markdown_files(&root.join(folder))) {
            // The change log and the status name tasks by the names that they had.
            if ["CHANGELOG.md", "status.md"].iter().any(|name| path.ends_with(name)) {
                continue;
            }
            for command in commands(&fs::read_to_string(&path).unwrap()) {
                let parsed = Cli::try_parse_from(command.split_whitespace().skip(1));
                assert!(parsed.is_ok(), "{}: {command}\n{}", path.display(), parsed.unwrap_err());
                found += 1;
            }
        }
        assert!(found > 10, "the documentation names {found} tasks");
    }

    #[test]
    fn commands_are_found_in_code_blocks_and_in_code_spans() {
        let text = "Run `cargo xtask\nci`, not `cargo`:\n\n```sh\n$ cargo xtask demo    # shows it\ncargo test\n```\n";
        assert_eq!(commands(text), ["cargo xtask ci", "cargo xtask demo"]);
    }
}
