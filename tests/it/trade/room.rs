//! The built-in exchange on a socket, and the gateway and the blotter in front of it.

use kalshiflow::config::{Endpoint, ExchangeEnv};
use kalshiflow::event::SessionId;
use kalshiflow::feed::access::Access;
use kalshiflow::feed::rest::{Listing, RestClient, RestTiming};
use kalshiflow::feed::tls;
use kalshiflow::sim::rest::{Failure, RestFault, RestTrouble};
use kalshiflow::sim::script::{Fault, Script, Step, When};
use kalshiflow::sim::server::{SimReport, SimSpec, run};
use kalshiflow::sim::venue::VenueSpec;
use kalshiflow::sim::ws::Channel;
use kalshiflow::trade::blotter::{Blotter, Difference, Effect, State};
use kalshiflow::trade::gateway::{Demo, Task};
use kalshiflow::trade::message::{ClientId, Report, Truth, Wanted};
use kalshiflow::units::{Price, Qty, TsNs};
use kalshiflow::wire::auth::Signer;
use kalshiflow::wire::market::market_info;
use kalshiflow::wire::orders::{BookSide, TimeInForce};
use kalshiflow::wire::portfolio::OrderState;
use serde_json::Value;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::{RwLock, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here takes; ends a test that waits in vain.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than an answer takes on a busy machine: what comes later is no answer.
pub(super) const TIMING: RestTiming =
    RestTiming { connect_ms: 2_000, reply_ms: 5_000, tries_max: 3, retry_after_max_ms: 1_000 };
/// An exchange that is silent on purpose is given up sooner.
const SILENCE_MS: u64 = 1_000;

/// A signal that is sent to this process is heard by every desk in it: whoever opens one holds this for reading
/// until it is closed, whoever sends a signal for writing.
pub(super) static DESKS: RwLock<()> = RwLock::const_new(());

pub(super) struct Room {
    pub(super) blotter: Blotter,
    /// Everything that the blotter said.
    pub(super) effects: Vec<Effect>,
    /// Reads what the exchange holds, past the gateway.
    pub(super) reader: RestClient,
    tasks: mpsc::Sender<Task>,
    reports: mpsc::Receiver<Report>,
    gateway: JoinHandle<()>,
    /// Commands without an answer.
    open: usize,
    /// How far time was let jump, so that nobody waits for a blotter's patience.
    jumped_ns: i64,
    stop: watch::Sender<bool>,
    exchange: JoinHandle<SimReport>,
}

pub(super) fn access(address: &str) -> Access {
    let url = format!("http://{address}");
    let endpoint = Endpoint::resolve(ExchangeEnv::Sim, Some(&url), &Default::default()).unwrap();
    Access { endpoint, signer: Signer::simulator(), tls: tls::client(None).unwrap() }
}

/// The next order call goes wrong in this way, and something else then shows that it will.
pub(super) fn trouble(method: &str, trouble: RestTrouble) -> Script {
    let fault = |method: &str, path: &str, trouble| {
        let (method, path) = (method.to_owned(), path.to_owned());
        let fault = Fault::Rest(RestFault { method, path, times: 1, trouble });
        Step { when: When::AtMs(0), channel: Channel::OrderbookDelta, fault }
    };
    let shows = RestTrouble::Before(Failure::Status(418));
    Script::new(vec![
        fault(method, "portfolio/events/orders", trouble),
        fault("GET", "exchange/status", shows),
    ])
}

/// How long an answer is waited for that goes wrong in this way.
pub(super) fn timing(fault: RestTrouble) -> RestTiming {
    let is_silence = matches!(fault.failure(), Failure::Silence(_));
    RestTiming { reply_ms: if is_silence { SILENCE_MS } else { TIMING.reply_ms }, ..TIMING }
}

/// Our clock; the exchange's shows the same.
pub(super) fn now() -> TsNs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    TsNs(since.as_nanos() as i64)
}

