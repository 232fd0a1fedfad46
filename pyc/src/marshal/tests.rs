use permacode_model::{Leaf, Str};
use std::borrow::Cow;

use permacode_format::Container;
use proptest::prelude::*;

use super::*;
use crate::{
    Version,
    error::{Error, ErrorKind},
};

fn version(minor: u8) -> Version {
    Version::of_minor(minor).unwrap()
}

fn read(bytes: &[u8]) -> Result<Values<'_>, Error> {
    decode(bytes, 0, version(15))
}

fn failure(bytes: &[u8]) -> (ErrorKind, u64) {
    let error = read(bytes).unwrap_err();
    (error.kind().clone(), error.offset())
}

fn write(values: &Values<'_>, minor: u8) -> Vec<u8> {
    let mut out = Vec::new();
    encode(values, version(minor), &mut out).unwrap();
    out
}

/// Reads and writes again.
fn again(bytes: &[u8]) -> Vec<u8> {
    write(&read(bytes).unwrap(), 15)
}

fn leaf(bytes: &[u8]) -> Value<'_> {
    let values = read(bytes).unwrap();
    values.value(values.root().unwrap()).clone()
}

#[test]
fn what_cpython_writes_is_written_alike() {
    // The output of `marshal.dumps`, without `FLAG_REF`.
    for bytes in [
        &b"N"[..],
        b"T",
        b"F",
        b".",
        b"S",
        b"i\x00\x00\x00\x00",
        b"i\xFF\xFF\xFF\xFF",
        b"i\x00\x00\x00\x80",
        b"l\x03\x00\x00\x00\x00\x00\x00\x00\x02\x00",
        b"l\xFD\xFF\xFF\xFF\x01\x00\x00\x00\x02\x00",
        b"g\x00\x00\x00\x00\x00\x00\x00\x80",
        b"y\x00\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\xF8\x7F",
        b"s\x03\x00\x00\x00a\x00\xFF",
        b"z\x03abc",
        b"Z\x03abc",
        b"u\x02\x00\x00\x00\xC3\xA9",
        b"t\x02\x00\x00\x00\xC3\xA9",
        b"u\x03\x00\x00\x00\xED\xA0\x80",
        b")\x02TF",
        b"[\x02\x00\x00\x00TF",
        b"<\x01\x00\x00\x00T",
        b">\x01\x00\x00\x00T",
        b"{z\x01aN0",
        b"}z\x01aN0",
        b":NTN",
    ] {
        assert_eq!(again(bytes), bytes, "{}", bytes.escape_ascii());
    }
}

#[test]
fn lengths_choose_the_form() {
    for (len, short, long) in [(255, "z\u{1}", false), (256, "a", true)] {
        let text = vec![b'x'; len];
        let mut expected = if long { b"a\x00\x01\x00\x00".to_vec() } else { b"z\xFF".to_vec() };
        assert_eq!(short.as_bytes()[0], expected[0]);
        expected.extend_from_slice(&text);
        assert_eq!(again(&expected), expected);
        let mut tuple = if long { b"(\x00\x01\x00\x00".to_vec() } else { b")\xFF".to_vec() };
        tuple.extend_from_slice(&vec![b'N'; len]);
        assert_eq!(again(&tuple), tuple);
    }
}

