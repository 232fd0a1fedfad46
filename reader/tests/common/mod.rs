//! Archives for the tests of the reader, and how to change them field by field.
// Each test binary uses a part of this.
#![allow(dead_code, unreachable_pub)]

pub mod assemble;
pub mod edit;
pub mod shapes;
pub mod walk;
