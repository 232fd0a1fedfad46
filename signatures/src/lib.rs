//! Finds the defaults and annotations of functions in Python source, without running Python.
//!
//! ```text
//! source -> decode -> check of the nesting -> ruff's parser -> Functions -> add_to(module) -> Code::signature
//! ```
//!
//! [`Functions::of_source`] needs only the source, so it can run while the source is compiled elsewhere.
//! [`Functions::add_to`] finds the code object of each function, and stores the JSON text of `spec.md` annex B.2 there:
//!
//! ```
//! use permacode_model::{Code, Leaf, Module, Object, Ref, Str};
//! use permacode_signatures::Functions;
//!
//! let text = |text: &'static str| Object::Leaf(Leaf::Str(Str::interned(text)));
//! let body = Code { constants: vec![Ref::Code(1)], ..Code::default() };
//! // A function: co_flags has CO_OPTIMIZED.
//! let function = Code { name: 1, arg_count: 1, locals: vec![2], first_line: 1, flags: 1, ..Code::default() };
//! let mut module = Module {
//!     objects: vec![text("<module>"), text("area"), text("radius")],
//!     codes: vec![body, function],
//!     body: Some(0),
//!     ..Module::namespace("shapes")
//! };
//! let functions = Functions::of_source(b"def area(radius: float = 1) -> float: ...")?;
//! assert_eq!(functions.add_to(&mut module).matched, 1);
//! let signature = module.codes[1].signature.as_deref().unwrap();
//! assert_eq!(signature, br#"{"d":["1"],"a":["float"],"r":"float"}"#);
//! # Ok::<(), permacode_signatures::Refused>(())
//! ```
//!
//! # Hostile sources
//!
//! Any bytes yield functions or a [`Refused`]. A check of the tokens limits how deep the syntax tree can be, before
//! anything recurses. The texts of one source have at most a constant multiple of its length.
#![forbid(unsafe_code)]

mod add;
mod decode;
mod nesting;
mod refused;
mod source;
mod text;

pub use add::Counts;
pub use refused::Refused;
pub use source::Functions;
