//! How much there may be to walk: lists and objects can be shared, and hostile ones can overlap (spec.md 9).

use crate::{
    error::{Error, Result},
    items::List,
    module::Module,
    object::Object,
    view::View,
};
use permacode_format::{LIST_BUDGET, Rule, SectionKind};

/// What is left of the work that an archive may ask for, for those who walk more than one code object.
///
/// A few bytes can say that a thousand code objects share a list of a million items. An archive that keeps [C-9] does
/// not; one that nobody has verified may. Who expands lists and containers takes each of them from a budget first, and
/// so does work and needs memory in proportion to the archive, whatever it holds.
#[derive(Debug, Clone)]
pub struct Budget {
    items: u64,
    objects: u64,
}

impl<'a> Module<'a> {
    /// The budget for a walk over the archive of this module.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget::of(self.view())
    }
}

impl Budget {
    pub(crate) fn of(view: View<'_>) -> Budget {
        let len = |kind| view.section(kind).len();
        Budget {
            items: view.layout.file_len.saturating_mul(LIST_BUDGET),
            objects: len(SectionKind::Constants).saturating_add(len(SectionKind::Docstrings)),
        }
    }

    /// Takes the list of a code object; each is to be taken once.
    ///
    /// # Errors
    /// `[C-9]`
    pub fn take_list(&mut self, list: &List<'_>) -> Result<()> {
        let len = list.len() as u64;
        match self.items.checked_sub(len) {
            Some(left) => self.items = left,
            None => return Err(Error::value(Rule::C9, list.code_offset(), "the number of items of a list", len)),
        }
        Ok(())
    }

    /// Takes an object; each is to be taken once.
    ///
    /// # Errors
    /// `[O-1]` if all that were taken are longer than their sections, which is to say that some overlap; whatever
    /// [`Object::constant`] finds wrong.
    pub fn take_object(&mut self, object: &Object<'_>) -> Result<()> {
        let len = object.own_bytes()?.len();
        match self.objects.checked_sub(len) {
            Some(left) => self.objects = left,
            None => {
                return Err(Error::value(Rule::O1, object.entry_offset(), "the length of an object among others", len));
            }
        }
        Ok(())
    }
}
