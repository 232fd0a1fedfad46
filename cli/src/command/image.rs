//! `permacode image`: finished code objects for one interpreter.

use super::stamp::{self, Stamps};
use crate::{
    Answer,
    errors::No,
    escape::harmless,
    output::Output,
    package::{Answered, PackageArgs},
};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::{ffi::OsStr, path::PathBuf};

/// Make the image of an archive: code objects that an interpreter runs without loading
///
/// The image and the stamps of the archive lie beside it. They are for this machine and for one build of one
/// interpreter: CPython 3.12 to 3.15 on Linux. Make them again after the interpreter or the archive has changed.
///
/// `permacode enable` makes archive, image and stamps of a whole environment.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) package: PackageArgs,

    /// Another file for the image; no stamps are made then
    ///
    /// The package looks for images only beside their archives.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Compare the image with the archive instead
    #[arg(long)]
    verify: bool,
}

const AFTER_HELP: &str = "\
Examples:
  permacode image stdlib.perma
  permacode image stdlib.perma --verify
  permacode image all.perma --python .venv/bin/python

Exit status:
  0  the image was made, or it is as it should be (--verify)
  1  there can be no image for this interpreter, or it differs (--verify)
  2  wrong usage, the interpreter has no package, or a file cannot be read or written";

/// What the package says about an image that it made.
#[derive(Debug, Deserialize, Serialize)]
struct Image {
    path: String,
    bytes: u64,
    modules: u64,
    left_out: Vec<(String, String)>,
    stamps: Option<Stamps>,
}

/// What the package says about an image that it compared.
#[derive(Debug, Deserialize)]
struct Verified {}

#[derive(Debug, Serialize)]
struct Report {
    archive: String,
    /// The image that was made.
    image: Option<Image>,
    /// The result of `--verify`.
    is_valid: Option<bool>,
    error: Option<String>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let package = &args.package;
    let mut more = Vec::new();
    if let Some(output) = &args.output {
        more.extend([OsStr::new("--output"), output.as_os_str()]);
    }
    let mut report = Report { archive: package.name(), image: None, is_valid: None, error: None };
    if args.verify {
        more.push(OsStr::new("--verify"));
        let answered: Answered<Verified> = package.run("permacode.image", &more)?;
        report.is_valid = Some(answered.is_ok());
        report.error = answered.err();
    } else {
        match package.run("permacode.image", &more)? {
            Ok(image) => report.image = Some(image),
            Err(error) => report.error = Some(error),
        }
    }
    if package.json {
        out.json(&report)?;
    } else if !package.quiet {
        if let Some(image) = &report.image {
            stamp::print(out, "the image", &image.path, image.modules, image.bytes, &image.left_out)?;
            image.stamps.iter().try_for_each(|stamps| stamps.print(out))?;
        }
        if report.is_valid == Some(true) {
            out.line(harmless(&format!("ok: the image of {} is as it should be", report.archive)))?;
        }
    }
    match report.error {
        Some(error) => Err(No::refused(error).into()),
        None => Ok(Answer::Yes),
    }
}
