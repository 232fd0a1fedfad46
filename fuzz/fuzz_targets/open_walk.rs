//! Any bytes as an archive: every accessor, every depth of verification, and the way back into the model.
#![no_main]

use libfuzzer_sys::fuzz_target;
use permacode_fuzz::Shares;
use permacode_reader::Archive;
use permacode_testkit::{Canonical, Edited, Program, Repair, walk};
use permacode_writer::{ErrorKind, Options};

static SHARES: Shares<5> = Shares::new(["opened", "code reached", "object reached", "structure valid", "valid"]);

fuzz_target!(|bytes: &[u8]| {
    SHARES.run();
    check(bytes);
    let mut repaired = Edited(bytes.to_vec());
    repaired.repair(Repair::Everything);
    check(&repaired.0);
});

fn check(bytes: &[u8]) {
    let Ok(archive) = Archive::open(bytes) else { return };
    SHARES.reach(0);
    let reached = walk::walk(&archive);
    let checked = Archive::open(bytes).and_then(Archive::checked);
    if let Ok(checked) = &checked {
        walk::walk(checked);
    }
    if reached.codes > 0 {
        SHARES.reach(1);
    }
    if reached.objects > 0 {
        SHARES.reach(2);
    }
    let (structure, _, everything) = walk::verify(&archive);
    if structure.is_ok() {
        SHARES.reach(3);
    }
    let program = Program::read(&archive);
    if everything.is_err() {
        return;
    }
    SHARES.reach(4);
    assert_eq!(walk::walk(&checked.expect("a valid archive has correct checksums")), reached);
    let program = program.expect("a valid archive can be read back");
    let plan = match program.plan(Options::default(), 0) {
        Ok(plan) => plan,
        // Code objects may nest deeper than they have parents.
        Err(error) if matches!(error.kind(), ErrorKind::Limit { .. }) => return,
        Err(error) => panic!("a valid archive can be written: {error}"),
    };
    let written = plan.to_bytes();
    let again = Archive::open(&written[..]).unwrap();
    again.verify().unwrap();
    let again = Program::read(&again).unwrap();
    for (one, other) in program.targets.iter().zip(&again.targets) {
        assert_eq!(one.modules.len(), other.modules.len());
    }
    let nodes = |program: &Program<'_>| {
        let modules = program.targets.iter().flat_map(|part| &part.modules);
        let mut nodes: Vec<_> =
            modules.map(|module| format!("{} {:?}", module.name, Canonical::of(module).nodes)).collect();
        nodes.sort();
        nodes
    };
    assert!(nodes(&program) == nodes(&again));
}
