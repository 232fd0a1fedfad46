//! The text of an expression, without comments and line breaks.

use ruff_python_ast::{
    Expr,
    token::{Token, TokenKind},
};
use ruff_text_size::{Ranged, TextRange};

/// A source and its tokens.
#[derive(Clone, Copy)]
pub(crate) struct Tokens<'s> {
    pub(crate) source: &'s str,
    pub(crate) tokens: &'s [Token],
}

impl<'s> Tokens<'s> {
    /// The text of an expression. Between its tokens, comments and line breaks are left out, and other white space is
    /// one space. Literals stay as they are, because a line break in a string is a part of its value.
    pub(crate) fn text(&self, expression: &Expr) -> String {
        let range = expression.range();
        let first = self.tokens.partition_point(|token| token.start() < range.start());
        let tokens = self.tokens.get(first..).unwrap_or_default();
        let mut text = String::new();
        // The last token that was written.
        let mut last: Option<&Token> = None;
        // Nested f-strings and t-strings. Their white space is a part of their value: `f"{x = }"`.
        let mut strings = 0u32;
        for token in tokens.iter().take_while(|token| token.end() <= range.end()) {
            let kind = token.kind();
            if strings == 0 && matches!(kind, TokenKind::Comment | TokenKind::NonLogicalNewline) {
                continue;
            }
            if let Some(last) = last {
                let gap = self.slice(TextRange::new(last.end(), token.start()));
                if strings > 0 {
                    push_literal(&mut text, gap);
                } else if !(gap.is_empty() || gap.contains(['\n', '\r']) && (opens(last.kind()) || closes(kind))) {
                    text.push(' ');
                }
            }
            match kind {
                TokenKind::FStringStart | TokenKind::TStringStart => strings += 1,
                TokenKind::FStringEnd | TokenKind::TStringEnd => strings = strings.saturating_sub(1),
                _ => {}
            }
            push_literal(&mut text, self.slice(token.range()));
            last = Some(token);
        }
        // Elsewhere than after `=` and `:`, these need parentheses.
        if matches!(expression, Expr::Named(_) | Expr::Yield(_) | Expr::YieldFrom(_)) {
            format!("({text})")
        } else {
            text
        }
    }

    fn slice(&self, range: TextRange) -> &'s str {
        self.source.get(range.start().to_usize()..range.end().to_usize()).unwrap_or_default()
    }
}

/// Appends text in which a line break is a line feed, as it is in the value of a string.
fn push_literal(text: &mut String, literal: &str) {
    if literal.contains('\r') {
        text.push_str(&literal.replace("\r\n", "\n").replace('\r', "\n"));
    } else {
        text.push_str(literal);
    }
}

fn opens(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace)
}

fn closes(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace)
}
