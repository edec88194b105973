//! The audit: now and then a live book is compared with the one that the exchange gives by REST.

use super::ports::OwnRow;
use crate::event::{Body, Snapshot};
use crate::feed::Command;
use crate::feed::rest::RestClient;
use crate::rng::Rng;
use crate::units::{Price, Qty};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// What a difference is called in the log.
pub(super) const DRIFT: &str = "kflow_drift";
/// A reply may be newer than our book by what is still on its way to us.
const ON_ITS_WAY: Duration = Duration::from_millis(500);
/// A busy book changes during most looks: so many, then the next market's turn.
const LOOKS: usize = 3;

/// Picks markets by chance, at intervals.
pub struct Audit {
    ticks: Interval,
    rng: Rng,
}

impl Audit {
    /// Looks at one market every `period`, chosen by `rng`. Must be made inside a runtime.
    pub fn every(period: Duration, rng: Rng) -> Audit {
        let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Audit { ticks, rng }
    }

    /// Waits for the next look; for ever where there is no audit.
    pub(super) async fn due(audit: Option<&mut Audit>) {
        match audit {
            Some(audit) => drop(audit.ticks.tick().await),
            None => std::future::pending().await,
        }
    }

    /// Looks at one of the `followed` markets; a row if its book and the exchange's differ for good.
    pub(super) async fn look(
        &mut self,
        client: &mut RestClient,
        followed: &[String],
        commands: &mpsc::Sender<Command>,
    ) -> Option<OwnRow> {
        if followed.is_empty() {
            return None;
        }
        let ticker = &followed[self.rng.below(followed.len() as u64) as usize];
        for _ in 0..LOOKS {
            let before = book(commands, ticker).await?;
            let exchange = match client.orderbook(ticker).await {
                Ok(exchange) => sorted(exchange),
                Err(error) => {
                    tracing::warn!(%error, ticker, "no audit");
                    return None;
                }
            };
            tokio::time::sleep(ON_ITS_WAY).await;
            let after = book(commands, ticker).await?;
            if exchange == before || exchange == after {
                tracing::debug!(ticker, "audit: the books are equal");
                return None;
            }
            if before == after {
                tracing::warn!(ticker, "audit: the books differ");
                return Some(drift(ticker, &after, &exchange));
            }
        }
        tracing::debug!(ticker, "audit: the book changes too fast to compare");
        None
    }
}

/// The live book, if it is known.
async fn book(commands: &mpsc::Sender<Command>, ticker: &str) -> Option<Snapshot> {
    let (reply, book) = oneshot::channel();
    commands.send(Command::Book { ticker: ticker.to_owned(), reply }).await.ok()?;
    book.await.ok().flatten().map(sorted)
}

/// The same book however its levels were sent.
fn sorted(mut book: Snapshot) -> Snapshot {
    for side in [&mut book.yes, &mut book.no] {
        side.retain(|(_, size)| *size != Qty::ZERO);
        side.sort_unstable_by_key(|(price, _)| *price);
    }
    book
}

fn drift(ticker: &str, live: &Snapshot, exchange: &Snapshot) -> OwnRow {
    let side = |levels: &[(Price, Qty)]| -> Vec<Value> {
        levels.iter().map(|(p, q)| json!([p.to_string(), q.to_string()])).collect()
    };
    let both = |book: &Snapshot| json!({"yes": side(&book.yes), "no": side(&book.no)});
    let row = json!({
        "type": DRIFT,
        "msg": {"market_ticker": ticker, "live": both(live), "rest": both(exchange)},
    });
    OwnRow {
        ticker: ticker.to_owned(),
        body: Body::Other(DRIFT.into()),
        raw: Some(row.to_string().into_bytes().into()),
    }
}
