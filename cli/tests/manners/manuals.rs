//! Manual pages.

use crate::fixture::{Fixture, run};
use std::fs;

#[test]
fn each_page_names_only_pages_that_exist() {
    let fixture = Fixture::new();
    let (code, stdout, stderr) = run(&mut fixture.command(&["man", "-o", "man"]));
    assert_eq!((code, &stderr[..]), (Some(0), ""));
    let pages: Vec<&str> = stdout.lines().collect();
    assert_eq!(pages.len(), 17);
    for page in &pages {
        let text = fs::read_to_string(fixture.path().join(page)).unwrap().replace("\\-", "-");
        for word in text.split_whitespace().filter_map(|word| word.strip_suffix("(1)")) {
            assert!(pages.contains(&format!("man/{word}.1").as_str()), "{page} names {word}(1)");
        }
        let name = page.trim_start_matches("man/").trim_end_matches(".1");
        let title = format!(".TH {name} 1 \"\" \"Permacode {}\" Permacode\n", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&title), "{page}: {text}");
    }
    let text = fs::read_to_string(fixture.path().join("man/permacode.1")).unwrap().replace("\\-", "-");
    for page in &pages[1..] {
        let name = page.trim_start_matches("man/").trim_end_matches(".1");
        assert!(text.contains(&format!("\n{name}(1)\n")), "{name}: {text}");
    }
}

#[test]
fn the_synopsis_is_the_usage_of_the_help() {
    let fixture = Fixture::new();
    for (command, synopsis) in [
        ("list", r"\fBpermacode list\fR [OPTIONS] <FILE> [NAME]"),
        ("bundle", r"\fBpermacode bundle\fR [OPTIONS] \-\-output <FILE> [[ROOT=]PATH]..."),
        ("man", "\\fBpermacode man\\fR [COMMAND]\n.br\n\\fBpermacode man\\fR \\-\\-output <DIR>\n"),
    ] {
        let (code, page, _) = run(&mut fixture.command(&["man", command]));
        assert_eq!(code, Some(0));
        assert!(page.contains(synopsis), "{command}: {page}");
    }
}