#[test]
fn forms_that_are_only_read() {
    assert_eq!(leaf(b"I\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), Value::Leaf(Leaf::Int(Cow::Borrowed(b"\xFF"))));
    assert_eq!(leaf(b"I\x00\x00\x00\x00\x01\x00\x00\x00"), Value::Leaf(Leaf::Int(Cow::Borrowed(b"\0\0\0\0\x01"))));
    assert_eq!(leaf(b"l\x00\x00\x00\x00"), Value::Leaf(Leaf::Int(Cow::Borrowed(b""))));
    assert_eq!(leaf(b"f\x031.5"), Value::Leaf(Leaf::Float(1.5f64.to_bits())));
    assert_eq!(leaf(b"f\x04-inf"), Value::Leaf(Leaf::Float(f64::NEG_INFINITY.to_bits())));
    assert_eq!(leaf(b"x\x031.5\x041e10"), Value::Leaf(Leaf::Complex(1.5f64.to_bits(), 1e10f64.to_bits())));
    // CPython reads one character per byte.
    assert_eq!(
        leaf(b"z\x01\xE9"),
        Value::Leaf(Leaf::Str(Str { text: Cow::Borrowed("é".as_bytes()), interned: false }))
    );
    assert_eq!(leaf(b"(\x01\x00\x00\x00N").type_name(), "a tuple");
    assert_eq!(again(b"(\x01\x00\x00\x00N"), b")\x01N");
}

#[test]
fn references_count_in_the_order_of_starting() {
    // The outer tuple is number 0, "a" is 1; None takes no number although it is flagged.
    let bytes = b"\xA9\x03\xCE\xFA\x01ar\x01\x00\x00\x00";
    let values = read(bytes).unwrap();
    let parts = values.parts(values.root().unwrap());
    assert_eq!(parts[1], parts[2]);
    assert_eq!(*values.value(parts[0]), Value::Leaf(Leaf::None));
    // Only what is referred to keeps its flag.
    assert_eq!(again(bytes), b")\x03N\xFA\x01ar\x00\x00\x00\x00");
    // A tuple in a tuple, twice: the number is taken before the parts are.
    let bytes = b")\x02\xA9\x02\xFA\x01ar\x01\x00\x00\x00r\x00\x00\x00\x00";
    assert_eq!(again(bytes), bytes);
}

#[test]
fn one_object_stays_one_and_two_stay_two() {
    let same = read(b")\x02\xDB\x00\x00\x00\x00r\x00\x00\x00\x00").unwrap();
    let parts = same.parts(same.root().unwrap());
    assert_eq!(parts[0], parts[1]);
    let different = read(b")\x02[\x00\x00\x00\x00[\x00\x00\x00\x00").unwrap();
    let parts = different.parts(different.root().unwrap());
    assert_ne!(parts[0], parts[1]);
    assert_eq!(write(&different, 8), b")\x02[\x00\x00\x00\x00[\x00\x00\x00\x00");
}

#[test]
fn errors_say_what_and_where() {
    let truncated = |wanted, available| ErrorKind::Truncated { wanted, available };
    assert_eq!(failure(b""), (truncated(1, 0), 0));
    assert_eq!(failure(b"i\x00\x00"), (truncated(4, 2), 1));
    assert_eq!(failure(b"s\x05\x00\x00\x00abc"), (truncated(5, 3), 5));
    assert_eq!(failure(b"(\xFF\xFF\xFF\x7FNN"), (truncated(0x7FFF_FFFF, 2), 5));
    assert_eq!(failure(b"l\xFF\xFF\xFF\x7F"), (truncated(0xFFFF_FFFE, 0), 5));
    assert_eq!(failure(b"l\x00\x00\x00\x80"), (truncated(0x1_0000_0000, 0), 5));
    assert_eq!(failure(b"(\xFF\xFF\xFF\xFF"), (ErrorKind::NegativeCount { count: -1 }, 1));
    assert_eq!(failure(b"NN"), (ErrorKind::TrailingBytes { count: 1 }, 1));
    assert_eq!(failure(b")\x01?"), (ErrorKind::UnknownType { found: b'?' }, 2));
    assert_eq!(failure(b"0"), (ErrorKind::UnexpectedNull, 0));
    assert_eq!(failure(b")\x010"), (ErrorKind::UnexpectedNull, 2));
    assert_eq!(failure(b"{N0"), (ErrorKind::UnexpectedNull, 2));
    assert_eq!(failure(b"r\x01\x00\x00\x00"), (ErrorKind::Reference { index: 1, count: 0 }, 0));
    assert_eq!(failure(b"\xDB\x01\x00\x00\x00r\x00\x00\x00\x00"), (ErrorKind::Cycle, 5));
    assert_eq!(failure(b"u\x02\x00\x00\x00a\xFF"), (ErrorKind::Encoding, 6));
    assert_eq!(failure(b"f\x03abc"), (ErrorKind::FloatText, 1));
    assert_eq!(failure(b"l\x01\x00\x00\x00\x00\x80").1, 1);
    assert_eq!(failure(b"l\x02\x00\x00\x00\x01\x00\x00\x00").1, 1);
    assert_eq!(read(b")\x01?").unwrap_err().to_string(), "unknown marshal type '?' (0x3f) (at offset 0x2)");
}

#[test]
fn types_have_their_versions() {
    for (bytes, since) in [(&b":NNN"[..], 14), (b"}0", 15)] {
        for minor in 8..=15 {
            assert_eq!(decode(bytes, 0, version(minor)).is_ok(), minor >= since);
            let mut out = Vec::new();
            assert_eq!(encode(&read(bytes).unwrap(), version(minor), &mut out).is_ok(), minor >= since);
        }
    }
}

#[test]
fn depth_is_that_of_marshal() {
    let nested = |depth: usize| [b")\x01".repeat(depth - 1), b"N".to_vec()].concat();
    assert_eq!(again(&nested(2000)), nested(2000));
    assert_eq!(failure(&nested(2001)), (ErrorKind::TooDeep { limit: 2000 }, 4000));

    let mut values = Values::default();
    let mut id = values.push(Value::Leaf(Leaf::None)).unwrap();
    for _ in 0..2000 {
        id = values.push_container(Container::Tuple, [id]).unwrap();
    }
    let error = encode(&values, version(15), &mut Vec::new()).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::TooDeep { limit: 2000 });
}

#[test]
fn sharing_costs_nothing() {
    // 2^60 leaves in a few hundred bytes.
    let mut bytes = b")\x02".repeat(60);
    bytes.iter_mut().step_by(2).for_each(|byte| *byte |= FLAG_REF);
    bytes.extend_from_slice(b"NN");
    for number in (1u32..60).rev() {
        bytes.push(b'r');
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    assert_eq!(read(&bytes).unwrap().len(), 61);
    let once = again(&bytes);
    assert_eq!(again(&once), once);
}

/// What a generated value is made of. Numbers choose among the values made so far, so that parts are shared.
#[derive(Debug, Clone)]
enum Make {
    Leaf(Value<'static>),
    Container(Container, Vec<prop::sample::Index>),
}

fn make() -> impl Strategy<Value = Make> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let int = bytes().prop_map(|bytes| Value::Leaf(Leaf::Int(Cow::Owned(crate::text::shortest(&bytes).to_vec()))));
    let text = ("\\PC{0,12}|[a-z_]{0,300}", any::<bool>())
        .prop_map(|(text, interned)| Value::Leaf(Leaf::Str(Str { text: Cow::Owned(text.into_bytes()), interned })));
    let leaf = prop_oneof![
        Just(Value::Leaf(Leaf::None)),
        Just(Value::Leaf(Leaf::True)),
        Just(Value::Leaf(Leaf::False)),
        Just(Value::Leaf(Leaf::Ellipsis)),
        Just(Value::Leaf(Leaf::StopIteration)),
        int,
        any::<u64>().prop_map(|bits| Value::Leaf(Leaf::Float(bits))),
        (any::<u64>(), any::<u64>()).prop_map(|(real, imaginary)| Value::Leaf(Leaf::Complex(real, imaginary))),
        bytes().prop_map(|bytes| Value::Leaf(Leaf::Bytes(Cow::Owned(bytes)))),
        text,
        Just(Value::Leaf(Leaf::Str(Str { text: Cow::Borrowed(b"\xED\xA0\x80 alone"), interned: false }))),
    ];
    let container = prop_oneof![
        Just((Container::Tuple, 1)),
        Just((Container::List, 1)),
        Just((Container::Set, 1)),
        Just((Container::FrozenSet, 1)),
        Just((Container::Dict, 2)),
        Just((Container::FrozenDict, 2)),
        Just((Container::Slice, 3)),
    ];
    let container = (container, prop::collection::vec(any::<prop::sample::Index>(), 0..6)).prop_map(
        |((container, multiple), mut parts)| {
            if container == Container::Slice && parts.len() < 3 {
                return Make::Container(Container::Tuple, parts);
            }
            parts.truncate(if container == Container::Slice { 3 } else { parts.len() / multiple * multiple });
            Make::Container(container, parts)
        },
    );
    prop_oneof![leaf.prop_map(Make::Leaf), container]
}

fn is_singleton(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Leaf(Leaf::None)
            | Value::Leaf(Leaf::False)
            | Value::Leaf(Leaf::True)
            | Value::Leaf(Leaf::Ellipsis)
            | Value::Leaf(Leaf::StopIteration)
    )
}

fn build(makes: Vec<Make>) -> Values<'static> {
    let mut values = Values::default();
    let mut made = vec![values.push(Value::Leaf(Leaf::None)).unwrap()];
    for make in makes {
        made.push(match make {
            // Singletons are made once, as when reading.
            Make::Leaf(value) => match made.iter().find(|&&id| is_singleton(&value) && *values.value(id) == value) {
                Some(&known) => known,
                None => values.push(value).unwrap(),
            },
            Make::Container(container, parts) => {
                let parts: Vec<_> = parts.iter().map(|part| *part.get(&made)).collect();
                values.push_container(container, parts).unwrap()
            }
        });
    }
    values.push_container(Container::Tuple, made).unwrap();
    values
}

