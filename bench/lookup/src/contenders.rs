//! The two structures in which names are looked up.
#![allow(unsafe_code, reason = "rkyv's unchecked access is what the archive is compared with")]

use anyhow::{Context, Result};
use permacode_reader::{Archive, Target};
use rkyv::{
    collections::swiss_table::ArchivedHashMap, rancor::Error, rend::u32_le, string::ArchivedString, util::AlignedVec,
};
use std::{collections::HashMap, hint::black_box};

/// A record of as many bytes as that of a module in an archive.
type Record = [u32; 19];
type Map = ArchivedHashMap<ArchivedString, [u32_le; 19]>;

/// The first target of an archive.
#[derive(Debug)]
pub(crate) struct Archived<'a>(Target<'a>);

impl<'a> Archived<'a> {
    pub(crate) fn new(archive: &'a Archive<&[u8]>) -> Result<Self> {
        Ok(Archived(archive.targets().next().context("the archive has no target")?))
    }

    /// The names of all modules.
    pub(crate) fn names(&self) -> Result<Vec<&'a str>> {
        self.0.modules().map(|module| Ok(module?.name()?)).collect()
    }

    /// Looks up each name. The result is the number of those that were found.
    ///
    /// Callgrind counts the instructions of this function by its name.
    #[inline(never)]
    pub(crate) fn count(&self, names: &[&str]) -> usize {
        let mut found = 0;
        for name in names {
            let module = self.0.find(name);
            found += usize::from(matches!(module, Ok(Some(_))));
            // The module itself has to be made, not only the fact that there is one.
            black_box(&module);
        }
        found
    }
}

/// A hash map in the form in which rkyv writes it to a file.
#[derive(Debug)]
pub(crate) struct MapFile(AlignedVec);

impl MapFile {
    pub(crate) fn new(names: &[&str]) -> Result<Self> {
        let record = |index: usize| [u32::try_from(index).unwrap_or(u32::MAX); 19];
        let map: HashMap<String, Record> =
            names.iter().enumerate().map(|(index, name)| ((*name).to_owned(), record(index))).collect();
        Ok(MapFile(rkyv::to_bytes::<Error>(&map)?))
    }

    fn map(&self) -> &Map {
        // SAFETY: rkyv wrote these bytes as this type in `new`, aligned, and nobody has changed them since.
        unsafe { rkyv::access_unchecked::<Map>(&self.0) }
    }

    /// Looks up each name. The result is the number of those that were found.
    ///
    /// Callgrind counts the instructions of this function by its name.
    #[inline(never)]
    pub(crate) fn count(&self, names: &[&str]) -> usize {
        let map = self.map();
        let mut found = 0;
        for name in names {
            let record = map.get(*name);
            found += usize::from(record.is_some());
            black_box(&record);
        }
        found
    }
}
