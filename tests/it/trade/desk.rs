//! A desk between somebody who wants orders and the built-in exchange, over real sockets: what is ordered, what
//! comes back, and what is left when something goes wrong.

use super::room::{DESKS, TIMING, access, crossing, now, open_market, resting, timing, trouble};
use crate::cli::{kflow, run as run_command};
use kalshiflow::broker::{Intent, MarketFees, Role, Verb};
use kalshiflow::config::Limits;
use kalshiflow::event::SessionId;
use kalshiflow::feed::Timing;
use kalshiflow::feed::rest::{Listing, RestClient, RestTiming};
use kalshiflow::market::MarketInfo;
use kalshiflow::sim::rest::{Failure, RestTrouble};
use kalshiflow::sim::script::Script;
use kalshiflow::sim::server::{SimReport, SimSpec, run};
use kalshiflow::sim::venue::VenueSpec;
use kalshiflow::trade::blotter::State;
use kalshiflow::trade::desk::{Ask, OrderFill, Outcome, Placed, Quote, Refusal, Standing};
use kalshiflow::trade::journal::JOURNAL_FILE;
use kalshiflow::trade::kill::{KILL_FILE, KillFile};
use kalshiflow::trade::risk::{Cause, Refused, Trip};
use kalshiflow::trade::runner::{self, Closed, DeskLine, DeskRun, End, RunnerError, RunnerSpec};
use kalshiflow::trade::standing::StandingFile;
use kalshiflow::units::{Money, Qty, Side, TsUs};
use kalshiflow::wire::convert;
use kalshiflow::wire::market::market_info;
use kalshiflow::wire::orders::TimeInForce;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{RwLockReadGuard, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// Longer than anything here takes; ends a test that waits in vain.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;

/// Books are not told again and again here, so they do not grow old.
fn limits() -> Limits {
    Limits { stale_book_ms: HOUR_MS, throttle_ms: 0, ..Limits::default() }
}

/// The built-in exchange, and a look at it past the desk.
struct Exchange {
    address: String,
    reader: RestClient,
    /// How patient desks are with it.
    rest: RestTiming,
    stop: watch::Sender<bool>,
    served: JoinHandle<SimReport>,
}

impl Exchange {
    async fn new(script: Script, lifetime_ms: i64, rate_per_s: u32) -> Exchange {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = watch::channel(false);
        let waits = !script.clone().due(0).is_empty();
        let venue = VenueSpec { markets: 6, rate_per_s, lifetime_ms, ..VenueSpec::default() };
        let spec = SimSpec { venue, script, ..SimSpec::default() };
        let served = tokio::spawn(async move { run(listener, spec, stopped).await.unwrap() });
        let mut reader = RestClient::connect(&access(&address), TIMING, 1).await.unwrap();
        if waits {
            let seen = async { while reader.exchange_status().await.is_ok() {} };
            timeout(PATIENCE, seen).await.expect("the script strikes");
        }
        Exchange { address, reader, rest: TIMING, stop, served }
    }

    /// Quiet: what a test sees in the book is still there when it trades.
    async fn quiet() -> Exchange {
        Exchange::new(Script::default(), HOUR_MS, 1).await
    }

    async fn market(&mut self) -> Value {
        open_market(&mut self.reader, 0).await
    }

    async fn resting(&mut self) -> usize {
        let listing = Listing { status: Some("resting"), ..Listing::default() };
        self.reader.orders(&listing).await.unwrap().len()
    }

    async fn resting_are(&mut self, n: usize) {
        let waits = async { while self.resting().await != n {} };
        timeout(PATIENCE, waits).await.expect("as many orders rest");
    }

    async fn close(self) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.served).await.expect("stops").unwrap();
    }
}

/// An open desk, and who decides in front of it.
struct Decider {
    line: DeskLine,
    run: DeskRun,
    /// Everything that was told.
    told: Vec<Outcome>,
    /// No signal comes meanwhile.
    _undisturbed: RwLockReadGuard<'static, ()>,
}

