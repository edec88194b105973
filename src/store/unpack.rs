//! Payload to rows: the reading half of [`super::chunk`].

use super::chunk::{
    BAD, DELTA, GAP, HAS_RAW, HEALED, Head, KIND_BITS, KINDS, MARKET, NO_TS, OTHER, ROWS_MAX,
    SNAPSHOT, TRADE,
};
use super::codec::{self, Malformed};
use super::column::{Unpacker, unzigzag};
use super::steps::{order_by_level, read_recv, read_seqs, read_sids, read_ts};
use crate::event::{Body, Delta, Event, MarketId, Record, Snapshot, Trade};
use crate::units::{Price, Qty, Side, TsNs, TsUs};

/// The rows of a payload. `markets` maps local ids to the reader's.
///
/// # Errors
/// When the payload is not what [`super::chunk::Builder::pack`] made of such rows.
pub(super) fn unpack(
    head: &Head,
    payload: &[u8],
    markets: &[MarketId],
) -> Result<Vec<Record>, Malformed> {
    if payload.len() as u64 != u64::from(head.len) || crc32c::crc32c(payload) != head.crc {
        return Err(Malformed("the payload fails its checksum"));
    }
    if head.rows() > ROWS_MAX as u64 {
        return Err(Malformed("a chunk announces too many rows"));
    }
    let n = head.rows() as usize;
    let mut input = Unpacker::new(payload)?;
    let unit = match input.number()? {
        unit @ (1 | 1_000 | 1_000_000) => unit as i64,
        _ => return Err(Malformed("receive time is in an unknown unit")),
    };
    let tags = input.words(n)?;
    check_counts(&tags, head)?;
    let codes = input.words(n)?;
    let sids = read_sids(&tags, input.words(n)?)?;
    let seqs = read_seqs(&sids, input.numbers(n)?);
    let n_ts = tags.iter().filter(|&tag| tag & NO_TS == 0).count();
    let ts = read_ts(input.numbers(n_ts)?);
    let recv = read_recv(&tags, &ts, input.numbers(n)?, unit);
    let mut bodies = Bodies::read(&mut input, head, &tags, &codes)?;
    let mut raws = Texts::read(&mut input, tags.iter().filter(|&tag| tag & HAS_RAW != 0).count())?;
    input.finish()?;

    let mut ts = ts.into_iter();
    let mut records = Vec::with_capacity(n);
    for (i, tag) in tags.into_iter().enumerate() {
        let market = match codes[i].checked_sub(1) {
            None => MarketId::NONE,
            Some(local) => *markets
                .get(local as usize)
                .ok_or(Malformed("a row names a market that the segment does not know"))?,
        };
        let event = Event {
            row_id: head.first_row_id.wrapping_add(i as u64),
            recv: TsNs(recv[i]),
            ts: if tag & NO_TS == 0 { ts.next().map(TsUs) } else { None },
            market,
            sid: sids[i],
            seq: seqs[i],
            body: bodies.next(tag & KIND_BITS)?,
        };
        let raw = if tag & HAS_RAW != 0 { Some(raws.next()?.into()) } else { None };
        records.push(Record { event, raw });
    }
    Ok(records)
}

/// The columns of everything that is not common to all rows.
struct Bodies {
    deltas: std::vec::IntoIter<Delta>,
    trades: std::vec::IntoIter<Trade>,
    snapshots: std::vec::IntoIter<Snapshot>,
    texts: Texts,
}

impl Bodies {
    fn read(
        input: &mut Unpacker<'_>,
        head: &Head,
        tags: &[u64],
        codes: &[u64],
    ) -> Result<Bodies, Malformed> {
        let count = |kind: usize| head.counts[kind] as usize;
        let delta_codes =
            tags.iter().zip(codes).filter(|(tag, _)| *tag & KIND_BITS == DELTA as u64);
        let deltas = read_deltas(input, count(DELTA), delta_codes.map(|(_, code)| *code))?;
        let trades = read_trades(input, count(TRADE))?;
        let snapshots = read_snapshots(input, count(SNAPSHOT))?;
        let texts = Texts::read(
            input,
            count(GAP) + count(HEALED) + count(OTHER) + count(BAD) + count(MARKET),
        )?;
        Ok(Bodies {
            deltas: deltas.into_iter(),
            trades: trades.into_iter(),
            snapshots: snapshots.into_iter(),
            texts,
        })
    }

    fn next(&mut self, kind: u64) -> Result<Body, Malformed> {
        const SHORT: Malformed = Malformed("fewer rows of a kind than announced");
        Ok(match kind as usize {
            DELTA => Body::Delta(self.deltas.next().ok_or(SHORT)?),
            SNAPSHOT => Body::Snapshot(Box::new(self.snapshots.next().ok_or(SHORT)?)),
            TRADE => Body::Trade(Box::new(self.trades.next().ok_or(SHORT)?)),
            GAP => Body::Gap(Box::new(codec::decode(self.texts.next()?)?)),
            HEALED => Body::Healed(Box::new(codec::decode(self.texts.next()?)?)),
            OTHER => Body::Other(self.texts.next_str()?.into()),
            BAD => Body::Bad(self.texts.next_str()?.into()),
            MARKET => Body::Market(self.texts.next_str()?.into()),
            _ => return Err(Malformed("a row of an unknown kind")),
        })
    }
}

