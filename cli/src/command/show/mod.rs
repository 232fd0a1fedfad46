//! `permacode show`: what an archive says about a module, a class or a function, without running it.

mod code;
mod member;
mod module;
mod signature;
mod text;

use crate::{
    Answer,
    name::{self, Named},
    output::Output,
    query::Query,
    target::Description,
};
use anyhow::{Context, Result};
use code::CodeView;
use module::ModuleView;
use serde::Serialize;

/// Show a module, a class or a function without running it
///
/// NAME is a module such as `json.decoder`. It shows the docstring, what the module defines, and the
/// modules in a package. NAME:QUALNAME is a code object, such as that of a class or a function. It
/// shows its signature, docstring, locals, constants, names, lines, exception handlers and
/// instructions.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_LONG_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) query: Query,

    /// A module, or a code object in it: `json.decoder:JSONDecoder.decode`
    #[arg(value_name = "NAME[:QUALNAME]")]
    name: String,
}

/// The sections of both forms of the help.
macro_rules! after_help {
    () => {
        "\
Examples:
  permacode show stdlib.perma json
  permacode show stdlib.perma json.decoder:JSONDecoder.decode
  permacode show stdlib.perma 'json.decoder:<module>'
  permacode show stdlib.perma json:dumps --json | jq -r .docstring
  permacode show stdlib.perma json:dumps --json | jq -r '.signature.parameters[].name'

Exit status:
  0  shown
  1  NAME was not found or is the name of several code objects, or a table or a signature could not be decoded
  2  wrong usage, or the archive cannot be read"
    };
}

const AFTER_HELP: &str = after_help!();

const AFTER_LONG_HELP: &str = concat!(
    after_help!(),
    "

Names:
  json.decoder                      a module or a package
  json.decoder:JSONDecoder          a class
  json.decoder:JSONDecoder.decode   a method
  json.decoder:<module>             the body of the module
  dis:_get_const_value              a function
  functools:lru_cache.<locals>.decorating_function
                                    a function in a function; `.<locals>` can be left out
  threading:Thread.name#2           the second of several code objects of this name, in the
                                    order of their first lines
  threading:Thread.name@1105        the one that starts in line 1105

  If an archive has several targets, the first one that has the module is shown. --target chooses
  another.

Long values:
  Docstrings and the signature of a function are whole, in text and in JSON. A constant has at most
  1,000 values, 16 levels of containers and 200 characters of each text, in JSON, too. Only the text
  form shortens names of more than 256 bytes, and signatures of more than 80 characters in the list
  of members.

Signs:
  In a signature, ↵ stands for a line break and ⇥ for a tab in a string of the source, and `\\n` for
  the escape. `stripped` says what `bundle --strip` left out of the archive."
);

/// Everything that the command shows. Text and JSON are made from it.
#[derive(Debug, Serialize)]
struct View<'a> {
    archive: String,
    target: Description<'a>,
    #[serde(flatten)]
    shown: Shown<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Shown<'a> {
    Module(Box<ModuleView<'a>>),
    Code(Box<CodeView<'a>>),
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let archive = args.query.archive.open()?;
    let named = name::find(&archive, &args.query, &args.name, &[])?;
    let view = view(args, named).with_context(|| format!("cannot show {:?} of {}", args.name, args.query.archive))?;
    if args.query.json {
        out.json(&view)?;
    } else {
        match &view.shown {
            Shown::Module(module) => module.print(&view.target, out)?,
            Shown::Code(code) => code.print(&view.target, out)?,
        }
    }
    let problems = match &view.shown {
        Shown::Module(module) => &module.problems,
        Shown::Code(code) => &code.problems,
    };
    Ok(if problems.is_empty() { Answer::Yes } else { Answer::No })
}

fn view<'a>(args: &Args, named: Named<'a>) -> Result<View<'a>> {
    let Named { target, target_view, module, code } = named;
    let is_cpython = target.vm == permacode_pyc::VM;
    let shown = match code {
        Some(code) => Shown::Code(Box::new(CodeView::new(&code, target_view.unit_size(), is_cpython)?)),
        None => Shown::Module(Box::new(ModuleView::new(&target_view, &module, is_cpython)?)),
    };
    Ok(View { archive: args.query.archive.name(), target, shown })
}