/// An open market with bids and asks, in whole cents, that goes on for `ms` at least; it may have to open first.
pub(super) async fn open_market(reader: &mut RestClient, ms: i64) -> Value {
    let good = |market: &Value| {
        let sizes = ["yes_ask_size_fp", "yes_bid_size_fp"].map(|key| &market[key]);
        let close = market_info(market).unwrap().close.unwrap();
        sizes.iter().all(|size| **size != "0.00")
            && market["price_level_structure"] == "linear_cent"
            && close.ms() - now().ms() >= ms
    };
    let found = async {
        loop {
            let open = [("status", "open".to_owned())];
            let page = reader.markets_page(&open, "").await.unwrap();
            if let Some(market) = page.markets.into_iter().find(&good) {
                break market;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("a quoted market")
}

impl Room {
    pub(super) async fn new(script: Script, lifetime_ms: i64) -> Room {
        Room::patient(script, lifetime_ms, TIMING).await
    }

    /// One where the next order call of a method goes wrong.
    pub(super) async fn troubled(method: &str, fault: RestTrouble, lifetime_ms: i64) -> Room {
        Room::patient(trouble(method, fault), lifetime_ms, timing(fault)).await
    }

    async fn patient(script: Script, lifetime_ms: i64, timing: RestTiming) -> Room {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = watch::channel(false);
        let waits = !script.clone().due(0).is_empty();
        let spec = SimSpec {
            // Quiet: what a test sees in the book is still there when it trades.
            venue: VenueSpec { markets: 6, rate_per_s: 1, lifetime_ms, ..VenueSpec::default() },
            script,
            ..SimSpec::default()
        };
        let exchange = tokio::spawn(async move { run(listener, spec, stopped).await.unwrap() });
        let access = access(&address);
        let mut reader = RestClient::connect(&access, timing, 1).await.unwrap();
        if waits {
            let seen = async { while reader.exchange_status().await.is_ok() {} };
            timeout(PATIENCE, seen).await.expect("the script strikes");
        }
        let gateway = Demo::connect(&access, timing, 2).await.unwrap();
        let (tasks, todo) = mpsc::channel(64);
        let (told, reports) = mpsc::channel(64);
        let gateway = tokio::spawn(gateway.run(todo, told));
        let mut room = Room {
            blotter: Blotter::new(SessionId([7; 16])),
            effects: Vec::new(),
            reader,
            tasks,
            reports,
            gateway,
            open: 0,
            jumped_ns: 0,
            stop,
            exchange,
        };
        assert_eq!(room.reconcile().await, []);
        room
    }

    pub(super) fn now(&self) -> TsNs {
        TsNs(now().0 + self.jumped_ns)
    }

    /// Does something to the blotter, and hands on what it wants.
    pub(super) async fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Blotter, TsNs, &mut Vec<Effect>) -> T,
    ) -> T {
        let (mut effects, now) = (Vec::new(), self.now());
        let got = act(&mut self.blotter, now, &mut effects);
        for effect in effects {
            if let Effect::Do(command) = &effect {
                self.open += 1;
                self.tasks.send(Task::Do(command.clone())).await.unwrap();
            }
            self.effects.push(effect);
        }
        got
    }

    pub(super) async fn submit(&mut self, wanted: Wanted) -> ClientId {
        self.with(|blotter, now, out| blotter.submit(wanted, now, out)).await
    }

    /// Listens until the blotter is as wanted. Time jumps where nothing is on its way.
    pub(super) async fn until(&mut self, wanted: impl Fn(&Blotter) -> bool) {
        while !wanted(&self.blotter) {
            if self.open == 0 {
                let at = self.blotter.next_tick().expect("nothing is on its way, nothing is due");
                self.jumped_ns += (at.0 - self.now().0).max(0);
                self.with(|blotter, now, out| blotter.tick(now, out)).await;
                continue;
            }
            let report = timeout(PATIENCE, self.reports.recv()).await.expect("it is reported");
            let report = report.expect("the gateway works");
            self.open -= usize::from(!matches!(report, Report::Sent(_)));
            self.with(|blotter, now, out| blotter.hear(report, now, out)).await;
        }
    }

    /// Listens until all about an order is known; how it ended, and why if it was rejected.
    pub(super) async fn ended(&mut self, id: &ClientId) -> (State, String) {
        self.until(|blotter| blotter.order(id).unwrap().is_settled()).await;
        let order = self.blotter.order(id).unwrap();
        (order.state(), order.rejected.clone().unwrap_or_default())
    }

    pub(super) async fn truth(&mut self) -> Truth {
        let (reply, truth) = oneshot::channel();
        let asked = self.now();
        self.tasks.send(Task::Read { since_s: 0, asked, reply }).await.unwrap();
        truth.await.unwrap().unwrap()
    }

    pub(super) async fn reconcile(&mut self) -> Vec<Difference> {
        let truth = self.truth().await;
        self.with(|blotter, now, out| blotter.reconcile(&truth, now, out)).await
    }

    /// Every order that the exchange ever took.
    pub(super) async fn orders(&mut self) -> Vec<OrderState> {
        self.reader.orders(&Listing::default()).await.unwrap()
    }

    pub(super) async fn market(&mut self) -> Value {
        open_market(&mut self.reader, 0).await
    }

    /// One that goes on for `ms` at least.
    pub(super) async fn market_for(&mut self, ms: i64) -> Value {
        open_market(&mut self.reader, ms).await
    }

    pub(super) async fn end(self) {
        drop((self.tasks, self.reports));
        timeout(PATIENCE, self.gateway).await.expect("stops").unwrap();
        self.stop.send_replace(true);
        timeout(PATIENCE, self.exchange).await.expect("stops").unwrap();
    }
}

/// A bid for a contract at one cent that waits for a trade.
pub(super) fn resting(market: &Value) -> Wanted {
    Wanted {
        ticker: market["ticker"].as_str().unwrap().to_owned(),
        side: BookSide::Bid,
        price: Price::new(100).unwrap(),
        count: Qty::contracts(1),
        time_in_force: TimeInForce::GoodTillCanceled,
        post_only: false,
        reduce_only: false,
        expires_s: None,
    }
}

/// A limit that takes from whoever asks, wherever the book has moved since it was read.
pub(super) fn crossing() -> Price {
    Price::new(9_900).unwrap()
}
