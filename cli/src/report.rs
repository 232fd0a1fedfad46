//! Errors on standard error: what could not be done, and what caused it.

use std::io::Write;

/// Prints an error and its causes. Where a cause only repeats what was said before it is left out.
pub(crate) fn print(error: &anyhow::Error) {
    let text = text(error);
    // Nobody is left to tell if this fails.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// A remark for the person at the terminal; results go to standard output.
pub(crate) fn note(line: impl std::fmt::Display) {
    let _ = std::io::stderr().write_all(harmless(&format!("{line}\n")).as_bytes());
}

fn text(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if parts.last().is_none_or(|last| !last.contains(&cause)) {
            parts.push(cause);
        }
    }
    let mut parts = parts.into_iter();
    let mut text = format!("permacode: {}", parts.next().unwrap_or_default());
    if let Some(cause) = parts.next() {
        text.push_str(": ");
        text.push_str(&cause);
    }
    for cause in parts {
        text.push_str("\n  caused by: ");
        text.push_str(&cause);
    }
    text.push('\n');
    harmless(&text)
}

/// Control characters as escapes, all but line breaks: a path of somebody else may be part of a message.
fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\n' {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::text;
    use anyhow::anyhow;

    #[test]
    fn the_first_cause_stands_on_the_line_and_the_others_below() {
        let error = anyhow!("disk full").context("cannot write").context("no archive was made").context("bundle");
        assert_eq!(
            text(&error),
            "permacode: bundle: no archive was made\n  caused by: cannot write\n  caused by: disk full\n"
        );
        assert_eq!(text(&anyhow!("alone")), "permacode: alone\n");
    }

    #[test]
    fn a_cause_that_repeats_its_effect_is_left_out() {
        let error = anyhow!("no such file").context("no such file").context("cannot open \"a\"");
        assert_eq!(text(&error), "permacode: cannot open \"a\": no such file\n");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(text(&anyhow!("cannot open a\x1b[31m")), "permacode: cannot open a\\u{1b}[31m\n");
    }
}
