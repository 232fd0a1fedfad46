//! A limit for the depth of the syntax tree, checked before anything recurses.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

/// The most levels of a syntax tree. CPython itself refuses sources long before this: at 100 blocks, 200 brackets and a
/// few thousand operators in a row.
pub(crate) const MAX_NESTING: usize = 4000;

/// Whether the syntax tree of a source may have more than [`MAX_NESTING`] levels.
///
/// Each level of a tree takes a token of its own: a bracket, an operator, a keyword, a dot or a block. This counts the
/// tokens that can be above a node: in the brackets around it those since the last comma, and on its line those outside
/// of brackets. A comma between the parameters of a lambda ends no level.
pub(crate) fn is_too_deep(source: &str) -> bool {
    let mut lexer = lexer::lex(source, Mode::Module);
    let mut blocks = 0usize;
    let mut outer = Level::default();
    let mut inner: Vec<Level> = Vec::new();
    let mut total = 0usize;
    loop {
        let level = inner.last_mut().unwrap_or(&mut outer);
        match lexer.next_token() {
            TokenKind::EndOfFile => return false,
            TokenKind::Indent => blocks += 1,
            TokenKind::Dedent => blocks = blocks.saturating_sub(1),
            TokenKind::Newline => {
                inner.clear();
                (outer, total) = (Level::default(), 0);
            }
            TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::None
            | TokenKind::True
            | TokenKind::False
            | TokenKind::Ellipsis
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline => {}
            TokenKind::Comma => {
                if !inner.is_empty() {
                    let level = inner.last_mut().unwrap_or(&mut outer);
                    total -= level.tokens - level.kept;
                    level.tokens = level.kept;
                }
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace | TokenKind::FStringEnd | TokenKind::TStringEnd => {
                if let Some(level) = inner.pop() {
                    total -= level.tokens;
                }
            }
            kind => {
                level.tokens += 1;
                total += 1;
                match kind {
                    TokenKind::Lambda => level.kept = level.tokens,
                    TokenKind::Lpar
                    | TokenKind::Lsqb
                    | TokenKind::Lbrace
                    | TokenKind::FStringStart
                    | TokenKind::TStringStart => inner.push(Level::default()),
                    _ => {}
                }
            }
        }
        if blocks + total > MAX_NESTING {
            return true;
        }
    }
}

/// The tokens directly between two brackets.
#[derive(Default)]
struct Level {
    /// Since the last comma.
    tokens: usize,
    /// Up to the last `lambda`.
    kept: usize,
}
