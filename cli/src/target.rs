//! Targets of an archive: how they are named, described and chosen.

use crate::{
    errors::UsageError,
    escape::escape,
    output::{grouped, named},
};
use anyhow::Result;
use permacode_pyc::{HexVersion, VM, magic_number, optimization_suffix};
use permacode_reader::{Archive, Strip, Target};
use serde::Serialize;

/// The option that chooses a target.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct TargetArg {
    /// Use only this target: its number in `info`, its cache tag, or its version
    ///
    /// For example `0`, `cpython-311`, `cpython-311.opt-1` or `3.11`. Only archives with several targets need it.
    #[arg(long = "target", value_name = "TARGET")]
    wanted: Option<String>,
}

/// The description of a target, in tables and in JSON.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Description<'a> {
    pub(crate) number: usize,
    pub(crate) vm: &'a str,
    pub(crate) version: String,
    pub(crate) vm_version: u32,
    /// The magic number without the line break that CPython puts behind it.
    pub(crate) magic: u32,
    pub(crate) bytecode_magic: u32,
    pub(crate) optimization: u8,
    pub(crate) cache_tag: &'a str,
    pub(crate) sealed: bool,
    /// What the writer left out.
    pub(crate) stripped: Vec<&'static str>,
    pub(crate) modules: u32,
    pub(crate) resources: u32,
}

impl<'a> Description<'a> {
    pub(crate) fn new(number: usize, target: &Target<'a>) -> Result<Self> {
        let vm = target.vm()?;
        Ok(Description {
            number,
            version: version(vm, target.vm_version()),
            magic: magic(vm, target.bytecode_magic()),
            vm,
            vm_version: target.vm_version(),
            bytecode_magic: target.bytecode_magic(),
            optimization: target.optimization(),
            cache_tag: target.cache_tag()?,
            sealed: target.is_sealed(),
            stripped: target.stripped().map(Strip::name).collect(),
            modules: target.module_count(),
            resources: target.resource_count(),
        })
    }

    /// What the writer left out, in words. `None` if it left out nothing.
    pub(crate) fn stripped_words(&self) -> Option<String> {
        let signatures = Strip::Signatures.name();
        let words = |part: &&'static str| match *part {
            part if part == signatures => format!("{part} (defaults and annotations)"),
            part => part.to_owned(),
        };
        let words: Vec<String> = self.stripped.iter().map(words).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// The description in one line.
    pub(crate) fn line(&self) -> String {
        format!("{} {} (magic {}, optimisation {})", self.vm, self.version, self.magic, self.optimization)
    }

    fn answers_to(&self, wanted: &str) -> bool {
        let is_version =
            self.version == wanted || self.version.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'));
        // Escaping never shortens a name, so a tag that is longer than the name cannot match.
        let is_tag = |name: &str| self.cache_tag.len() <= name.len() && escape(self.cache_tag.as_bytes()) == name;
        // CPython writes no suffix for level 0, but an archive may have several targets of one tag.
        let level = if self.optimization == 0 { ".opt-0".to_owned() } else { optimization_suffix(self.optimization) };
        self.number.to_string() == wanted
            || is_version
            || is_tag(wanted)
            || wanted.strip_suffix(level.as_str()).is_some_and(is_tag)
    }
}

/// The numbers and descriptions of targets, as far as a message [names](named) them.
pub(crate) fn names(targets: &[(Description<'_>, Target<'_>)]) -> String {
    let line = |(description, _): &(Description<'_>, _)| format!("{}: {}", description.number, description.line());
    let (named, others) = named(targets);
    let mut lines: Vec<String> = named.iter().map(line).collect();
    if others > 0 {
        lines.push(format!("{} more", grouped(others)));
    }
    lines.join("; ")
}

/// The version of a virtual machine, for example 3.13.0rc2.
fn version(vm: &str, number: u32) -> String {
    if vm == VM { HexVersion(number).to_string() } else { format!("{number:#x}") }
}

/// The magic number of CPython without its line break: 3495 for 0x0A0D0DA7, the number of CPython 3.11.
fn magic(vm: &str, number: u32) -> u32 {
    magic_number(number).filter(|_| vm == VM).map_or(number, u32::from)
}

impl TargetArg {
    /// The chosen target with its description, or all targets if none was chosen.
    pub(crate) fn choose<'a, D: AsRef<[u8]>>(
        &self,
        archive: &'a Archive<D>,
    ) -> Result<Vec<(Description<'a>, Target<'a>)>> {
        let mut all = Vec::new();
        for (number, target) in archive.targets().enumerate() {
            all.push((Description::new(number, &target)?, target));
        }
        let Some(wanted) = &self.wanted else { return Ok(all) };
        let (chosen, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(description, _)| description.answers_to(wanted));
        let problem = match chosen.len() {
            1 => return Ok(chosen),
            0 if others.is_empty() => "the archive has no targets".to_owned(),
            0 => format!("the archive has no target {wanted:?}; it has {}", names(&others)),
            _ => format!("several targets match {wanted:?}; use a number: {}", names(&chosen)),
        };
        Err(UsageError::new(problem).into())
    }
}

#[cfg(test)]
mod tests {
    use super::{magic, version};

    #[test]
    fn numbers_of_cpython_are_decoded_and_those_of_others_are_not() {
        assert_eq!(version("cpython", 0x030D_00C2), "3.13.0rc2");
        assert_eq!(version("toy", 0x100), "0x100");
        assert_eq!(
            [magic("cpython", 0x0A0D_0DA7), magic("toy", 0x0A0D_0DA7), magic("cpython", 7)],
            [3495, 0x0A0D_0DA7, 7]
        );
    }
}