fn spec(exchange: &Exchange, data: &Path, run: u8, limits: Limits) -> RunnerSpec {
    RunnerSpec {
        run: SessionId([run; 16]),
        data: data.to_path_buf(),
        folder: data.join("trade").join(run.to_string()),
        access: access(&exchange.address),
        limits,
        fees: MarketFees::default(),
        own_markets: true,
        rest: exchange.rest,
        timing: Timing { backoff: Duration::from_millis(1), ..Timing::default() },
        seed: run.into(),
    }
}

impl Decider {
    async fn open(spec: RunnerSpec) -> Decider {
        let undisturbed = DESKS.read().await;
        let (line, run) = spawn_blocking(|| runner::open(spec)).await.unwrap().unwrap();
        Decider { line, run, told: Vec::new(), _undisturbed: undisturbed }
    }

    /// One that has been let in and knows `market`, whose close it is not told.
    async fn ready(exchange: &Exchange, data: &Path, run: u8, market: &Value) -> Decider {
        let mut decider = Decider::open(spec(exchange, data, run, limits())).await;
        decider.meet(market, None);
        decider.until(|told| matches!(told, Outcome::Ready)).await;
        decider
    }

    fn meet(&self, market: &Value, close: Option<TsUs>) {
        let info = MarketInfo { close, ..market_info(market).unwrap() };
        let price = |key: &str| convert::price(market[key].as_str().unwrap().as_bytes()).ok();
        let (bid, ask) = (price("yes_bid_dollars"), price("yes_ask_dollars"));
        let (ticker, at) = (info.ticker.clone(), now());
        self.line.ask(Ask::Market(Box::new(info))).unwrap();
        self.line.ask(Ask::Quote(Quote { ticker, at, whole: true, bid, ask })).unwrap();
    }

    fn place(&self, number: u64, order: Placed) {
        self.line.ask(Ask::Place(Placed { number, ..order })).unwrap();
    }

    /// Listens until something is told that is as wanted.
    async fn until(&mut self, wanted: impl Fn(&Outcome) -> bool) -> Outcome {
        loop {
            let told = timeout(PATIENCE, self.line.outcomes.recv()).await.expect("it is told");
            let told = told.expect("the desk is there");
            self.told.push(told.clone());
            if wanted(&told) {
                return told;
            }
        }
    }

    /// How an order ended, and why if it was rejected.
    async fn ended(&mut self, wanted: u64) -> (State, String) {
        let is_it =
            |told: &Outcome| matches!(told, Outcome::Ended { number: Some(n), .. } if *n == wanted);
        match self.until(is_it).await {
            Outcome::Ended { state, why, .. } => (state, why.unwrap_or_default()),
            other => panic!("{other:?}"),
        }
    }

