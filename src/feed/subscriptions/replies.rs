//! What the exchange's answers and errors (protocol notes 4.2 and 4.3) mean for a channel.

use super::{Ask, CHUNK_MARKETS, Line, Lost, MS_NS, News, QUIET_MS, Sent, Subscriptions};
use crate::event::{MarketId, Tickers};
use crate::wire::frame::{ServerBody, ServerFrame};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Error codes of the exchange that mean something to us; any other one declines the command as a whole.
mod code {
    pub(super) const UNKNOWN_SID: u32 = 7;
    pub(super) const NOT_AUTHENTICATED: u32 = 9;
    pub(super) const CHANNEL_ERROR: u32 = 10;
    pub(super) const INVALID_PARAMETER: u32 = 11;
    pub(super) const TICKER_REQUIRED: u32 = 14;
    pub(super) const COMMAND_TIMEOUT: u32 = 18;
    pub(super) const BUFFER_OVERFLOW: u32 = 25;
    pub(super) const MARKET_LIMIT: u32 = 26;
    pub(super) const TOO_MANY_REQUESTS: u32 = 27;
}

/// When it is, what is wanted, and the names of markets.
#[derive(Clone, Copy)]
pub(in crate::feed) struct Situation<'a> {
    pub now_ns: u64,
    pub wanted: &'a BTreeSet<MarketId>,
    pub tickers: &'a Tickers,
}

impl Subscriptions {
    /// Reads an answer or an error; frames of other types mean nothing here.
    pub(in crate::feed) fn reply(&mut self, frame: &ServerFrame, at: Situation<'_>) -> Vec<News> {
        match &frame.body {
            ServerBody::Subscribed { channel, sid } => self.subscribed(frame.id, channel, *sid),
            ServerBody::Ok(Value::Array(list)) => self.listed(frame.id, list),
            ServerBody::Ok(msg) => self.done(frame, msg, at),
            ServerBody::Unsubscribed => self.unsubscribed(frame),
            ServerBody::Other { kind, .. } if kind == "unsubscribed" => self.unsubscribed(frame),
            ServerBody::Error { code, msg } => self.error(frame, *code, msg, at),
            _ => Vec::new(),
        }
    }

    /// A channel was opened, if that is what the command asked for. Without such a command it may be an old
    /// answer, and what it names an old subscription: the next subscribe will be told which one is open.
    fn subscribed(&mut self, id: Option<u64>, channel: &str, sid: u32) -> Vec<News> {
        match self.take(id).filter(|s| s.ask == Ask::Subscribe) {
            Some(sent) if self.lines[sent.line].channel.word() == channel => {
                vec![self.opened(sent.line, sid, sent.markets, true)]
            }
            _ => {
                self.doubt = true;
                Vec::new()
            }
        }
    }

    fn opened(&mut self, i: usize, sid: u32, markets: Vec<MarketId>, anew: bool) -> News {
        let line = &mut self.lines[i];
        line.sid = Some(sid);
        line.succeeded(&markets);
        self.quiet_ms = QUIET_MS.0;
        News::Opened { channel: line.channel, sid, markets, anew }
    }

