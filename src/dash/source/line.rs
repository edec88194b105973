//! The lines of `live.sock` read back (`collect::share` says what they are).

use crate::event::{Body, Event, Gap, MarketId};
use crate::units::TsNs;
use crate::view::CollectStatus;
use crate::wire::Decoder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// One line.
pub(super) enum Said {
    /// The first: version and session.
    Hello { version: u64 },
    /// The status.
    Status(Box<CollectStatus>),
    /// A record, or the state as of a record.
    Event(Box<Event>),
    /// Records were left out.
    Skipped(u64),
    /// The last: why.
    End(String),
    /// Of a newer version, or not for us.
    Other,
}

#[derive(Deserialize)]
struct Line<'a> {
    version: Option<u64>,
    status: Option<Box<CollectStatus>>,
    skipped: Option<u64>,
    end: Option<String>,
    row_id: Option<u64>,
    as_of: Option<u64>,
    recv_ns: Option<i64>,
    ticker: Option<&'a str>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
}

/// Our own rows have a shape of their own.
#[derive(Deserialize)]
struct Own<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    sid: u32,
    #[serde(borrow)]
    msg: &'a RawValue,
}

/// Reads a line; `decoder` has the dictionary.
///
/// # Errors
/// When it is no line of `live.sock`.
pub(super) fn read(text: &str, decoder: &mut Decoder) -> serde_json::Result<Said> {
    let line: Line<'_> = serde_json::from_str(text)?;
    Ok(match line {
        Line { version: Some(version), .. } => Said::Hello { version },
        Line { status: Some(status), .. } => Said::Status(status),
        Line { skipped: Some(skipped), .. } => Said::Skipped(skipped),
        Line { end: Some(why), .. } => Said::End(why),
        Line { event: Some(raw), .. } => {
            let recv = TsNs(line.recv_ns.unwrap_or(0));
            let mut event = event(raw.get(), line.ticker.unwrap_or_default(), recv, decoder);
            event.row_id = line.row_id.or(line.as_of).unwrap_or(0);
            Said::Event(Box::new(event))
        }
        _ => Said::Other,
    })
}

fn event(raw: &str, ticker: &str, recv: TsNs, decoder: &mut Decoder) -> Event {
    if !raw.starts_with(r#"{"type":"kflow_"#) {
        return decoder.decode(raw.as_bytes(), recv).event;
    }
    let market = if ticker.is_empty() { MarketId::NONE } else { decoder.tickers.intern(ticker) };
    let (sid, body) = own(raw).unwrap_or_else(|| (0, Body::Other("kflow".into())));
    Event { row_id: 0, recv, ts: None, market, sid, seq: 0, body }
}

fn own(raw: &str) -> Option<(u32, Body)> {
    let own: Own<'_> = serde_json::from_str(raw).ok()?;
    let gap = || serde_json::from_str::<Gap>(own.msg.get()).ok().map(Box::new);
    let body = match own.kind {
        "kflow_gap" => Body::Gap(gap()?),
        "kflow_healed" => Body::Healed(gap()?),
        "kflow_market" => Body::Market(own.msg.get().into()),
        "kflow_bad" => Body::Bad("".into()),
        other => Body::Other(other.into()),
    };
    Some((own.sid, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_rows_and_frames_are_read_back() {
        let mut decoder = Decoder::default();
        let mut read = |text: &str| read(text, &mut decoder).expect("a line");
        assert!(matches!(read(r#"{"version":1,"session":"x"}"#), Said::Hello { version: 1 }));
        assert!(matches!(read(r#"{"skipped":9}"#), Said::Skipped(9)));
        assert!(matches!(read(r#"{"later":true}"#), Said::Other));
        let market = r#"{"row_id":3,"recv_ns":5,"ticker":"KX","event":{"type":"kflow_market","msg":{"ticker":"KX"}}}"#;
        let Said::Event(event) = read(market) else { panic!("an event") };
        assert_eq!((event.row_id, event.recv, event.market), (3, TsNs(5), MarketId(0)));
        assert_eq!(event.body, Body::Market(r#"{"ticker":"KX"}"#.into()));
        let bad = r#"{"row_id":4,"recv_ns":5,"ticker":"","event":{"type":"kflow_gap","msg":7}}"#;
        let Said::Event(event) = read(bad) else { panic!("an event") };
        assert!(matches!(event.body, Body::Other(_)));
    }
}