    async fn refused(&mut self) -> Refusal {
        match self.until(|told| matches!(told, Outcome::Refused { .. })).await {
            Outcome::Refused { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    fn fills(&self) -> Vec<&OrderFill> {
        let fills = self.told.iter();
        fills
            .filter_map(|told| if let Outcome::Filled(fill) = told { Some(fill) } else { None })
            .collect()
    }

    async fn close(self, cancels: bool) -> Closed {
        let end = End { cancels, patience: PATIENCE };
        spawn_blocking(move || self.run.close(end)).await.unwrap()
    }

    /// Ends, with nothing left open and nothing gone wrong.
    async fn close_clean(self) {
        let Closed { left, failure } = self.close(true).await;
        assert!(failure.is_none(), "{failure:?}");
        assert!(left.iter().all(|line| line.ends_with("held")), "{left:?}");
    }
}

/// Buys a contract for a cent, some day.
fn patient(market: &Value) -> Placed {
    let wanted = resting(market);
    Placed {
        number: 0,
        row_id: 1,
        ticker: wanted.ticker,
        intent: Intent { side: Side::Yes, verb: Verb::Buy },
        price: wanted.price,
        qty: wanted.count,
        time_in_force: wanted.time_in_force,
        post_only: false,
    }
}

/// Buys two hundredths of a contract now.
fn eager(market: &Value) -> Placed {
    let time_in_force = TimeInForce::ImmediateOrCancel;
    Placed { price: crossing(), qty: Qty(2), time_in_force, ..patient(market) }
}

/// The journal of a run: every line, read.
fn journal(data: &Path, run: u8) -> Vec<Value> {
    let path = data.join("trade").join(run.to_string()).join(JOURNAL_FILE);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The states that the journal names for the order of a number, in their order.
fn states(journal: &[Value], number: u64) -> Vec<String> {
    let judged = journal.iter().find(|l| l["what"] == "judged" && l["number"] == number);
    let id = &judged.expect("judged")["id"];
    let lines = journal.iter().filter(|l| l["what"] == "order" && l["id"] == *id);
    let mut states: Vec<_> = lines.map(|l| l["state"].as_str().unwrap().to_owned()).collect();
    states.dedup();
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_rest_fill_and_are_cancelled_and_every_step_is_written_down() {
    let (dir, mut exchange) = (tempfile::tempdir().unwrap(), Exchange::quiet().await);
    let market = exchange.market().await;
    let mut decider = Decider::ready(&exchange, dir.path(), 1, &market).await;
    decider.place(1, patient(&market));
    exchange.resting_are(1).await;
    decider.line.ask(Ask::Cancel { number: 1 }).unwrap();
    assert_eq!(decider.ended(1).await.0, State::Cancelled);
    // Nothing to take at a cent: it ends without a fill.
    let in_vain = Placed { time_in_force: TimeInForce::ImmediateOrCancel, ..patient(&market) };
    decider.place(2, in_vain);
    assert_eq!(decider.ended(2).await.0, State::Cancelled);
    decider.place(3, eager(&market));
    assert_eq!(decider.ended(3).await.0, State::Filled);
    // Selling YES from the other side of the contract: NO is bought.
    let intent = Intent { side: Side::No, verb: Verb::Sell };
    let price = crossing().complement();
    decider.place(4, Placed { intent, price, ..eager(&market) });
    assert_eq!(decider.ended(4).await.0, State::Filled);

    let rows = exchange.reader.fills(&Listing::default()).await.unwrap();
    let fills = decider.fills();
    assert_eq!((fills.len(), rows.len()), (2, 2));
    for (fill, row) in fills.iter().zip(rows.iter().rev()) {
        let yes_price = fill.intent.yes_price(fill.price);
        assert_eq!((yes_price, fill.qty, fill.fee), (row.yes_price_dollars, Qty(2), row.fee_cost));
        assert_eq!(fill.role, Role::Taker);
    }
    assert_eq!((fills[0].number, fills[1].number), (Some(3), Some(4)));
    decider.close_clean().await;

    let journal = journal(dir.path(), 1);
    assert_eq!(journal[0]["what"], "opened");
    assert_eq!(states(&journal, 1), ["new", "sent", "resting", "cancelled"]);
    assert_eq!(states(&journal, 3).last().unwrap(), "filled");
    let count = |what: &str| journal.iter().filter(|line| line["what"] == what).count();
    assert_eq!((count("judged"), count("fill"), count("cancel")), (4, 2, 1));
    let pushed = journal.iter().filter(|l| l["what"] == "frame");
    let fills = pushed.filter(|l| l["frame"].as_str().unwrap().contains("\"type\":\"fill\""));
    assert_eq!(fills.count(), 2, "the fills came by push, and stand there as they came");
    assert_eq!(journal.last().unwrap()["what"], "ended");
    let standing = StandingFile::at(dir.path()).read().unwrap().unwrap();
    assert_eq!(standing.positions_e2.values().copied().collect::<Vec<_>>(), [4]);
    exchange.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resting_order_is_filled_by_the_crowd_and_told_by_push() {
    let dir = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::new(Script::default(), HOUR_MS, 2_000).await;
    let market = exchange.market().await;
    let mut decider = Decider::ready(&exchange, dir.path(), 1, &market).await;
    let best = convert::price(market["yes_bid_dollars"].as_str().unwrap().as_bytes()).unwrap();
    decider.place(1, Placed { price: best, ..patient(&market) });
    let is_fill = |told: &Outcome| matches!(told, Outcome::Filled(_));
    let Outcome::Filled(fill) = decider.until(is_fill).await else { unreachable!() };
    assert_eq!(fill.number, Some(1));
    decider.close_clean().await;
    exchange.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kill_file_cancels_what_rests_and_stays_over_a_restart() {
    let (dir, mut exchange) = (tempfile::tempdir().unwrap(), Exchange::quiet().await);
    let market = exchange.market().await;
    let mut decider = Decider::ready(&exchange, dir.path(), 1, &market).await;
    decider.place(1, patient(&market));
    exchange.resting_are(1).await;
    std::fs::write(dir.path().join(KILL_FILE), "").unwrap();
    let tripped = decider.until(|told| matches!(told, Outcome::Tripped(_))).await;
    assert!(matches!(tripped, Outcome::Tripped(trip) if trip.cause == Cause::File));
    assert_eq!(decider.ended(1).await.0, State::Cancelled);
    decider.place(2, patient(&market));
    assert_eq!(decider.refused().await, Refusal::Risk(Refused::Tripped(Cause::File)));
    decider.close_clean().await;
    assert_eq!(exchange.resting().await, 0);

    let mut again = Decider::ready(&exchange, dir.path(), 2, &market).await;
    again.place(1, patient(&market));
    assert_eq!(again.refused().await, Refusal::Risk(Refused::Tripped(Cause::File)));
    again.close_clean().await;
    exchange.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stops_trading_as_the_file_does() {
    let (dir, mut exchange) = (tempfile::tempdir().unwrap(), Exchange::quiet().await);
    let market = exchange.market().await;
    let mut decider = Decider::ready(&exchange, dir.path(), 1, &market).await;
    decider.place(1, patient(&market));
    decider.run.kill(Cause::Key, "k".to_owned()).unwrap();
    let tripped = decider.until(|told| matches!(told, Outcome::Tripped(_))).await;
    assert!(matches!(tripped, Outcome::Tripped(trip) if trip.cause == Cause::Key));
    // It may have been refused already, or was placed and is cancelled.
    decider.close_clean().await;
    assert_eq!(exchange.resting().await, 0);
    exchange.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_cancels_what_an_earlier_run_left_and_takes_its_position_over() {
    let (dir, mut exchange) = (tempfile::tempdir().unwrap(), Exchange::quiet().await);
    let market = exchange.market().await;
    let mut decider = Decider::ready(&exchange, dir.path(), 1, &market).await;
    decider.place(1, eager(&market));
    assert_eq!(decider.ended(1).await.0, State::Filled);
    decider.place(2, patient(&market));
    exchange.resting_are(1).await;
    let Closed { left, failure } = decider.close(false).await;
    assert!(failure.is_none());
    assert!(left.iter().any(|line| line.contains("bid 1.00 at 0.0100")), "{left:?}");
    assert_eq!(exchange.resting().await, 1, "it was let rest");

    let mut again = Decider::open(spec(&exchange, dir.path(), 2, limits())).await;
    again.meet(&market, None);
    // Too early: nothing is ordered before what was left is gone.
    again.place(1, patient(&market));
    again.until(|told| matches!(told, Outcome::Ready)).await;
    assert_eq!(exchange.resting().await, 0);
    let ticker = market["ticker"].as_str().unwrap().to_owned();
    assert!(
        again.told.contains(&Outcome::Position { ticker, position: Qty(2) }),
        "{:?}",
        again.told
    );
    let early = Outcome::Refused { number: 1, why: Refusal::NotRead };
    assert!(again.told.contains(&early), "{:?}", again.told);
    again.close_clean().await;
    exchange.close().await;
}

/// Places one order into the trouble: how it ended, or `None` when it rests; and how many the exchange took.
async fn place_into(fault: RestTrouble) -> (Option<(State, String)>, usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::new(trouble("POST", fault), HOUR_MS, 1).await;
    exchange.rest = timing(fault);
    let market = exchange.market().await;
    let mut decider = Decider::ready(&exchange, dir.path(), 1, &market).await;
    decider.place(1, patient(&market));
    let ended = match fault {
        RestTrouble::Before(_) => Some(decider.ended(1).await),
        RestTrouble::After(_) => {
            exchange.resting_are(1).await;
            decider.line.ask(Ask::Cancel { number: 1 }).unwrap();
            assert_eq!(decider.ended(1).await.0, State::Cancelled, "{fault:?}");
            None
        }
    };
    decider.close_clean().await;
    let orders = exchange.reader.orders(&Listing::default()).await.unwrap().len();
    exchange.close().await;
    (ended, orders)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_exchange_refuses_ends_by_name_and_places_nothing() {
    for (status, word) in
        [(400, "refused"), (401, "key"), (403, "key"), (409, "refused"), (429, "too often")]
    {
        let (ended, orders) = place_into(RestTrouble::Before(Failure::Status(status))).await;
        let (state, why) = ended.unwrap();
        assert_eq!((state, orders), (State::Rejected, 0), "{status}");
        assert!(why.contains(word), "{status}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_looked_up_and_the_order_is_never_placed_twice() {
    for failure in [Failure::Status(500), Failure::Status(503), Failure::Silence(60_000)] {
        let (ended, orders) = place_into(RestTrouble::After(failure)).await;
        assert_eq!((ended, orders), (None, 1), "{failure:?}");
    }
    let (ended, orders) = place_into(RestTrouble::Before(Failure::Status(503))).await;
    assert_eq!((ended, orders), (Some((State::Rejected, "never arrived".to_owned())), 0));
}

/// The answer to the submit never comes; the fill does, on the private channel.
#[tokio::test(flavor = "multi_thread")]
async fn a_fill_that_is_pushed_before_any_answer_counts_at_once_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let silence = RestTrouble::After(Failure::Silence(60_000));
    let mut exchange = Exchange::new(trouble("POST", silence), HOUR_MS, 1).await;
    let market = exchange.market().await;
    let mut decider = Decider::ready(&exchange, dir.path(), 1, &market).await;
    decider.place(1, eager(&market));
    assert_eq!(decider.ended(1).await.0, State::Filled);
    decider.close_clean().await;
    let journal = journal(dir.path(), 1);
    assert_eq!(states(&journal, 1).last().unwrap(), "filled");
    assert!(!states(&journal, 1).contains(&"unknown".to_owned()), "{:?}", states(&journal, 1));
    assert_eq!(journal.iter().filter(|line| line["what"] == "fill").count(), 1);
    exchange.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_that_closes_ends_what_rests_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut exchange = Exchange::new(Script::default(), 12_000, 1).await;
    let mut decider = Decider::open(spec(&exchange, dir.path(), 1, limits())).await;
    decider.until(|told| matches!(told, Outcome::Ready)).await;
    // It must not close before the order is there, however long it took to get here.
    let market = open_market(&mut exchange.reader, 8_000).await;
    decider.meet(&market, None);
    decider.place(1, patient(&market));
    assert_eq!(decider.ended(1).await.0, State::Cancelled);
    decider.place(2, patient(&market));
    let (state, why) = decider.ended(2).await;
    assert_eq!(state, State::Rejected);
    assert!(why == "market_closed" || why == "not_found", "{why}");
    decider.close_clean().await;
    exchange.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_close_a_position_is_given_up() {
    let (dir, mut exchange) = (tempfile::tempdir().unwrap(), Exchange::quiet().await);
    let market = exchange.market().await;
    let mut decider = Decider::ready(&exchange, dir.path(), 1, &market).await;
    decider.place(1, eager(&market));
    assert_eq!(decider.ended(1).await.0, State::Filled);
    decider.place(2, patient(&market));
    exchange.resting_are(1).await;
    decider.meet(&market, Some(TsUs::from_ms(now().ms() + 50_000)));
    assert_eq!(decider.ended(2).await.0, State::Cancelled);
    let is_exit = |told: &Outcome| matches!(told, Outcome::Filled(OrderFill { number: None, .. }));
    let Outcome::Filled(exit) = decider.until(is_exit).await else { unreachable!() };
    assert_eq!((exit.intent.adds_yes(), exit.qty), (false, Qty(2)));
    decider.place(3, eager(&market));
    assert_eq!(decider.refused().await, Refusal::Risk(Refused::Closing));
    decider.close_clean().await;
    let positions = exchange.reader.positions().await.unwrap();
    assert!(positions.iter().all(|position| position.position_fp == Qty::ZERO));
    exchange.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_a_day_stops_trading_also_when_it_is_seen_after_a_restart() {
    let (dir, mut exchange) = (tempfile::tempdir().unwrap(), Exchange::quiet().await);
    let market = exchange.market().await;
    let strict = Limits { daily_loss_max: Money::ZERO, ..limits() };
    let mut decider = Decider::open(spec(&exchange, dir.path(), 1, strict)).await;
    decider.meet(&market, None);
    decider.until(|told| matches!(told, Outcome::Ready)).await;
    // Spread and fee are a loss.
    decider.place(1, eager(&market));
    assert_eq!(decider.ended(1).await.0, State::Filled);
    let Closed { failure, .. } = decider.close(true).await;
    assert!(failure.is_none());
    KillFile::at(dir.path()).reset().unwrap();

    let mut again = Decider::open(spec(&exchange, dir.path(), 2, strict)).await;
    let tripped = again.until(|told| matches!(told, Outcome::Tripped(_))).await;
    assert!(matches!(tripped, Outcome::Tripped(trip) if trip.cause == Cause::DailyLoss));
    assert_eq!(KillFile::at(dir.path()).read().unwrap().cause, Cause::DailyLoss);
    again.close_clean().await;
    exchange.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_that_cannot_keep_its_books_is_not_opened() {
    let (dir, exchange) = (tempfile::tempdir().unwrap(), Exchange::quiet().await);
    let refused = |spec: RunnerSpec| async move {
        spawn_blocking(move || runner::open(spec)).await.unwrap().unwrap_err()
    };
    let good = spec(&exchange, dir.path(), 1, limits());
    std::fs::write(dir.path().join("ACCOUNT"), "nonsense").unwrap();
    assert!(matches!(refused(good.clone()).await, RunnerError::Standing(_)));
    std::fs::remove_file(dir.path().join("ACCOUNT")).unwrap();
    std::fs::write(dir.path().join("trade"), "in the way").unwrap();
    assert!(matches!(refused(good.clone()).await, RunnerError::Journal(_)));
    std::fs::remove_file(dir.path().join("trade")).unwrap();
    let nobody = RunnerSpec { access: access("127.0.0.1:1"), ..good };
    let nobody = RunnerSpec { rest: RestTiming { tries_max: 1, ..TIMING }, ..nobody };
    assert!(matches!(refused(nobody).await, RunnerError::Gateway(_)));
    exchange.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_goes_away_is_told_in_words_at_the_end() {
    let (dir, mut exchange) = (tempfile::tempdir().unwrap(), Exchange::quiet().await);
    let market = exchange.market().await;
    let decider = Decider::ready(&exchange, dir.path(), 1, &market).await;
    decider.place(1, patient(&market));
    exchange.resting_are(1).await;
    exchange.close().await;
    let end = End { cancels: true, patience: Duration::from_millis(500) };
    let Closed { left, .. } = spawn_blocking(move || decider.run.close(end)).await.unwrap();
    assert!(left.iter().any(|line| line.contains("bid 1.00 at 0.0100")), "{left:?}");
}

#[test]
fn the_command_shows_where_the_account_stood_and_a_reset_after_a_loss_begins_the_day_anew() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let shown = |word: &str| -> Value {
        let out = run_command(&mut kflow(&["risk", word, "--data", data, "--json"]));
        assert_eq!(out.code, 0, "{}", out.stderr);
        serde_json::from_str::<Value>(&out.stdout).unwrap()["data"].take()
    };
    assert!(shown("show").get("day_start_usd").is_none(), "nothing is recorded");
    let standing = Standing {
        account: "demo key".into(),
        day: 20_778,
        day_start_e6: 100_000_000,
        equity_e6: 70_500_000,
        open: vec!["KX-A: bid 1.00 at 0.4900 (resting, kflow-1)".into()],
        ..Standing::default()
    };
    StandingFile::at(dir.path()).write(&standing).unwrap();
    let seen = shown("show");
    let text = |key: &str| seen[key].as_str().unwrap();
    assert_eq!((text("account"), text("day")), ("demo key", "2026-11-21"));
    assert_eq!((text("day_start_usd"), text("equity_usd")), ("100.000000", "70.500000"));
    assert_eq!(seen["open"].as_array().unwrap().len(), 1);

    let kill = KillFile::at(dir.path());
    let trip = |cause| Trip { cause, at: now(), detail: String::new() };
    kill.write(&trip(Cause::Key)).unwrap();
    assert_eq!(shown("reset")["day_start_usd"], "100.000000", "no loss, no reason to forget");
    kill.write(&trip(Cause::DailyLoss)).unwrap();
    assert!(shown("reset").get("day_start_usd").is_none());
}
