//! Commands carried out.

use super::channel::{Channel, Scope, Subscription};
use super::command::{self, Ask, Code, Subscribe, words};
use super::mangle::{Mangle, Out};
use super::{Issue, Plan, Scene, Session};
use crate::sim::encode::ticker_text;
use crate::sim::truth::{Line, other_print};
use crate::units::TsUs;
use serde_json::{Value, json};

impl Session {
    /// A command came. It is carried out a moment later, see [`super::WsSpec::reply_jitter_us`].
    pub fn ask(&mut self, text: String, scene: &mut Scene<'_>) {
        let now = scene.venue.now();
        if now.0.saturating_sub(self.commands.0.0) >= 1_000_000 {
            self.commands = (now, 0);
        }
        self.commands.1 += 1;
        if self.commands.1 > self.spec.commands_per_s {
            let (id, _) = command::read(&text);
            return self.refuse(id, None, 27, &[], scene);
        }
        let jitter_us = self.rng.below(u64::from(self.spec.reply_jitter_us) + 1);
        self.plan(TsUs(now.0.saturating_add_unsigned(jitter_us)), Plan::Command(text));
    }

    pub(super) fn answer(&mut self, text: &str, scene: &mut Scene<'_>) {
        let (id, ask) = command::read(text);
        match ask {
            Err(code) => self.refuse(id, None, code, &[], scene),
            Ok(Ask::List) => self.list(id),
            Ok(Ask::Subscribe(wish)) => {
                for &channel in &wish.channels {
                    self.subscribe(id, channel, &wish, scene);
                }
            }
            Ok(Ask::Unsubscribe(sids)) => sids.into_iter().for_each(|sid| match self.place(sid) {
                Some(at) => {
                    self.control(at, "unsubscribed", id, None, scene);
                    self.subs.remove(at);
                }
                None => self.refuse(id, None, 7, &[], scene),
            }),
            Ok(Ask::Update { sid, action, tickers }) => match (self.place(sid), tickers) {
                (None, _) => self.refuse(id, None, 7, &[], scene),
                (Some(at), None) => self.refuse(id, Some(at), 14, &[], scene),
                (Some(at), Some(tickers)) => self.update(id, at, &action, &tickers, scene),
            },
        }
    }

    fn place(&self, sid: u32) -> Option<usize> {
        self.subs.iter().position(|s| s.sid == sid)
    }

    fn list(&mut self, id: u64) {
        let row = |s: &Subscription| json!({"channel": s.channel.name(), "sid": s.sid});
        let msg: Value = self.subs.iter().map(row).collect();
        self.unnumbered(json!({"id": id, "type": "ok", "msg": msg}).to_string());
    }

    fn subscribe(&mut self, id: u64, channel: Channel, wish: &Subscribe, scene: &mut Scene<'_>) {
        if channel.is_private() && self.account.is_none() {
            return self.refuse(id, None, 9, &[], scene);
        }
        let tickers = wish.tickers.as_ref().filter(|_| !channel.is_global());
        let (known, unknown) = find(tickers.map_or(&[], |t| t), scene);
        if !unknown.is_empty() {
            self.refuse(id, None, 11, &unknown, scene);
            if known.is_empty() {
                return;
            }
        }
        if let Some(at) = self.subs.iter().position(|s| s.channel == channel) {
            return self.add(id, at, &known, wish.initial_ticker, scene);
        }
        if known.len() > self.spec.markets_max as usize {
            return self.refuse(id, None, 26, &[], scene);
        }
        self.sids += 1;
        let sid = self.sids;
        self.subs.push(Subscription {
            sid,
            channel,
            seq: 0,
            scope: if tickers.is_some() { Scope::of(&known) } else { Scope::All },
            yes_scale: wish.yes_scale,
            short_ok: wish.short_ok,
            mangle: Mangle::default(),
            leaves: TsUs(i64::MIN),
        });
        if channel.is_numbered() {
            let channel = channel.name().to_owned();
            scene.truth.enter(Line::Sid { c: self.number, sid, channel });
        }
        let msg = json!({"channel": channel.name(), "sid": sid});
        self.unnumbered(json!({"type": "subscribed", "id": id, "msg": msg}).to_string());
        self.first_look(self.subs.len() - 1, known, wish.initial_ticker, scene);
    }

