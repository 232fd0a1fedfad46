//! `permacode info`: the targets and sections of an archive.

use crate::{
    Answer,
    archive::ArchiveArg,
    escape::escape_short,
    output::{Output, grouped, percent, size},
    table::{Align, Rows},
    target::{Description, TargetArg},
};
use anyhow::{Context, Result};
use permacode_format::{FORMAT_VERSION, Group};
use serde::Serialize;

/// Show the targets of an archive, its sections and their sizes
///
/// STRIPPED names what `bundle --strip` left out. The table shortens a cache tag of more than 256 bytes. JSON has it
/// whole.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) archive: ArchiveArg,

    /// Print the result as JSON, and errors as JSON, too
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Examples:
  permacode info stdlib.perma
  permacode info stdlib.perma --json | jq '.targets[].version'
  permacode info stdlib.perma --json | jq '.targets[].stripped'
  permacode info - < stdlib.perma

Exit status:
  0  FILE is an archive
  2  wrong usage, or FILE cannot be read as an archive";

/// The length of the bar of a whole file.
const BAR: usize = 24;

#[derive(Debug, Serialize)]
struct Info<'a> {
    archive: String,
    bytes: u64,
    format_version: u32,
    code_align: u64,
    objects: u32,
    code_objects: u32,
    modules: u64,
    resources: u64,
    targets: Vec<Description<'a>>,
    sections: Vec<Section>,
    /// The header, the section table, the bytes between sections, and sections that this reader does not know.
    other_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Section {
    name: &'static str,
    group: &'static str,
    offset: u64,
    bytes: u64,
    percent: f64,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Answer> {
    let archive = args.archive.open()?;
    let targets = TargetArg::default().choose(&archive).with_context(|| format!("cannot read {}", args.archive))?;
    let targets: Vec<Description<'_>> = targets.into_iter().map(|(description, _)| description).collect();
    let bytes = archive.file_len();
    let sections: Vec<Section> = archive
        .sections()
        .map(|section| Section {
            name: section.kind.name(),
            group: match section.kind.group() {
                Group::Lookup => "lookup",
                Group::Hot => "hot",
                Group::Cold => "cold",
            },
            offset: section.offset,
            bytes: section.len,
            percent: (percent(section.len, bytes) * 1000.0).round() / 1000.0,
        })
        .collect();
    let info = Info {
        archive: args.archive.name(),
        bytes,
        format_version: FORMAT_VERSION,
        code_align: archive.code_align(),
        objects: archive.object_count(),
        code_objects: archive.code_count(),
        modules: targets.iter().map(|target| u64::from(target.modules)).sum(),
        resources: targets.iter().map(|target| u64::from(target.resources)).sum(),
        targets,
        other_bytes: bytes.saturating_sub(sections.iter().map(|section| section.bytes).sum()),
        sections,
    };
    if args.json {
        out.json(&info)?
    } else {
        print(&info, out)?
    }
    Ok(Answer::Yes)
}

fn print(info: &Info<'_>, out: &mut Output) -> Result<()> {
    out.line(format_args!("{}: Permacode archive, format version {}", info.archive, info.format_version))?;
    out.line(format_args!("  length        {} bytes ({})", grouped(info.bytes), size(info.bytes)))?;
    out.line(format_args!("  modules       {}", grouped(info.modules)))?;
    out.line(format_args!(
        "  code objects  {}, aligned to {} bytes",
        grouped(info.code_objects.into()),
        info.code_align
    ))?;
    out.line(format_args!("  objects       {}", grouped(info.objects.into())))?;
    out.line(format_args!("  resources     {}", grouped(info.resources)))?;
    out.line("")?;
    print_targets(&info.targets, out)?;
    out.line("")?;
    print_sections(info, out)
}

fn print_targets(targets: &[Description<'_>], out: &mut Output) -> Result<()> {
    use Align::{Left, Right};
    let mut rows = Rows::new(&[
        ("TARGET", Right),
        ("MACHINE", Left),
        ("VERSION", Left),
        ("MAGIC", Right),
        ("OPTIMISATION", Right),
        ("CACHE TAG", Left),
        ("SEALED", Left),
        ("STRIPPED", Left),
        ("MODULES", Right),
        ("RESOURCES", Right),
    ]);
    for target in targets {
        rows.push([
            target.number.to_string(),
            target.vm.to_owned(),
            target.version.clone(),
            target.magic.to_string(),
            target.optimization.to_string(),
            escape_short(target.cache_tag.as_bytes()),
            if target.sealed { "yes" } else { "no" }.to_owned(),
            if target.stripped.is_empty() { "-".to_owned() } else { target.stripped.join(", ") },
            grouped(target.modules.into()),
            grouped(target.resources.into()),
        ]);
    }
    rows.print(out)
}

fn print_sections(info: &Info<'_>, out: &mut Output) -> Result<()> {
    use Align::{Left, Right};
    let mut rows = Rows::new(&[
        ("SECTION", Left),
        ("GROUP", Left),
        ("OFFSET", Right),
        ("BYTES", Right),
        ("PERCENT", Right),
        ("", Left),
    ]);
    let is_terminal = out.is_terminal();
    let mut row = |name: &str, group: &str, offset: String, bytes: u64| {
        let share = percent(bytes, info.bytes);
        let cells = [name.to_owned(), group.to_owned(), offset, grouped(bytes), format!("{share:.1}")];
        let [name, group, offset, bytes, share_text] = cells;
        rows.push([name, group, offset, bytes, share_text, bar(share, is_terminal)]);
    };
    for section in &info.sections {
        row(section.name, section.group, format!("{:#x}", section.offset), section.bytes);
    }
    row("header, padding", "", String::new(), info.other_bytes);
    rows.print(out)
}

/// A bar for a percentage. On a terminal it is exact to an eighth of a cell. Elsewhere it is ASCII.
fn bar(percent: f64, is_terminal: bool) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let eighths = (percent / 100.0 * (BAR * 8) as f64).round().clamp(0.0, (BAR * 8) as f64) as usize;
    if !is_terminal {
        return "#".repeat((eighths + 4) / 8);
    }
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]);
    bar
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!([bar(0.0, false), bar(50.0, false), bar(100.0, false)], ["", &"#".repeat(12), &"#".repeat(24)]);
        assert_eq!([bar(0.0, true), bar(2.1, true), bar(100.0, true)], ["", "▌", &"█".repeat(24)]);
    }
}
