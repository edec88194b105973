//! R21: whatever stops trading, no order leaves after it, what rests is cancelled, and a restart changes nothing.

use super::room::{DESKS, Room, resting};
use crate::cli::{kflow, run};
use crate::faults::{survived, times};
use kalshiflow::config::Limits;
use kalshiflow::market::MarketInfo;
use kalshiflow::sim::script::Script;
use kalshiflow::trade::kill::{KILL_FILE, KillFile};
use kalshiflow::trade::risk::{Cause, Proposal, Refused, Risk, Scene};
use kalshiflow::units::{Money, Price, Qty, Side, TsNs};
use serde_json::Value;

/// What is done to a trader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Stop(Cause),
    StaleBook,
    Disconnected,
    Position,
    OrderRate,
}

const BLOWS: [Blow; 10] = [
    Blow::Stop(Cause::Key),
    Blow::Stop(Cause::Command),
    Blow::Stop(Cause::Signal),
    Blow::Stop(Cause::File),
    Blow::Stop(Cause::DailyLoss),
    Blow::Stop(Cause::LowBalance),
    Blow::StaleBook,
    Blow::Disconnected,
    Blow::Position,
    Blow::OrderRate,
];

/// A trader that keeps bidding for one contract: risk in front of the blotter.
struct Trader {
    risk: Risk,
    info: MarketInfo,
    position: Qty,
    book_lag_ns: Option<i64>,
}

impl Trader {
    fn new(market: &Value, kill: &KillFile) -> Trader {
        let ticker = market["ticker"].as_str().unwrap().to_owned();
        let info = MarketInfo { ticker, ..MarketInfo::default() };
        let limits = Limits { throttle_ms: 0, orders_per_minute_max: 3, ..Limits::default() };
        let risk = Risk::new(limits, kill.read());
        Trader { risk, info, position: Qty::ZERO, book_lag_ns: Some(0) }
    }

    fn book_at(&self, now: TsNs) -> Option<TsNs> {
        self.book_lag_ns.map(|lag| TsNs(now.0 - lag))
    }

    /// Bids for a contract if risk lets it; what rests is withdrawn where risk says so.
    async fn bid(&mut self, room: &mut Room, market: &Value) -> Result<(), Refused> {
        let now = room.now();
        let proposal = Proposal {
            side: Side::Yes,
            price: Price::new(100).unwrap(),
            qty: Qty::contracts(1),
            fee_max: Money::ZERO,
        };
        let scene = Scene {
            info: &self.info,
            book_at: self.book_at(now),
            position: self.position,
            resting: Qty::ZERO,
            cash: Money::dollars(100),
            exposure: Money::ZERO,
        };
        let verdict = self.risk.judge(&proposal, &scene, now);
        match verdict {
            Ok(()) => {
                let id = room.submit(resting(market)).await;
                room.until(|blotter| blotter.order(&id).unwrap().order_id.is_some()).await;
            }
            Err(why) if why.withdraws() => {
                room.with(|blotter, now, out| blotter.cancel_open(None, now, out)).await;
            }
            Err(_) => {}
        }
        verdict
    }

    async fn strike(&mut self, blow: Blow, kill: &KillFile, data: &std::path::Path, now: TsNs) {
        match blow {
            Blow::StaleBook => self.book_lag_ns = Some(60_000_000_000),
            Blow::Disconnected => self.book_lag_ns = None,
            Blow::Position => self.position = Qty::contracts(100),
            Blow::OrderRate => {}
            Blow::Stop(Cause::DailyLoss) => {
                assert_eq!(self.risk.watch_equity(Money::dollars(100), now), None);
                kill.write(self.risk.watch_equity(Money::dollars(70), now).unwrap()).unwrap();
            }
            Blow::Stop(Cause::LowBalance) => {
                kill.write(self.risk.watch_equity(Money::dollars(1), now).unwrap()).unwrap();
            }
            Blow::Stop(Cause::Key) => {
                kill.write(self.risk.trip(Cause::Key, "q".into(), now).unwrap()).unwrap();
            }
            Blow::Stop(cause) => {
                let trip = from_outside(cause, kill, data).await;
                self.risk.trip(trip.cause, trip.detail, trip.at);
            }
        }
    }
}