    /// `ok`: to a change of markets, or to a second subscribe, which is one.
    fn done(&mut self, frame: &ServerFrame, msg: &Value, at: Situation<'_>) -> Vec<News> {
        let Some(Sent { ask, line: i, markets, .. }) = self.take(frame.id) else {
            self.doubt = true;
            return Vec::new();
        };
        let line = &mut self.lines[i];
        let channel = line.channel;
        if ask == Ask::Delete {
            line.unanswered = 0;
            line.have.retain(|m| !markets.contains(m));
            line.doubtful.retain(|m| !markets.contains(m));
            self.crowded_out.clear();
            return vec![News::Removed { channel, markets }];
        }
        if !matches!(ask, Ask::Subscribe | Ask::Add) {
            return Vec::new();
        }
        // The list after the change: a market that it lacks was not taken.
        let list = msg.get("market_tickers").and_then(Value::as_array);
        let listed = list.map(|l| l.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>());
        let is_listed =
            |m: &MarketId| listed.as_ref().is_none_or(|l| l.contains(at.tickers.name(*m)));
        let (taken, absent): (Vec<_>, Vec<_>) = markets.into_iter().partition(is_listed);
        let mut news = match (line.sid, frame.sid) {
            (None, Some(sid)) => vec![self.opened(i, sid, taken, false)],
            (None, None) => {
                self.doubt = true;
                return Vec::new();
            }
            (Some(_), _) => {
                line.succeeded(&taken);
                self.quiet_ms = QUIET_MS.0;
                vec![News::Added { channel, markets: taken }]
            }
        };
        if !absent.is_empty() {
            news.push(News::Failed { channel, markets: absent.clone() });
            news.push(self.refuse(absent, 0, "not in the exchange's list of markets"));
        }
        news
    }

    fn unsubscribed(&mut self, frame: &ServerFrame) -> Vec<News> {
        let sent = self.take(frame.id).filter(|s| s.ask == Ask::Unsubscribe);
        let by_sid = self.lines.iter().position(|l| l.sid.is_some() && l.sid == frame.sid);
        let Some(i) = by_sid.or(sent.as_ref().map(|s| s.line)) else { return Vec::new() };
        let planned = sent.is_some() && !self.lines[i].replace;
        self.ended(i, planned)
    }

    /// The channel's subscription is over.
    fn ended(&mut self, i: usize, planned: bool) -> Vec<News> {
        let line = &mut self.lines[i];
        let Some(sid) = line.sid.take() else { return Vec::new() };
        if let Some(id) = line.busy.take() {
            self.commands.remove(&id);
        }
        line.replace = false;
        line.doubtful.clear();
        let markets = std::mem::take(&mut line.have).into_iter().collect();
        vec![News::Ended { channel: line.channel, sid, markets, planned }]
    }

    /// The open subscriptions, as the exchange sees them: what it does not have has ended.
    fn listed(&mut self, id: Option<u64>, list: &[Value]) -> Vec<News> {
        let sid = |entry: &Value| entry.get("sid").and_then(Value::as_u64);
        let known: Option<BTreeSet<u64>> = list.iter().map(sid).collect();
        let asked = self.take(id).is_some();
        // A list that may be older than the last command proves nothing.
        let fresh = id.is_some_and(|id| id + 1 == self.next_id);
        let Some(known) = known.filter(|_| asked && fresh) else {
            self.doubt = true;
            return Vec::new();
        };
        let is_gone = |l: &Line| {
            l.busy.is_none() && l.sid.is_some_and(|sid| !known.contains(&u64::from(sid)))
        };
        let gone: Vec<usize> = (0..self.lines.len()).filter(|i| is_gone(&self.lines[*i])).collect();
        gone.into_iter().flat_map(|i| self.ended(i, false)).collect()
    }

