//! `Debug` for constants and views, with a limited length.
//!
//! Without a limit, the output could be endless: a few hundred bytes of shared tuples can stand for 2^60 values, and a
//! thousand values can share one text of a gigabyte.

use crate::{
    archive::Archive,
    error::Result,
    leaf::Leaf,
    object::{Constant, Container, Item},
    perma_bytes::PermaBytes,
    qualname::QualnamePart,
    view::View,
};
use alloc::vec::Vec;
use core::fmt;
use permacode_format::Container as ContainerKind;

/// The most values to show for one constant.
const BUDGET: u32 = 1000;
/// The most characters of a text, and the most bytes of a bytes object or integer, to show.
const SHOWN: usize = 200;
/// The most levels of containers to show. The code recurses once for each level.
const LEVELS: u32 = 16;

impl<D: AsRef<[u8]>> fmt::Debug for Archive<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("file_len", &self.file_len())
            .field("code_align", &self.code_align())
            .field("targets", &self.targets().len())
            .field("codes", &self.code_count())
            .field("objects", &self.object_count())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<archive of {} bytes>", self.file().len())
    }
}

impl fmt::Debug for Constant<'_> {
    /// The value in the notation of Python, with `...` in place of values beyond the limit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_constant(f, Ok(*self), &mut BUDGET.clone(), LEVELS)
    }
}

impl fmt::Debug for Item<'_> {
    /// The value in the notation of Python, with `...` in place of values beyond the limit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_item(f, Ok(*self), &mut BUDGET.clone(), LEVELS)
    }
}

fn write_item(f: &mut fmt::Formatter<'_>, item: Result<Item<'_>>, budget: &mut u32, levels: u32) -> fmt::Result {
    let code = match item {
        Ok(Item::Object(object)) => return write_constant(f, object.constant(), budget, levels),
        Ok(Item::Code(code)) => code,
        Err(error) => return write_constant(f, Err(error), budget, levels),
    };
    let Some(left) = budget.checked_sub(1) else { return f.write_str("...") };
    *budget = left;
    let name = code.qualname();
    let len = |parts: Vec<QualnamePart<'_>>| parts.iter().map(|part| part.text.bytes().len()).sum::<usize>();
    if name.parts().is_ok_and(|parts| len(parts) > SHOWN) {
        write!(f, "<code of a long name #{}>", code.id())
    } else {
        write!(f, "<code {name} #{}>", code.id())
    }
}

fn write_constant(
    f: &mut fmt::Formatter<'_>,
    constant: Result<Constant<'_>>,
    budget: &mut u32,
    levels: u32,
) -> fmt::Result {
    let Some(left) = budget.checked_sub(1) else { return f.write_str("...") };
    *budget = left;
    match constant {
        Err(error) => write!(f, "<{error}>"),
        Ok(Constant::Leaf(leaf)) => write_leaf(f, leaf),
        Ok(Constant::Container(container)) => match levels.checked_sub(1) {
            Some(levels) => write_container(f, &container, budget, levels),
            None => f.write_str("..."),
        },
    }
}

fn write_leaf(f: &mut fmt::Formatter<'_>, leaf: Leaf<'_>) -> fmt::Result {
    match leaf {
        Leaf::None => f.write_str("None"),
        Leaf::False => f.write_str("False"),
        Leaf::True => f.write_str("True"),
        Leaf::Ellipsis => f.write_str("Ellipsis"),
        Leaf::StopIteration => f.write_str("StopIteration"),
        Leaf::Int(bytes) => write_int(f, &bytes),
        Leaf::Float(bits) => write!(f, "{:?}", f64::from_bits(bits)),
        Leaf::Complex(real, imaginary) => {
            write!(f, "complex({:?}, {:?})", f64::from_bits(real), f64::from_bits(imaginary))
        }
        Leaf::Bytes(bytes) => write_bytes(f, &bytes),
        Leaf::Str(text) => match text.to_str().map(|all| (all, all.char_indices().nth(SHOWN))) {
            Some((all, None)) => write!(f, "{all:?}"),
            Some((all, Some((end, _)))) => {
                write!(f, "{:?}... <{} bytes>", all.get(..end).unwrap_or_default(), all.len())
            }
            None => {
                f.write_str("<surrogates ")?;
                write_bytes(f, &text.bytes())?;
                f.write_str(">")
            }
        },
        Leaf::Qualname { constant, .. } => write!(f, "<qualified name of constant {constant}>"),
    }
}

fn write_container(
    f: &mut fmt::Formatter<'_>,
    container: &Container<'_>,
    budget: &mut u32,
    levels: u32,
) -> fmt::Result {
    let (open, close) = match container.kind() {
        ContainerKind::Tuple => ("(", if container.len() == 1 { ",)" } else { ")" }),
        ContainerKind::FrozenSet => ("frozenset({", "})"),
        ContainerKind::List => ("[", "]"),
        ContainerKind::Set | ContainerKind::Dict => ("{", "}"),
        ContainerKind::FrozenDict => ("frozendict({", "})"),
        ContainerKind::Slice => ("slice(", ")"),
    };
    let is_mapping = matches!(container.kind(), ContainerKind::Dict | ContainerKind::FrozenDict);
    f.write_str(open)?;
    for (index, item) in container.iter().enumerate() {
        if index > 0 {
            f.write_str(if is_mapping && index & 1 == 1 { ": " } else { ", " })?;
        }
        if *budget == 0 {
            f.write_str("...")?;
            break;
        }
        write_item(f, item, budget, levels)?;
    }
    f.write_str(close)
}

/// Writes all bytes, or the first ones and the number of all.
fn write_bytes(f: &mut fmt::Formatter<'_>, bytes: &PermaBytes<'_>) -> fmt::Result {
    match bytes.slice(..SHOWN) {
        Some(first) if bytes.len() > SHOWN => write!(f, "{first:?}... <{} bytes>", bytes.len()),
        _ => write!(f, "{bytes:?}"),
    }
}

/// Writes an integer: in decimal if it fits 128 bits, otherwise in hexadecimal, and only its length if that is too
/// long.
fn write_int(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let is_negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut value = [if is_negative { 0xFF } else { 0 }; 16];
    match value.get_mut(..bytes.len()) {
        Some(low) => {
            low.copy_from_slice(bytes);
            write!(f, "{}", i128::from_le_bytes(value))
        }
        None if bytes.len() > SHOWN => write!(f, "<int of {} bytes>", bytes.len()),
        None => {
            f.write_str("<int of two's complement 0x")?;
            bytes.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str(">")
        }
    }
}