    fn update(
        &mut self,
        id: u64,
        at: usize,
        action: &str,
        tickers: &[String],
        scene: &mut Scene<'_>,
    ) {
        let (known, unknown) = find(tickers, scene);
        let is_book = self.subs[at].channel == Channel::OrderbookDelta;
        match action {
            "add_markets" | "delete_markets" | "get_snapshot" if !unknown.is_empty() => {
                self.refuse(id, Some(at), 11, &unknown, scene);
            }
            "add_markets" => self.add(id, at, &known, false, scene),
            "delete_markets" => {
                self.subs[at].scope.remove(&known);
                self.ok(id, at, scene);
            }
            "get_snapshot" if is_book => {
                for market in known {
                    self.snapshot(at, market, id, scene);
                }
            }
            _ => self.refuse(id, Some(at), 13, &[], scene),
        }
    }

    fn add(&mut self, id: u64, at: usize, markets: &[u32], ticker: bool, scene: &mut Scene<'_>) {
        let scope = &mut self.subs[at].scope;
        if scope.list().len() + markets.len() > self.spec.markets_max as usize {
            return self.refuse(id, Some(at), 26, &[], scene);
        }
        let new = scope.add(markets);
        self.ok(id, at, scene);
        self.first_look(at, new, ticker, scene);
    }

    /// First snapshots of new markets, in any order, some of them late.
    fn first_look(&mut self, at: usize, mut new: Vec<u32>, ticker: bool, scene: &mut Scene<'_>) {
        let (sid, channel, now) = (self.subs[at].sid, self.subs[at].channel, scene.venue.now());
        if channel == Channel::Ticker && ticker {
            for market in new.iter().filter_map(|m| scene.venue.market(*m)) {
                let msg = ticker_text(market, now);
                self.issue(at, Issue { kind: "ticker", msg: &msg, ..Issue::default() }, scene);
            }
        }
        if channel != Channel::OrderbookDelta {
            return;
        }
        if self.spec.reply_jitter_us > 0 {
            self.rng.shuffle(&mut new);
        }
        for market in new {
            let late = self.rng.below(1_000) < u64::from(self.spec.late_snapshots_e3);
            let late_us =
                if late { self.rng.below(u64::from(self.spec.late_snapshot_us) + 1) } else { 0 };
            // Through the agenda even when it is due: a fault may end the subscription in between.
            let at = TsUs(now.0.saturating_add_unsigned(late_us));
            self.plan(at, Plan::Snapshot { sid, market });
        }
    }

    /// The book of a market as it stands; `id` of the command that asked for it, else 0.
    pub(super) fn snapshot(&mut self, at: usize, market: u32, id: u64, scene: &mut Scene<'_>) {
        let Some(m) = scene.venue.market(market) else { return };
        let (book, print) = (m.face.snapshot(), m.face.print());
        let message = scene.encoder.snapshot(market, &m.definition, &book, print);
        self.pass_on(at, id, &message, scene);
    }

    fn ok(&mut self, id: u64, at: usize, scene: &mut Scene<'_>) {
        let sub = &self.subs[at];
        let ticker = |m: &u32| scene.venue.market(*m).map(|m| m.definition.ticker.as_str());
        let msg = if sub.short_ok {
            json!({})
        } else {
            json!({"market_tickers": sub.scope.list().iter().filter_map(ticker).collect::<Vec<_>>()})
        };
        self.control(at, "ok", id, Some(&msg), scene);
    }

    /// A reply that is numbered like everything else of the subscription.
    pub(super) fn control(
        &mut self,
        at: usize,
        kind: &str,
        id: u64,
        msg: Option<&Value>,
        scene: &mut Scene<'_>,
    ) {
        let text = msg.map(Value::to_string).unwrap_or_default();
        let print = other_print(kind, msg);
        self.issue(at, Issue { kind, id, msg: &text, print, book: 0 }, scene);
    }

    /// An error frame; numbered where it is about one subscription.
    pub(super) fn refuse(
        &mut self,
        id: u64,
        at: Option<usize>,
        code: Code,
        tickers: &[String],
        scene: &mut Scene<'_>,
    ) {
        let mut msg = json!({"code": code, "msg": words(code)});
        if !tickers.is_empty() {
            msg["market_tickers"] = json!(tickers);
        }
        match at {
            Some(at) => self.control(at, "error", id, Some(&msg), scene),
            None if id == 0 => self.unnumbered(json!({"type": "error", "msg": msg}).to_string()),
            None => self.unnumbered(json!({"id": id, "type": "error", "msg": msg}).to_string()),
        }
    }

    fn unnumbered(&mut self, text: String) {
        self.out.push((0, 0, Out::Text(text)));
    }
}

/// Indices of the markets that exist, and the names of those that do not.
fn find(tickers: &[String], scene: &Scene<'_>) -> (Vec<u32>, Vec<String>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for ticker in tickers {
        match scene.venue.find(ticker) {
            Some(index) => known.push(index),
            None => unknown.push(ticker.clone()),
        }
    }
    (known, unknown)
}
