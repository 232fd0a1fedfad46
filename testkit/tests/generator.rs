//! The generator of programs must use every feature of the model. Otherwise property tests miss some of them.

use permacode_format::name_hash;
use permacode_model::*;
use permacode_testkit::{Canonical, Choices, Node};
use permacode_writer::Options;
use std::collections::BTreeMap;

#[test]
fn every_feature_of_the_model_is_generated() {
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    let mut note = |what: &str, is_there: bool| *found.entry(what.into()).or_default() += u32::from(is_there);
    for seed in 0..200u64 {
        let choices: Vec<u8> =
            (0..300u64).flat_map(|index| name_hash(&index.to_le_bytes(), seed).to_le_bytes()).collect();
        let program = Choices(&choices).program();
        let report = program.plan(Options::default(), 0).unwrap().report().clone();
        note("wide record", report.wide_records > 0);
        note("merged object", report.objects.saved_bytes() > 0);
        note("merged list", report.lists.saved_bytes() > 0);
        note("several targets", program.targets.len() > 1);
        for part in &program.targets {
            note("sealed", part.target.sealed);
            note("resource that is no UTF-8", part.resources.iter().any(|file| str::from_utf8(&file.path).is_err()));
            for module in &part.modules {
                let form = Canonical::of(module);
                note("namespace", module.kind == ModuleKind::Namespace);
                note("package", module.kind == ModuleKind::Package);
                note("source text", module.source.as_ref().is_some_and(|source| source.text.is_some()));
                note(
                    "long qualified name",
                    form.qualnames.iter().any(|name| name.windows(10).any(|part| part == b".<locals>.")),
                );
                note("three levels", form.nodes.iter().any(|node| is_deep(node, &form)));
                for node in &form.nodes {
                    match node {
                        Node::Scalar(Object::Leaf(Leaf::Str(text))) => {
                            note("surrogates", str::from_utf8(&text.text).is_err())
                        }
                        Node::Scalar(Object::Leaf(leaf)) => {
                            note(format!("{leaf:?}").split(['(', ' ']).next().unwrap(), true)
                        }
                        Node::Scalar(Object::Container(..)) => panic!("a container is no scalar"),
                        Node::Container { kind, has_code, .. } => {
                            note(&format!("{kind:?}"), true);
                            note(&format!("{kind:?} with code"), *has_code);
                        }
                        Node::Code(code) => {
                            note(format!("{:?}", code.qualname).split(['(', ' ']).next().unwrap(), true);
                            note("docstring", code.docstring.is_some());
                            note("file name", code.filename.is_some());
                            note("signature", code.signature.is_some());
                            note("stated locals", code.local_count.is_some());
                            note("more than 255 parameters", code.arg_count > 255);
                            note("negative line", code.first_line < 0);
                        }
                    }
                }
            }
        }
    }
    for (what, count) in &found {
        println!("{count:6} {what}");
    }
    assert!(found.values().all(|count| *count > 0), "{found:?}");
    assert!(found.len() >= 45, "{}", found.len());
}

fn is_deep(node: &Node<'_>, form: &Canonical<'_>) -> bool {
    let inner = |place: &usize| match &form.nodes[*place] {
        Node::Container { items, .. } => items.iter().any(|place| matches!(form.nodes[*place], Node::Container { .. })),
        _ => false,
    };
    matches!(node, Node::Container { items, .. } if items.iter().any(inner))
}
