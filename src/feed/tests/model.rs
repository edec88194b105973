//! A model of the exchange: numbers its frames, answers commands, misbehaves on demand, knows the truth.

use crate::event::{Delta, Snapshot, Trade};
use crate::rng::Rng;
use crate::units::{Price, Qty, Side, TsUs};
use crate::wire::frame::{BookFrame, ClientFrame, Command, ServerBody, ServerFrame};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Bids by side and price.
pub type Levels = BTreeMap<(usize, i64), i64>;

/// What goes wrong, each in chances per thousand frames (or commands).
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub drop: u64,
    pub duplicate: u64,
    pub swap: u64,
    pub replay: u64,
    pub garbage: u64,
    pub restart: u64,
    pub terminal: u64,
    pub cut: u64,
    pub mute: u64,
    pub command: u64,
}

struct Line {
    channel: String,
    seq: u64,
    markets: BTreeSet<String>,
}

pub struct Model {
    pub rng: Rng,
    pub faults: Faults,
    pub books: BTreeMap<String, Levels>,
    pub connection: u64,
    /// Frames on their way to the client.
    pub queue: VecDeque<String>,
    /// The book of a frame's market after the frame, by connection, subscription and number.
    pub truth: BTreeMap<(u64, u32, u64), Levels>,
    /// Numbers were given out twice on this connection: `truth` cannot tell which frame is meant.
    pub restarted: bool,
    lines: BTreeMap<u32, Line>,
    next_sid: u32,
    recent: VecDeque<String>,
    faithful: u32,
}

impl Model {
    pub fn new(tickers: &[String], faults: Faults, seed: u64) -> Model {
        Model {
            rng: Rng::stream(seed, "model", 0),
            faults,
            books: tickers.iter().map(|t| (t.clone(), Levels::new())).collect(),
            connection: 0,
            queue: VecDeque::new(),
            truth: BTreeMap::new(),
            restarted: false,
            lines: BTreeMap::new(),
            next_sid: 1,
            recent: VecDeque::new(),
            faithful: 0,
        }
    }

    pub fn connect(&mut self) {
        self.connection += 1;
        self.restarted = false;
        self.next_sid = 1;
        self.lines.clear();
        self.queue.clear();
        self.recent.clear();
    }

    fn chance(&mut self, per_thousand: u64) -> bool {
        self.rng.below(1_000) < per_thousand
    }

    /// Something happens in a market that somebody listens to; sometimes something else goes wrong.
    pub fn act(&mut self) {
        let tickers: Vec<String> = self.books.keys().cloned().collect();
        let ticker = tickers[self.rng.below(tickers.len() as u64) as usize].clone();
        let side = if self.rng.chance(0.5) { Side::Yes } else { Side::No };
        let e4 = (1 + self.rng.below(12) as i64) * 100;
        let level = self.books.get_mut(&ticker).unwrap().entry((side.index(), e4)).or_default();
        let change = self.rng.below(500) as i64 - (*level).min(250);
        *level += change;
        self.books.get_mut(&ticker).unwrap().retain(|_, size| *size > 0);
        let what = Delta { side, price: Price::new(e4).unwrap(), qty: Qty(change) };
        let body = ServerBody::Delta(frame_of(&ticker, Some(TsUs(1_700_000_000_000_001)), what));
        self.publish("orderbook_delta", &ticker, body);
        if self.rng.chance(0.3) {
            let what = Trade {
                taker: side,
                yes_price: Price::new(e4).unwrap(),
                qty: Qty(100),
                block: None,
                id: [7; 16],
            };
            let mut frame = frame_of(&ticker, Some(TsUs(1_700_000_000_000_000)), what);
            frame.market_id = None;
            self.publish("trade", &ticker, ServerBody::Trade(frame));
        }
        if self.chance(self.faults.restart) {
            (self.faithful, self.restarted) = (3, true);
            for line in self.lines.values_mut() {
                line.seq = 0;
            }
        }
        if self.chance(self.faults.terminal) {
            let sids: Vec<u32> = self.lines.keys().copied().collect();
            if let Some(sid) = sids.first() {
                let msg = json!({"code": 25, "msg": "Subscription buffer overflow"});
                self.numbered(*sid, None, error(&msg), None);
                self.lines.remove(sid);
            }
        }
    }

    fn publish(&mut self, channel: &str, ticker: &str, body: ServerBody) {
        let carries = |(sid, l): (&u32, &Line)| {
            (l.channel == channel && l.markets.contains(ticker)).then_some(*sid)
        };
        if let Some(sid) = self.lines.iter().find_map(carries) {
            self.numbered(sid, None, body, Some(ticker));
        }
    }

    /// A command of the client.
    pub fn command(&mut self, text: &str) {
        let ClientFrame { id, command } = serde_json::from_str(text).expect("a command we know");
        if self.chance(self.faults.command) {
            if self.rng.chance(0.5) {
                let msg = json!({"code": 27, "msg": "Too many requests"});
                self.emit(&ServerFrame { id: Some(id), sid: None, seq: None, body: error(&msg) });
            }
            return;
        }
        match command {
            Command::Subscribe(params) => {
                let channel = params["channels"][0].as_str().unwrap().to_owned();
                self.subscribe(id, channel, tickers(params.get("market_tickers")));
            }
            Command::Unsubscribe { sids } => {
                sids.into_iter().for_each(|sid| self.unsubscribe(id, sid))
            }
            Command::UpdateSubscription(params) => {
                let sid = params["sids"][0].as_u64().unwrap() as u32;
                let markets = tickers(params.get("market_tickers"));
                self.update(id, sid, params["action"].as_str().unwrap(), markets);
            }
            Command::ListSubscriptions => {
                let entry = |(sid, l): (&u32, &Line)| json!({"channel": l.channel, "sid": sid});
                let body = ServerBody::Ok(Value::Array(self.lines.iter().map(entry).collect()));
                self.emit(&ServerFrame { id: Some(id), sid: None, seq: None, body });
            }
        }
    }

