//! Folders: what they contain, and when their facts can be trusted.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs, io,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hashbrown::HashSet;

use super::{super::source::State, file::Facts};

/// File systems store times with a limited resolution. Two changes with the same time look the same. So facts are
/// trusted only if the last change was longer ago than the resolution.
const MARGIN: Duration = Duration::from_millis(100);
/// The margin for times in whole seconds. FAT stores only even ones.
const COARSE_MARGIN: Duration = Duration::from_secs(2);

/// How long to wait until each further change will change the facts. `None` if that is so already.
pub(super) fn unsettled(facts: &Facts) -> Option<Duration> {
    let margin = if facts.changed % 1_000_000_000 == 0 { COARSE_MARGIN } else { MARGIN };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let age = i128::try_from(now.as_nanos()).unwrap_or_default() - i128::from(facts.changed);
    let is_settled = u128::try_from(age).is_ok_and(|age| age > margin.as_nanos());
    (!is_settled).then_some(margin)
}

/// The hash of a path or of a stem.
pub(super) fn hash(text: &[u8]) -> u64 {
    permacode_format::name_hash(text, 0)
}

/// The part of a name before its first dot. A module `tool` lies in a folder `tool`, or in a file whose name is `tool`
/// and one of the suffixes of CPython, all of which start with a dot.
fn stem(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == b'.').next().unwrap_or_default()
}

/// The stems of the names in a folder.
#[derive(Debug)]
pub(super) struct Listing {
    /// The folder before it was listed.
    pub(super) state: State,
    /// `None` for times that are too far away.
    pub(super) facts: Option<Facts>,
    /// As for [`unsettled`]: the listing is not to be trusted for as long.
    pub(super) unsettled: Option<Duration>,
    /// Sorted hashes.
    pub(super) stems: Vec<u64>,
}

impl Listing {
    pub(super) fn of(path: &Path) -> io::Result<Listing> {
        Ok(Listing::with_names(path)?.0)
    }

    /// The listing and the names themselves.
    pub(super) fn with_names(path: &Path) -> io::Result<(Listing, Vec<OsString>)> {
        let state = State::of_file(path)?;
        let facts = Facts::of(&state);
        let unsettled = facts.as_ref().and_then(unsettled);
        let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        let mut stems: Vec<u64> = names.iter().map(|name| hash(stem(name.as_encoded_bytes()))).collect();
        stems.sort_unstable();
        stems.dedup();
        Ok((Listing { state, facts, unsettled, stems }, names))
    }
}

/// The modules for which a folder with these names has a file with a suffix of extension modules, and the number of the
/// first such suffix. A name for which the folder has a file or a folder without a suffix is left out: that may be a
/// package, and would change without a change of this folder.
pub(super) fn extensions<'n>(names: &'n [OsString], suffixes: &[&str]) -> BTreeMap<&'n str, u32> {
    let all: HashSet<&OsStr> = names.iter().map(OsString::as_os_str).collect();
    let mut found = BTreeMap::new();
    for (number, suffix) in (0u32..).zip(suffixes) {
        for name in names.iter().filter_map(|name| name.to_str()?.strip_suffix(suffix)) {
            if name.is_ascii() && !name.contains('.') && !all.contains(OsStr::new(name)) {
                found.entry(name).or_insert(number);
            }
        }
    }
    found
}
