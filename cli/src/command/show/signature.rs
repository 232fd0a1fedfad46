//! The signature of a function.

use super::text::text;
use crate::escape::harmless;
use permacode_pyc::is_function;
use permacode_reader::{Code, ParameterKind, Result, Signature, Text};
use serde::{Serialize, Serializer};

/// Most characters of a signature in a table.
const MAX_IN_TABLE: usize = 80;

/// A signature whose parameters all have names. JSON and text are made when they are printed, because many functions
/// may share a long list of parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignatureView<'a>(Signature<'a>);

impl<'a> SignatureView<'a> {
    /// The signature of a function of CPython, a lambda or a comprehension. `None` for the body of a class or a module.
    pub(super) fn new(code: &Code<'a>) -> Result<Option<Self>> {
        if !is_function(code.flags()) {
            return Ok(None);
        }
        let signature = code.signature()?;
        signature.parameters().try_for_each(|parameter| parameter.map(drop))?;
        Ok(Some(SignatureView(signature)))
    }

    /// The whole signature as one line for a terminal.
    pub(super) fn line(self) -> String {
        shown(&self.0.to_string())
    }

    /// The start of the signature for a cell of a table.
    pub(super) fn shortened(self) -> String {
        let whole = self.0.to_string();
        match whole.char_indices().nth(MAX_IN_TABLE) {
            Some((end, _)) => format!("{}…", shown(&whole[..end])),
            None => shown(&whole),
        }
    }
}

/// Source text on one line. A line break or a tab in a string gets a sign of its own: `\n` and `\t` are escapes of the
/// source.
fn shown(source: &str) -> String {
    harmless(&source.replace('\n', "↵").replace('\t', "⇥"))
}

/// The words of `inspect.Parameter.kind.description`.
fn words(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::PositionalOnly => "positional-only",
        ParameterKind::PositionalOrKeyword => "positional or keyword",
        ParameterKind::VarPositional => "variadic positional",
        ParameterKind::KeywordOnly => "keyword-only",
        ParameterKind::VarKeyword => "variadic keyword",
    }
}

impl Serialize for SignatureView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            parameters: Parameters<'a>,
            returns: Option<SourceText<'a>>,
        }
        Fields { parameters: Parameters(self.0), returns: self.0.returns().map(SourceText) }.serialize(serializer)
    }
}

struct Parameters<'a>(Signature<'a>);

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            name: crate::text::Text<'a>,
            kind: &'static str,
            default: Option<SourceText<'a>>,
            annotation: Option<SourceText<'a>>,
        }
        // `SignatureView::new` has read every name.
        serializer.collect_seq(self.0.parameters().flatten().map(|parameter| Fields {
            name: text(parameter.name),
            kind: words(parameter.kind),
            default: parameter.default.map(SourceText),
            annotation: parameter.annotation.map(SourceText),
        }))
    }
}

/// The source text of an expression.
struct SourceText<'a>(Text<'a>);

impl Serialize for SourceText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
