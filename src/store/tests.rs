//! Rows through the codec, in memory: what the columns must give back.

use super::chunk::{Builder, Head};
use super::codec;
use super::column::{Effort, Packer};
use super::unpack::unpack;
use crate::event::{Body, Delta, Event, Gap, GapCause, MarketId, Record, Snapshot, Trade};
use crate::units::{Price, Qty, Side, TsNs, TsUs};
use proptest::prelude::*;

const MARKETS: u32 = 4;

fn pack(records: &[Record], effort: Effort) -> (Head, Vec<u8>) {
    let mut builder = Builder::default();
    for record in records {
        let market = record.event.market;
        let code = if market == MarketId::NONE { 0 } else { u64::from(market.0) + 1 };
        builder.push(record, code);
    }
    builder.pack(&mut Packer::new(effort).unwrap()).unwrap()
}

fn markets() -> Vec<MarketId> {
    (0..MARKETS).map(MarketId).collect()
}

/// Mostly small numbers, as in life; sometimes any.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -300i64..300, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

fn price() -> impl Strategy<Value = Price> {
    (0i64..=10_000).prop_map(|e4| Price::new(e4).unwrap())
}

fn side() -> impl Strategy<Value = Side> {
    any::<bool>().prop_map(|yes| if yes { Side::Yes } else { Side::No })
}

fn ladder() -> impl Strategy<Value = Vec<(Price, Qty)>> {
    prop::collection::vec((price(), number().prop_map(Qty)), 0..6)
}

