//! A limit on the work of a walk. Lists can be shared, and in a hostile archive objects can overlap (spec.md 9).

use crate::{
    error::{Error, Result},
    items::List,
    module::Module,
    object::Object,
    view::View,
};
use permacode_format::{LIST_BUDGET, Rule, SectionKind};

/// The work that is left for a walk over several code objects.
///
/// In a small archive, a thousand code objects can share a list of a million items. Rule [C-9] forbids that, but an
/// archive that is not verified can break the rule. A program that walks such an archive takes each list and each
/// object from a budget before it visits the items. Its work and memory then stay in proportion to the archive.
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
        let len = |kind| view.section(kind).len_u64();
        Budget {
            items: view.layout.file_len.saturating_mul(LIST_BUDGET),
            objects: len(SectionKind::Constants).saturating_add(len(SectionKind::Docstrings)),
        }
    }

    /// Takes the list of a code object. Call it once for each code object.
    ///
    /// # Errors
    /// `[C-9]` if the lists taken have more items than rule [C-9] allows.
    pub fn take_list(&mut self, list: &List<'_>) -> Result<()> {
        let len = list.len() as u64;
        match self.items.checked_sub(len) {
            Some(left) => self.items = left,
            None => return Err(Error::value(Rule::C9, list.code_offset(), "the number of items of a list", len)),
        }
        Ok(())
    }

    /// Takes an object. Call it at most once for each object.
    ///
    /// # Errors
    /// `[O-1]` if the objects taken have more bytes than their sections, so that some overlap. The errors of
    /// [`Object::constant`].
    pub fn take_object(&mut self, object: &Object<'_>) -> Result<()> {
        let len = object.own_bytes()?.len_u64();
        match self.objects.checked_sub(len) {
            Some(left) => self.objects = left,
            None => {
                let what = "the length of an object that overlaps others";
                return Err(Error::value(Rule::O1, object.entry_offset(), what, len));
            }
        }
        Ok(())
    }
}
