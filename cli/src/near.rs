//! Advice about a name that an archive does not have.

use crate::escape::escape;
use anyhow::Result;
use permacode_reader::Archive;
use std::collections::BTreeSet;

/// The most names that are suggested.
const SUGGESTIONS: usize = 3;

/// The longest name that is compared, in bytes. Comparing takes time in proportion to the square of the length.
pub(crate) const MAX_LEN: usize = 100;

/// What a name was looked up as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sought {
    Module,
    Resource,
    Either,
}

/// Advice about a name that was not found as what it was sought as. If the name is that of the other kind, `other` says
/// what to do. Otherwise the advice has the nearest names. `also` are names that are neither modules nor resources.
pub(crate) fn advice<D: AsRef<[u8]>>(
    archive: &Archive<D>,
    wanted: &[u8],
    sought: Sought,
    other: &str,
    also: &[&str],
) -> Result<Option<String>> {
    let mut names: BTreeSet<&[u8]> = also.iter().map(|name| name.as_bytes()).collect();
    let (mut is_of_other_kind, mut is_exact) = (false, false);
    let mut add = |name, is_sought, separator| {
        if is_sought {
            names.insert(name);
        } else {
            is_of_other_kind |= is_or_is_below(name, wanted, separator);
            is_exact |= name == wanted;
        }
    };
    for target in archive.targets() {
        for module in target.modules() {
            add(module?.name()?.as_bytes(), sought != Sought::Resource, b'.');
        }
        for resource in target.resources() {
            add(resource?.path()?.as_slice(), sought != Sought::Module, b'/');
        }
    }
    if is_of_other_kind {
        let kind = match (sought, is_exact) {
            (Sought::Module, true) => "resource",
            (Sought::Module, false) => "folder of resources",
            _ => "module",
        };
        return Ok(Some(format!("it is the name of a {kind}: {other}")));
    }
    Ok(suggest(&names, wanted))
}

fn is_or_is_below(name: &[u8], wanted: &[u8], separator: u8) -> bool {
    let wanted = wanted.strip_suffix(&[separator]).unwrap_or(wanted);
    name.strip_prefix(wanted).is_some_and(|rest| rest.first().is_none_or(|first| *first == separator))
}

/// A question about the names nearest to this one, best first; `None` if no name is near.
pub(crate) fn suggest(names: &BTreeSet<&[u8]>, wanted: &[u8]) -> Option<String> {
    if wanted.len() > MAX_LEN {
        return None;
    }
    let wanted = wanted.to_ascii_lowercase();
    let mut found: Vec<(usize, &[u8])> = Vec::new();
    for name in names.iter().filter(|name| name.len() <= MAX_LEN) {
        let lowercase = name.to_ascii_lowercase();
        let last = lowercase.rsplit(|byte| b"./".contains(byte)).next().unwrap_or(&lowercase);
        // A missing package or folder before the right name is the likeliest mistake.
        let distance = if last == wanted { 1 } else { distance(&lowercase, &wanted) };
        if distance <= wanted.len().div_ceil(3) {
            found.push((distance, name));
        }
    }
    found.sort();
    let names: Vec<String> = found.iter().take(SUGGESTIONS).map(|(_, name)| format!("\"{}\"", escape(name))).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(", ")))
}

/// The number of bytes to insert, remove or replace to turn one text into the other.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, byte) in left.iter().enumerate() {
        let mut diagonal = line;
        row[0] = line + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        let cases = [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("json", "jsno", 2)];
        for (left, right, expected) in cases {
            assert_eq!(distance(left.as_bytes(), right.as_bytes()), expected, "{left} {right}");
        }
    }

    #[test]
    fn near_names_come_in_the_order_of_their_distance() {
        let names = ["json", "json.decoder", "bson", "os", "tkinter"].map(str::as_bytes).into();
        assert_eq!(suggest(&names, b"Jsno").as_deref(), Some("did you mean \"json\"?"));
        assert_eq!(suggest(&names, b"decoder").as_deref(), Some("did you mean \"json.decoder\"?"));
        assert_eq!(suggest(&names, b"zzzzzz"), None);
    }

    #[test]
    fn a_folder_has_what_lies_below_it() {
        for (name, wanted, expected) in
            [("a/b", "a", true), ("a/b", "a/", true), ("a/b", "a/b", true), ("ab", "a", false), ("a", "a/b", false)]
        {
            assert_eq!(is_or_is_below(name.as_bytes(), wanted.as_bytes(), b'/'), expected, "{name} {wanted}");
        }
    }
}
