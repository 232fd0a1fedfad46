//! Which code object has a code object among its constants.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::check::Checked;
use crate::marshal::{Value, Values};

/// The code object that has a code object among its constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    /// No code object, or only one that has it inside another constant.
    None,
    /// This code object; the first index among its constants.
    One(u32, usize),
    /// Several: nothing can be derived.
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
