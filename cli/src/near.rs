//! Names that are nearly the one asked for.

use crate::escape::escape;
use anyhow::Result;
use permacode_reader::Archive;
use std::collections::BTreeSet;

/// How many suggestions are made.
const SUGGESTIONS: usize = 3;

/// Longest name that suggestions are made for, in bytes: comparing takes time in proportion to its square.
const MAX_LEN: usize = 100;

/// All names of an archive that can be suggested, of modules and resources.
#[derive(Debug)]
pub(crate) struct Names<'a>(BTreeSet<&'a [u8]>);

impl<'a> Names<'a> {
    pub(crate) fn of<D: AsRef<[u8]>>(archive: &'a Archive<D>) -> Result<Self> {
        let mut names = BTreeSet::new();
        let mut add = |name: &'a [u8]| {
            if name.len() <= MAX_LEN {
                names.insert(name);
            }
        };
        for target in archive.targets() {
            for module in target.modules() {
                add(module?.name()?.as_bytes());
            }
            for resource in target.resources() {
                add(resource?.path()?.as_slice());
            }
        }
        Ok(Names(names))
    }

    /// A question about the names nearest to this one, best first; `None` if none is near.
    pub(crate) fn suggest(&self, wanted: &[u8]) -> Option<String> {
        let wanted = wanted.to_ascii_lowercase();
        let mut found: Vec<(usize, &[u8])> = Vec::new();
        if wanted.len() <= MAX_LEN {
            for name in &self.0 {
                let lowercase = name.to_ascii_lowercase();
                let last = lowercase.rsplit(|byte| b"./".contains(byte)).next().unwrap_or(&lowercase);
                // The right name without its package or folder is the likeliest mistake.
                let distance = if last == wanted { 1 } else { distance(&lowercase, &wanted) };
                if distance <= wanted.len().div_ceil(3) {
                    found.push((distance, name));
                }
            }
        }
        found.sort();
        let names: Vec<String> =
            found.iter().take(SUGGESTIONS).map(|(_, name)| format!("\"{}\"", escape(name))).collect();
        (!names.is_empty()).then(|| format!("  did you mean {}?", names.join(", ")))
    }
}

/// Bytes to insert, remove or replace to turn one text into the other.
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
        let names = Names(["json", "json.decoder", "bson", "os", "tkinter"].map(str::as_bytes).into());
        assert_eq!(names.suggest(b"Jsno").as_deref(), Some("  did you mean \"json\"?"));
        assert_eq!(names.suggest(b"decoder").as_deref(), Some("  did you mean \"json.decoder\"?"));
        assert_eq!(names.suggest(b"zzzzzz"), None);
    }
}