/// Byte strings that were stored end to end.
struct Texts {
    lens: std::vec::IntoIter<u64>,
    bytes: Vec<u8>,
    at: usize,
}

impl Texts {
    fn read(input: &mut Unpacker<'_>, n: usize) -> Result<Texts, Malformed> {
        let lens = input.numbers(n)?;
        let bytes = input.bytes()?;
        Ok(Texts { lens: lens.into_iter(), bytes, at: 0 })
    }

    fn next(&mut self) -> Result<&[u8], Malformed> {
        const BEYOND: Malformed = Malformed("a text goes beyond its column");
        let len = self.lens.next().ok_or(BEYOND)?;
        let rest = self.bytes.get(self.at..).ok_or(BEYOND)?;
        let text = usize::try_from(len).ok().and_then(|len| rest.get(..len)).ok_or(BEYOND)?;
        self.at += text.len();
        Ok(text)
    }

    fn next_str(&mut self) -> Result<&str, Malformed> {
        std::str::from_utf8(self.next()?).map_err(|_| Malformed("a text is not UTF-8"))
    }
}

fn read_level(level: u64) -> Result<(Side, Price), Malformed> {
    let side = if level & 1 == 0 { Side::Yes } else { Side::No };
    let price = i64::try_from(level >> 1).ok().and_then(Price::new);
    Ok((side, price.ok_or(Malformed("a price is outside 0..=1"))?))
}

fn read_deltas(
    input: &mut Unpacker<'_>,
    n: usize,
    codes: impl Iterator<Item = u64>,
) -> Result<Vec<Delta>, Malformed> {
    let levels = input.words(n)?;
    let keys: Vec<u64> =
        codes.zip(&levels).map(|(code, level)| code << 16 | (level & 0xffff)).collect();
    let sorted_sizes = input.words(n)?;
    let mut sizes = vec![0; n];
    for (i, size) in order_by_level(&keys).into_iter().zip(sorted_sizes) {
        sizes[i as usize] = size;
    }
    let delta = |(level, size)| {
        let (side, price) = read_level(level)?;
        Ok(Delta { side, price, qty: Qty(unzigzag(size)) })
    };
    levels.into_iter().zip(sizes).map(delta).collect()
}

fn read_trades(input: &mut Unpacker<'_>, n: usize) -> Result<Vec<Trade>, Malformed> {
    let levels = input.words(n)?;
    let sizes = input.words(n)?;
    let blocks = input.words(n)?;
    let ids = input.blob(n * 16)?;
    let (ids, _) = ids.as_chunks::<16>();
    let rows = levels.into_iter().zip(sizes).zip(blocks).zip(ids);
    rows.map(|(((level, size), block), id)| {
        let (taker, yes_price) = read_level(level)?;
        let block = match block {
            0 => None,
            1 => Some(false),
            2 => Some(true),
            _ => return Err(Malformed("a trade is a block trade in an unknown way")),
        };
        Ok(Trade { taker, yes_price, qty: Qty(unzigzag(size)), block, id: *id })
    })
    .collect()
}

fn read_snapshots(input: &mut Unpacker<'_>, n: usize) -> Result<Vec<Snapshot>, Malformed> {
    let lens = input.numbers(n * 2)?;
    let levels = lens
        .iter()
        .try_fold(0u64, |sum, len| sum.checked_add(*len))
        .filter(|sum| *sum <= u64::from(u32::MAX) >> 6)
        .ok_or(Malformed("a snapshot has more levels than a segment has bytes"))?;
    let prices = input.numbers(levels as usize)?;
    let sizes = input.numbers(levels as usize)?;
    let mut rows = prices.into_iter().zip(sizes);
    let mut side = |len: u64| -> Result<Vec<(Price, Qty)>, Malformed> {
        let mut last = 0i64;
        let mut ladder = Vec::with_capacity(len as usize);
        for (step, size) in rows.by_ref().take(len as usize) {
            last = last.wrapping_add(unzigzag(step));
            let price = Price::new(last).ok_or(Malformed("a price is outside 0..=1"))?;
            ladder.push((price, Qty(unzigzag(size))));
        }
        Ok(ladder)
    };
    lens.chunks_exact(2).map(|l| Ok(Snapshot { yes: side(l[0])?, no: side(l[1])? })).collect()
}

fn check_counts(tags: &[u64], head: &Head) -> Result<(), Malformed> {
    let mut counts = [0u32; 8];
    for tag in tags {
        counts[(tag & KIND_BITS) as usize] += 1;
    }
    if counts[..KINDS] == head.counts {
        Ok(())
    } else {
        Err(Malformed("the kinds of rows are not those announced"))
    }
}
