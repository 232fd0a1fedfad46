//! The reader notices damage: every prefix, every flipped bit.

use permacode_reader::{Archive, Rule};
use permacode_testkit::shapes;
use std::collections::BTreeMap;

#[test]
fn no_prefix_opens() {
    for (name, bytes) in shapes::all() {
        for len in 0..bytes.len() {
            let error = Archive::open(&bytes[..len]).err().unwrap_or_else(|| panic!("{name}, {len} bytes"));
            let expected = [Rule::H1, Rule::H3, Rule::H4][usize::from(len >= 8) + usize::from(len >= 32)];
            assert_eq!(error.rule(), Some(expected), "{name}, {len} bytes: {error}");
            assert!(Archive::open_prefix(&bytes[..len]).is_err(), "{name}, {len} bytes");
        }
    }
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let (mut by_open, mut by_structure, mut by_everything) = (0, 0, 0);
    let mut by_rule: BTreeMap<Rule, u32> = BTreeMap::new();
    for (name, mut bytes) in shapes::all() {
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (error, count) = match Archive::open(&bytes[..]) {
                Err(error) => (error, &mut by_open),
                Ok(archive) => match archive.verify_structure() {
                    Err(error) => (error, &mut by_structure),
                    Ok(()) => match archive.verify() {
                        Err(error) => (error, &mut by_everything),
                        Ok(()) => panic!("{name}: bit {bit} of {} bytes can be flipped", bytes.len()),
                    },
                },
            };
            *count += 1;
            *by_rule.entry(error.rule().unwrap()).or_default() += 1;
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        Archive::open(&bytes[..]).unwrap().verify().unwrap();
    }
    println!("noticed by open: {by_open}, by verify_structure: {by_structure}, by verify: {by_everything}");
    println!("by rule: {by_rule:?}");
}
