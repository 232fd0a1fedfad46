//! A string of choices as a program: written, verified, read back equal, and written again with the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use permacode_fuzz::Shares;
use permacode_reader::Archive;
use permacode_testkit::{Canonical, Choices, Program, walk};
use permacode_writer::Options;

static SHARES: Shares<3> = Shares::new(["with modules", "with containers that hold code", "with wide records"]);

fuzz_target!(|choices: &[u8]| {
    SHARES.run();
    let program = Choices(choices).program();
    let plan = program.plan(Options::default(), 0).unwrap();
    let bytes = plan.to_bytes();
    let archive = Archive::open(&bytes[..]).unwrap();
    let (structure, module, everything) = walk::verify(&archive);
    structure.and(module).and(everything).unwrap();
    let again = Program::read(&archive).unwrap();
    let forms = |program: &Program<'_>| {
        let mut forms: Vec<String> = Vec::new();
        for part in &program.targets {
            let mut resources = part.resources.clone();
            resources.sort_by_key(|file| [file.root.as_bytes(), b"/", &file.path].concat());
            forms.push(format!("{:?} {resources:?}", part.target));
            forms.extend(part.modules.iter().map(|module| format!("{:?} {:?}", part.target, Canonical::of(module))));
        }
        forms.sort();
        forms
    };
    let expected = forms(&program);
    assert_eq!(expected, forms(&again));
    assert!(again.write() == bytes);
    let order = choices.iter().fold(1u64, |order, byte| order.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    assert!(program.plan(Options::default(), order | 1).unwrap().to_bytes() == bytes);

    if program.targets.iter().any(|part| !part.modules.is_empty()) {
        SHARES.reach(0);
    }
    if expected.iter().any(|form| form.contains("has_code: true")) {
        SHARES.reach(1);
    }
    if plan.report().wide_records > 0 {
        SHARES.reach(2);
    }
});
