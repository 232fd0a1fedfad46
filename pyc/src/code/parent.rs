//! The parent of a code object: the code object that has it as a constant.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::check::Checked;
use crate::marshal::{Value, Values};

/// The parent of a code object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    /// The body of the module, or a code object that occurs only in a container.
    None,
    /// The number of the only parent, and the first index of the code object among its constants.
    One(u32, usize),
    /// Several code objects have it as a constant. Its qualified name cannot be derived.
    Many,
}

impl Parent {
    pub(super) fn one(self) -> Option<u32> {
        if let Self::One(parent, _) = self { Some(parent) } else { None }
    }
}

/// The parents of all code objects.
pub(super) fn parents(values: &Values<'_>, codes: &[Checked<'_>]) -> Vec<Parent> {
    let mut parents = vec![Parent::None; codes.len()];
    for (number, code) in (0u32..).zip(codes) {
        for (index, &constant) in values.items(code.constants).iter().enumerate() {
            let &Value::Code(child) = values.value(constant) else { continue };
            if let Some(parent) = parents.get_mut(child as usize) {
                *parent = match *parent {
                    Parent::None => Parent::One(number, index),
                    Parent::One(other, first) if other == number => Parent::One(number, first),
                    _ => Parent::Many,
                };
            }
        }
    }
    parents
}