    fn error(
        &mut self,
        frame: &ServerFrame,
        code: u32,
        msg: &Map<String, Value>,
        at: Situation<'_>,
    ) -> Vec<News> {
        let why = msg.get("msg").and_then(Value::as_str).unwrap_or("no reason given");
        tracing::warn!(code, why, id = frame.id, sid = frame.sid, "the exchange reports an error");
        let by_sid = self.lines.iter().position(|l| l.sid.is_some() && l.sid == frame.sid);
        let sent = self.take(frame.id);
        if code == code::NOT_AUTHENTICATED {
            return vec![News::Lost(Lost::Refused)];
        }
        if matches!(code, code::CHANNEL_ERROR | code::BUFFER_OVERFLOW | code::UNKNOWN_SID) {
            // An answer about a subscription that was replaced meanwhile says nothing about this one.
            let by_id = sent.filter(|s| s.sid == self.lines[s.line].sid).map(|s| s.line);
            let Some(i) = by_sid.or(by_id) else {
                self.doubt = true;
                return Vec::new();
            };
            if code != code::UNKNOWN_SID {
                self.lines[i].not_before_ns = at.now_ns.saturating_add(self.quiet_ns());
            }
            return self.ended(i, false);
        }
        let Some(sent) = sent else {
            self.doubt = true;
            return Vec::new();
        };
        if code == code::COMMAND_TIMEOUT {
            return self.unanswered(sent);
        }
        let mut news = Vec::new();
        if matches!(sent.ask, Ask::Subscribe | Ask::Add) {
            let channel = self.lines[sent.line].channel;
            news.push(News::Failed { channel, markets: sent.markets.clone() });
        }
        if code == code::TOO_MANY_REQUESTS {
            self.quiet_until_ns = at.now_ns.saturating_add(self.quiet_ns());
        } else {
            news.extend(self.declined(sent, code, why, &named(msg, at.tickers), at));
        }
        news
    }

    /// A pause with jitter, twice as long each time until something succeeds.
    fn quiet_ns(&mut self) -> u64 {
        let pause_ms = self.quiet_ms / 2 + self.rng.below(self.quiet_ms / 2 + 1);
        self.quiet_ms = (self.quiet_ms * 2).min(QUIET_MS.1);
        pause_ms * MS_NS
    }

    /// A command that was understood and not carried out.
    fn declined(
        &mut self,
        sent: Sent,
        code: u32,
        why: &str,
        named: &[MarketId],
        at: Situation<'_>,
    ) -> Vec<News> {
        let line = &mut self.lines[sent.line];
        match sent.ask {
            // Their deadlines go on; what stays silent is asked again slowly.
            Ask::Snapshot | Ask::List => return Vec::new(),
            Ask::Delete => {
                line.have.retain(|m| !sent.markets.contains(m));
                line.doubtful.retain(|m| !sent.markets.contains(m));
                return vec![News::Removed { channel: line.channel, markets: sent.markets }];
            }
            Ask::Unsubscribe => {
                line.not_before_ns = at.now_ns.saturating_add(self.slow_ns);
                return Vec::new();
            }
            Ask::Subscribe | Ask::Add => {}
        }
        if !named.is_empty() {
            return vec![self.refuse(named.to_vec(), code, why)];
        }
        let divisible =
            matches!(code, code::MARKET_LIMIT | code::INVALID_PARAMETER | code::TICKER_REQUIRED);
        match sent.markets.len() {
            n if n > 1 && divisible => {
                line.chunk = n / 2;
                Vec::new()
            }
            1 if code == code::MARKET_LIMIT => {
                let over: Vec<_> = self.missing(&self.lines[sent.line], at.wanted).collect();
                self.crowded_out.extend(&over);
                vec![News::Refused { markets: over, code, why: why.to_owned() }]
            }
            1 if divisible => vec![self.refuse(sent.markets, code, why)],
            _ => {
                line.not_before_ns = at.now_ns.saturating_add(self.slow_ns);
                Vec::new()
            }
        }
    }

    fn refuse(&mut self, markets: Vec<MarketId>, code: u32, why: &str) -> News {
        self.refused.extend(&markets);
        News::Refused { markets, code, why: why.to_owned() }
    }
}

impl Line {
    fn succeeded(&mut self, markets: &[MarketId]) {
        self.have.extend(markets);
        self.doubtful.retain(|m| !markets.contains(m));
        self.unanswered = 0;
        self.chunk = (self.chunk * 2).min(CHUNK_MARKETS);
    }
}

/// The markets that an error names.
fn named(msg: &Map<String, Value>, tickers: &Tickers) -> Vec<MarketId> {
    let one = msg.get("market_ticker").into_iter();
    let many = msg.get("market_tickers").and_then(Value::as_array).into_iter().flatten();
    one.chain(many).filter_map(Value::as_str).filter_map(|t| tickers.find(t)).collect()
}