/// Whether two arenas describe the same, with the same sharing (singletons aside).
fn alike(a: &Values<'_>, b: &Values<'_>) -> bool {
    let mut seen: Vec<Option<NodeId>> = vec![None; a.len()];
    let mut todo = vec![(a.root().unwrap(), b.root().unwrap())];
    while let Some((x, y)) = todo.pop() {
        match seen[x.index()] {
            Some(other) if other == y => continue,
            Some(_) => return false,
            None => seen[x.index()] = Some(y),
        }
        let same = match (a.value(x), b.value(y)) {
            (Value::Container(kind, items), Value::Container(other, others)) => {
                kind == other && items.len() == others.len()
            }
            (x, y) => x == y,
        };
        if !same {
            return false;
        }
        todo.extend(a.parts(x).iter().copied().zip(b.parts(y).iter().copied()));
    }
    true
}

proptest! {
    #[test]
    fn generated_values_survive(makes in prop::collection::vec(make(), 0..40)) {
        let values = build(makes);
        let bytes = write(&values, 15);
        let decoded = read(&bytes).unwrap();
        prop_assert!(alike(&values, &decoded) && alike(&decoded, &values));
        let again = write(&decoded, 15);
        prop_assert_eq!(&again, &bytes);
        prop_assert!(alike(&read(&again).unwrap(), &decoded));
    }

    #[test]
    fn every_prefix_fails(makes in prop::collection::vec(make(), 0..10), cut in any::<prop::sample::Index>()) {
        let bytes = write(&build(makes), 15);
        let cut = cut.index(bytes.len());
        prop_assert!(read(&bytes[..cut]).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), minor in 8u8..=15) {
        let _ = decode(&bytes, 0, version(minor));
    }

    #[test]
    fn no_type_bytes_panic(
        bytes in prop::collection::vec(prop::sample::select(&b"0NFTS.iIlfgxysturaAzZ()[]{}<>:c\x00\x01\x02\xA9\xE3\xDB\xFB"[..]), 0..200),
        minor in 8u8..=15,
    ) {
        if let Ok(values) = decode(&bytes, 0, version(minor)) {
            let _ = encode(&values, version(minor), &mut Vec::new());
        }
    }
}