    fn subscribe(&mut self, id: u64, channel: String, markets: BTreeSet<String>) {
        let open = self.lines.iter().find(|(_, l)| l.channel == channel).map(|(sid, _)| *sid);
        if let Some(sid) = open {
            return self.update(id, sid, "add_markets", markets);
        }
        let sid = self.next_sid;
        self.next_sid += 1;
        let line = Line { channel: channel.clone(), seq: 0, markets: markets.clone() };
        self.lines.insert(sid, line);
        let body = ServerBody::Subscribed { channel: channel.clone(), sid };
        let said = ServerFrame { id: Some(id), sid: None, seq: None, body };
        // The answer may be overtaken by what it announces.
        let first = self.rng.chance(0.5);
        if first {
            self.emit(&said);
        }
        self.snapshots(sid, None, &markets);
        if !first {
            self.emit(&said);
        }
    }

    fn unsubscribe(&mut self, id: u64, sid: u32) {
        if self.lines.contains_key(&sid) {
            self.numbered(sid, Some(id), ServerBody::Unsubscribed, None);
            self.lines.remove(&sid);
        } else {
            self.unknown_sid(id);
        }
    }

    fn unknown_sid(&mut self, id: u64) {
        let msg = json!({"code": 7, "msg": "Unknown subscription ID"});
        self.emit(&ServerFrame { id: Some(id), sid: None, seq: None, body: error(&msg) });
    }

    fn update(&mut self, id: u64, sid: u32, action: &str, markets: BTreeSet<String>) {
        let Some(line) = self.lines.get_mut(&sid) else { return self.unknown_sid(id) };
        match action {
            "get_snapshot" => return self.snapshots(sid, Some(id), &markets),
            "add_markets" => line.markets.extend(markets.iter().cloned()),
            _ => line.markets.retain(|m| !markets.contains(m)),
        }
        let body = ServerBody::Ok(json!({"market_tickers": line.markets}));
        self.numbered(sid, Some(id), body, None);
        if action == "add_markets" {
            self.snapshots(sid, None, &markets);
        }
    }

    fn snapshots(&mut self, sid: u32, id: Option<u64>, markets: &BTreeSet<String>) {
        if self.lines[&sid].channel != "orderbook_delta" {
            return;
        }
        for ticker in markets {
            let side = |index| {
                let of_side = |((s, p), q): (&(usize, i64), &i64)| {
                    (*s == index).then(|| (Price::new(*p).unwrap(), Qty(*q)))
                };
                self.books[ticker].iter().filter_map(of_side).collect()
            };
            let what = Snapshot { yes: side(0), no: side(1) };
            self.numbered(
                sid,
                id,
                ServerBody::Snapshot(frame_of(ticker, None, what)),
                Some(ticker),
            );
        }
    }

    fn numbered(&mut self, sid: u32, id: Option<u64>, body: ServerBody, ticker: Option<&str>) {
        let line = self.lines.get_mut(&sid).unwrap();
        line.seq += 1;
        let seq = line.seq;
        if let Some(ticker) = ticker {
            let levels = self.books[ticker].clone();
            self.truth.insert((self.connection, sid, seq), levels);
        }
        self.emit(&ServerFrame { id, sid: Some(sid), seq: Some(seq), body });
    }

    /// Puts a frame on its way, unless something happens to it.
    fn emit(&mut self, frame: &ServerFrame) {
        let text = frame.to_value().to_string();
        if self.faithful > 0 {
            self.faithful -= 1;
            return self.queue.push_back(text);
        }
        if self.chance(self.faults.drop) {
            return;
        }
        if self.chance(self.faults.garbage) {
            return self.garbage(frame, &text);
        }
        if self.chance(self.faults.swap) && !self.queue.is_empty() {
            self.queue.insert(self.queue.len() - 1, text.clone());
        } else {
            self.queue.push_back(text.clone());
        }
        if self.chance(self.faults.duplicate) {
            self.queue.push_back(text.clone());
        }
        self.recent.push_back(text);
        if self.recent.len() > 20 {
            self.recent.pop_front();
        }
        if self.chance(self.faults.replay) {
            self.queue.extend(self.recent.iter().cloned());
        }
    }

    fn garbage(&mut self, frame: &ServerFrame, text: &str) {
        let mangled = match self.rng.below(3) {
            0 => text[..text.len() / 2].to_owned(),
            1 => {
                text.replace("\"msg\":{", "\"msg\":{\"side\":\"maybe\",\"price_dollars\":7,\"x\":")
            }
            _ => json!({"type": "orderbook_delta", "sid": frame.sid, "seq": frame.seq}).to_string(),
        };
        self.queue.push_back(mangled);
    }
}

fn tickers(list: Option<&Value>) -> BTreeSet<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn error(msg: &Value) -> ServerBody {
    let code = msg["code"].as_u64().unwrap() as u32;
    ServerBody::Error { code, msg: msg.as_object().unwrap().clone() }
}

pub fn frame_of<T>(ticker: &str, ts: Option<TsUs>, what: T) -> BookFrame<T> {
    BookFrame { ticker: ticker.to_owned(), market_id: Some([9; 16]), ts, what }
}