/// A kill from another process, as the one that trades sees it.
async fn from_outside(
    cause: Cause,
    kill: &KillFile,
    data: &std::path::Path,
) -> kalshiflow::trade::risk::Trip {
    let act = async {
        match cause {
            Cause::Signal => {
                let me = rustix::process::getpid();
                rustix::process::kill_process(me, rustix::process::Signal::USR1).unwrap();
            }
            Cause::File => std::fs::write(data.join(KILL_FILE), "").unwrap(),
            _ => {
                let folder = data.to_str().unwrap();
                let out = run(&mut kflow(&["risk", "kill", "--data", folder]));
                assert_eq!(out.code, 0, "{}", out.stderr);
            }
        }
        std::future::pending::<()>().await;
    };
    let _alone = if cause == Cause::Signal { Some(DESKS.write().await) } else { None };
    // Listens first: a signal that nobody listens for ends the process.
    tokio::select! {
        biased;
        trip = kill.wait() => trip.unwrap(),
        () = act => unreachable!("it waits for ever"),
    }
}

/// True if the blow stopped what it has to stop, and what rested is gone where it has to be.
async fn survives(room: &mut Room, market: &Value, blow: Blow) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let kill = KillFile::at(dir.path());
    let mut trader = Trader::new(market, &kill);
    let before = room.orders().await.len();
    let bids = if blow == Blow::OrderRate { 3 } else { 1 };
    for _ in 0..bids {
        assert_eq!(trader.bid(room, market).await, Ok(()));
    }
    trader.strike(blow, &kill, dir.path(), room.now()).await;
    let refused = trader.bid(room, market).await.unwrap_err();
    let word = match blow {
        Blow::Stop(cause) => Refused::Tripped(cause),
        Blow::StaleBook => Refused::StaleBook,
        Blow::Disconnected => Refused::NoBook,
        Blow::Position => Refused::Position,
        Blow::OrderRate => Refused::OrderRate,
    };
    let mut good = refused == word;
    if refused.withdraws() {
        room.until(|blotter| blotter.open().count() == 0).await;
        good &= room.truth().await.resting.is_empty();
    } else {
        room.with(|blotter, now, out| blotter.cancel_open(None, now, out)).await;
        room.until(|blotter| blotter.open().count() == 0).await;
    }
    if let Blow::Stop(cause) = blow {
        // The same after a restart, and until a person says otherwise.
        let mut again = Trader::new(market, &kill);
        good &= again.bid(room, market).await == Err(Refused::Tripped(cause));
        let reset = run(&mut kflow(&["risk", "reset", "--data", dir.path().to_str().unwrap()]));
        good &= reset.code == 0 && kill.read().is_none();
    }
    good && room.orders().await.len() == before + bids
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stops_trading_stops_it_for_good() {
    let mut room = Room::new(Script::default(), 3_600_000).await;
    let market = room.market().await;
    let rounds = times(1, 20);
    let (mut n, mut good) = (0, 0);
    for _ in 0..rounds {
        for blow in BLOWS {
            n += 1;
            let survived = survives(&mut room, &market, blow).await;
            assert!(survived, "{blow:?}");
            good += u64::from(survived);
        }
    }
    room.end().await;
    survived(
        "R21",
        "kill switch by key, command, signal, file; limits of loss, balance, position, rate, book",
        n,
        good,
        0,
    );
}

#[test]
fn the_command_shows_the_limits_and_what_stopped_trading() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let shown = |word: &str| -> Value {
        let out = run(&mut kflow(&["risk", word, "--data", data, "--json"]));
        assert_eq!(out.code, 0, "{}", out.stderr);
        let mut object: Value = serde_json::from_str(&out.stdout).unwrap();
        assert_eq!(object["command"], "risk");
        object["data"].take()
    };
    assert_eq!(
        (&shown("show")["stopped"], &shown("show")["throttle_ms"]),
        (&false.into(), &250.into())
    );
    assert_eq!(shown("kill")["cause"], "kill_command");
    assert_eq!(shown("show")["stopped"], true);
    assert_eq!(shown("reset")["stopped"], false);
}
