//! The names that are looked up, in a random order.

use crate::Names;
use anyhow::{Result, ensure};
use fastrand::Rng;
use std::{collections::HashSet, ops::Range};

/// Names in the order of their lookups. Their bytes lie in the same order, so that reading the names themselves is
/// quick.
#[derive(Debug)]
pub(crate) struct Queries {
    all: Vec<String>,
    /// How many of the names the structures have.
    expected: Names,
    text: String,
    ranges: Vec<Range<usize>>,
}

impl Queries {
    /// The names of an archive, or as many names that it has not.
    pub(crate) fn new(names: Vec<&str>, expected: Names) -> Self {
        let all = match expected {
            Names::Present => names.iter().map(|name| (*name).to_owned()).collect(),
            Names::Absent => {
                let known: HashSet<&str> = names.iter().copied().collect();
                let mut rng = Rng::with_seed(1);
                names.iter().map(|name| absent(name, &known, &mut rng)).collect()
            }
        };
        Queries { all, expected, text: String::new(), ranges: Vec::new() }
    }

    /// Chooses up to `count` of the names and puts them into a new order.
    pub(crate) fn shuffle(&mut self, rng: &mut Rng, count: usize) {
        rng.shuffle(&mut self.all);
        self.text.clear();
        self.ranges.clear();
        for name in self.all.iter().take(count) {
            let start = self.text.len();
            self.text.push_str(name);
            self.ranges.push(start..self.text.len());
        }
    }

    /// The names that were chosen. Cutting them out of the text is no part of a lookup, so call this before the clock
    /// starts.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.ranges.iter().map(|range| &self.text[range.clone()]).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Fails if not all of the names, or not none of them, were found.
    pub(crate) fn check(&self, found: usize) -> Result<()> {
        let expected = if self.expected == Names::Present { self.len() } else { 0 };
        ensure!(found == expected, "{found} of {} names were found, {expected} were expected", self.len());
        Ok(())
    }
}

/// The name with one other letter, so that it is not one of those that are known.
fn absent(name: &str, known: &HashSet<&str>, rng: &mut Rng) -> String {
    loop {
        let mut letters: Vec<char> = name.chars().collect();
        let place = rng.usize(..letters.len());
        letters[place] = rng.lowercase();
        let other: String = letters.into_iter().collect();
        if !known.contains(&*other) {
            return other;
        }
    }
}
