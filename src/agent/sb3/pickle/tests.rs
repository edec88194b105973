//! Pickles that Python wrote, and what is left of them after some bytes were changed.

use super::*;
use proptest::prelude::*;

/// `pickle.dumps((d, "é", None, True), protocol)` by Python 3.11, `d` an `OrderedDict` of `a` to the tuple
/// (1, -2, 300), with an attribute `x` of its own.
const DUMPS: [&[u8]; 2] = [
    b"\x80\x02(ccollections\nOrderedDict\nq\x00)Rq\x01X\x01\x00\x00\x00aq\x02K\x01J\xfe\xff\xff\xff\
    M,\x01\x87q\x03s}q\x04X\x01\x00\x00\x00xq\x05K\x01sbX\x02\x00\x00\x00\xc3\xa9q\x06N\x88tq\x07.",
    b"\x80\x05\x95G\x00\x00\x00\x00\x00\x00\x00(\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\
    \x94\x8c\x01a\x94K\x01J\xfe\xff\xff\xffM,\x01\x87\x94s}\x94\x8c\x01x\x94K\x01sb\x8c\x02\xc3\xa9\x94N\x88t\x94.",
];

#[test]
fn pythons_protocols_say_the_same() {
    for bytes in DUMPS {
        let pickle = Pickle::read(bytes).unwrap();
        let [dict, text, none, yes] = pickle.tuple(pickle.root()).unwrap() else { panic!() };
        let Node::Call { class, items, .. } = pickle.get(*dict) else { panic!() };
        assert!(pickle.is_global(*class, "collections", "OrderedDict"));
        let [(key, value)] = items[..] else { panic!("attributes are no items: {items:?}") };
        assert_eq!(pickle.text(key), Some("a"));
        let numbers = pickle.tuple(value).unwrap().iter().map(|n| pickle.get(*n).clone());
        assert_eq!(numbers.collect::<Vec<_>>(), [1, -2, 300].map(Node::Int));
        assert_eq!((pickle.text(*text), pickle.sizes(value)), (Some("é"), None));
        assert_eq!((pickle.get(*none), pickle.get(*yes)), (&Node::None, &Node::Bool(true)));
    }
}

#[test]
fn a_call_is_told_and_not_made() {
    let pickle = Pickle::read(b"cos\nsystem\nX\x04\x00\x00\x00true\x85R.").unwrap();
    let Node::Call { class, args, .. } = pickle.get(pickle.root()) else { panic!() };
    assert_eq!(pickle.global(*class), Some(("os", "system")));
    assert_eq!(pickle.text(pickle.tuple(*args).unwrap()[0]), Some("true"));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (bytes, want) in [
        (&b""[..], PickleError::Ends),
        (b"K", PickleError::Ends),
        (b"N0.", PickleError::Instruction { code: b'0', at: 1 }),
        (b"NR.", PickleError::Operand(2)),
        (b"K\x01K\x02s.", PickleError::Operand(5)),
        (b"(N(t0", PickleError::Instruction { code: b'0', at: 4 }),
        (b"t.", PickleError::Operand(1)),
        (b"h\x07.", PickleError::Operand(0)),
        (b"\x8c\x01\xff.", PickleError::Text(2)),
    ] {
        assert_eq!(Pickle::read(bytes).map(|p| p.nodes), Err(want), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        dump in 0usize..DUMPS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut bytes = DUMPS[dump].to_vec();
        changes.iter().for_each(|(at, byte)| *at.get_mut(&mut bytes) = *byte);
        if let Ok(pickle) = Pickle::read(&bytes) {
            // Whatever a node names is there.
            for node in &pickle.nodes {
                if let Node::Tuple(members) = node {
                    members.iter().for_each(|id| _ = pickle.get(*id));
                }
            }
        }
    }
}
