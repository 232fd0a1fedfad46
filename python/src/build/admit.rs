//! Refuses modules that would lead CPython out of its memory, or through too many values.

use permacode_reader::{Item, Module};

use super::{
    instructions,
    weights::{self, Weights},
};
use crate::error::Result;

/// Checks everything in a module that the functions of CPython take on trust.
pub(super) fn admit(module: &Module<'_>, archive_len: u64) -> Result<()> {
    let mut weights = Weights::default();
    let (mut left, mut budget) = (weights::budget(archive_len), module.budget());
    for code in module.codes() {
        let code = code?;
        instructions::check(&code.bytecode()?)?;
        let list = code.list()?;
        budget.take_list(&list)?;
        for item in list.constants().iter() {
            if let Item::Object(object) = item? {
                weights.add_all(object, &mut budget, &mut left)?;
            }
        }
        weights.take_constants(&list, &mut left)?;
    }
    Ok(())
}