fn gap() -> impl Strategy<Value = Gap> {
    let cause = prop::sample::select(vec![GapCause::SeqGap, GapCause::Crash, GapCause::QueueFull]);
    (cause, any::<u64>(), any::<u64>(), any::<(i64, i64)>(), "[a-z]{0,12}").prop_map(
        |(cause, from, to, (since, until), healed_by)| Gap {
            cause,
            from,
            to,
            since: TsNs(since),
            until: TsNs(until),
            healed_by,
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    let delta = (side(), price(), number())
        .prop_map(|(side, price, qty)| Body::Delta(Delta { side, price, qty: Qty(qty) }));
    let trade = (side(), price(), number(), any::<Option<bool>>(), any::<[u8; 16]>()).prop_map(
        |(taker, yes_price, qty, block, id)| {
            Body::Trade(Box::new(Trade { taker, yes_price, qty: Qty(qty), block, id }))
        },
    );
    let snapshot =
        (ladder(), ladder()).prop_map(|(yes, no)| Body::Snapshot(Box::new(Snapshot { yes, no })));
    prop_oneof![
        6 => delta,
        2 => trade,
        1 => snapshot,
        1 => gap().prop_map(|gap| Body::Gap(Box::new(gap))),
        1 => gap().prop_map(|gap| Body::Healed(Box::new(gap))),
        1 => any::<String>().prop_map(|text| Body::Other(text.into())),
        1 => any::<String>().prop_map(|text| Body::Bad(text.into())),
        1 => any::<String>().prop_map(|text| Body::Market(text.into())),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let place = (prop::option::of(0..MARKETS), 0u32..3, any::<u32>(), number());
    let time = (number(), any::<i64>(), 0u8..3, prop::option::of(number()));
    let raw = prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..40));
    (place, time, body(), raw).prop_map(|((market, sid, any_sid, seq), time, body, raw)| {
        let (recv, any_recv, recv_kind, ts) = time;
        let recv = match recv_kind {
            0 => recv.clamp(-1_000, 1_000) * 1_000_000,
            1 => recv.clamp(-1_000, 1_000) * 1_000,
            _ => any_recv,
        };
        let event = Event {
            row_id: 0,
            recv: TsNs(recv),
            ts: ts.map(TsUs),
            market: market.map_or(MarketId::NONE, MarketId),
            sid: if sid == 2 { any_sid } else { sid },
            seq: seq as u64,
            body,
        };
        Record { event, raw: raw.map(Vec::into_boxed_slice) }
    })
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    (1u64..1 << 60, prop::collection::vec(record(), 1..120)).prop_map(|(first, mut records)| {
        (first..).zip(&mut records).for_each(|(id, record)| record.event.row_id = id);
        records
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_row_comes_back_exactly(records in records(), sealed in any::<bool>()) {
        let effort = if sealed { Effort::Sealed } else { Effort::Live };
        let (head, payload) = pack(&records, effort);
        prop_assert_eq!(unpack(&head, &payload, &markets()).unwrap(), records);
    }

    /// The checksum finds chance damage; this is what is left to do when it was computed over nonsense.
    #[test]
    fn a_payload_of_nonsense_is_an_error(
        records in records(),
        cut in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (mut head, mut payload) = pack(&records, Effort::Live);
        let at = cut.index(payload.len());
        payload[at] = byte;
        head.crc = crc32c::crc32c(&payload);
        let _ = unpack(&head, &payload, &markets());
        payload.truncate(at);
        head.len = payload.len() as u32;
        head.crc = crc32c::crc32c(&payload);
        prop_assert!(unpack(&head, &payload, &markets()).is_err());
    }
}

/// One row of every kind, with texts long enough to be compressed.
fn golden_records() -> Vec<Record> {
    let price = |e4| Price::new(e4).unwrap();
    let bodies = [
        Body::Snapshot(Box::new(Snapshot {
            yes: vec![(price(4_400), Qty(65_000)), (price(4_500), Qty(1_050))],
            no: vec![(price(5_405), Qty(200))],
        })),
        Body::Delta(Delta { side: Side::No, price: price(5_405), qty: Qty(-200) }),
        Body::Delta(Delta { side: Side::Yes, price: price(4_400), qty: Qty(2_800) }),
        Body::Trade(Box::new(Trade {
            taker: Side::Yes,
            yes_price: price(4_600),
            qty: Qty(150),
            block: Some(false),
            id: *b"0123456789abcdef",
        })),
        Body::Gap(Box::new(Gap {
            cause: GapCause::SeqGap,
            from: 7,
            to: 9,
            since: TsNs(1_795_132_800_000_000_000),
            until: TsNs(1_795_132_800_250_000_000),
            healed_by: String::new(),
        })),
        Body::Healed(Box::new(Gap {
            cause: GapCause::SeqGap,
            from: 7,
            to: 9,
            since: TsNs(1_795_132_800_000_000_000),
            until: TsNs(1_795_132_800_250_000_000),
            healed_by: "snapshot".into(),
        })),
        Body::Other("subscribed".into()),
        Body::Bad("not JSON: expected value at line 1".into()),
        Body::Market(r#"{"ticker":"EXAMPLE-1","status":"active"}"#.into()),
    ];
    let row = |(i, body): (u64, Body)| {
        let event = Event {
            row_id: 1_000 + i,
            recv: TsNs(1_786_400_000_123_000_000 + i as i64 * 5_000_000),
            ts: matches!(body, Body::Delta(_) | Body::Trade(_))
                .then_some(TsUs(1_786_400_000_120_456 + i as i64)),
            market: if i < 4 { MarketId(1) } else { MarketId::NONE },
            sid: 1,
            seq: 10 + i,
            body,
        };
        let raw = (i == 6).then(|| b"{\"type\": oops".as_slice().into());
        Record { event, raw }
    };
    (0..).zip(bodies).map(row).collect()
}

/// A chunk that format 1 wrote must be readable for ever. The file is `seal((head, payload))`.
#[test]
fn a_chunk_written_by_the_first_version_is_still_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/chunk-format1.bin");
    if std::env::var_os("KFLOW_BLESS").is_some() {
        std::fs::write(path, codec::seal(&pack(&golden_records(), Effort::Sealed))).unwrap();
    }
    let (head, payload): (Head, Vec<u8>) = codec::unseal(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(unpack(&head, &payload, &markets()).unwrap(), golden_records());
}
