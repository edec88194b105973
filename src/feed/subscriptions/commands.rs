//! Which command a channel needs next, and its text (protocol notes 4.2).

use super::{Ask, CHUNK_MARKETS, Line, Outbox, Sent, Subscriptions};
use crate::event::MarketId;
use crate::feed::Channel;
use crate::wire::frame::{ClientFrame, Command};
use serde_json::{Map, json};
use std::collections::BTreeSet;

impl Subscriptions {
    pub(super) fn next_step(
        &self,
        line: &Line,
        wanted: &BTreeSet<MarketId>,
    ) -> Option<(Ask, Vec<MarketId>)> {
        let by_market = line.channel.by_market();
        let some = |ask, markets: Vec<MarketId>| (!markets.is_empty()).then_some((ask, markets));
        let missing = || self.missing(line, wanted).take(line.chunk).collect();
        match line.sid {
            _ if line.busy.is_some() => None,
            None if by_market => some(Ask::Subscribe, missing()),
            None => Some((Ask::Subscribe, Vec::new())),
            Some(_) if line.replace || (by_market && wanted.is_empty()) => {
                Some((Ask::Unsubscribe, Vec::new()))
            }
            Some(_) if !by_market => None,
            Some(_) => {
                let ours = line.have.union(&line.doubtful);
                let gone = ours.filter(|m| !wanted.contains(m)).take(CHUNK_MARKETS);
                some(Ask::Delete, gone.copied().collect()).or_else(|| some(Ask::Add, missing()))
            }
        }
    }

    /// Wanted markets that the channel does not have and that it may still get.
    pub(super) fn missing<'a>(
        &'a self,
        line: &'a Line,
        wanted: &'a BTreeSet<MarketId>,
    ) -> impl Iterator<Item = MarketId> + 'a {
        let hopeless = |m: &&MarketId| self.refused.contains(m) || self.crowded_out.contains(m);
        wanted.difference(&line.have).filter(move |m| !hopeless(m)).copied()
    }

    pub(super) fn send(
        &mut self,
        now_ns: u64,
        ask: Ask,
        line: usize,
        markets: Vec<MarketId>,
        to: &mut Outbox<'_>,
    ) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let Line { channel, sid, .. } = self.lines[line];
        let tickers: Vec<&str> = markets.iter().map(|m| to.tickers.name(*m)).collect();
        let update = |action: &str| {
            let mut params = Map::new();
            params.insert("sids".into(), json!([sid]));
            params.insert("market_tickers".into(), json!(tickers));
            params.insert("action".into(), action.into());
            Command::UpdateSubscription(params)
        };
        let command = match ask {
            Ask::Subscribe => {
                let mut params = Map::new();
                params.insert("channels".into(), json!([channel.word()]));
                if channel.by_market() {
                    params.insert("market_tickers".into(), json!(tickers));
                }
                if channel == Channel::OrderbookDelta {
                    params.insert("use_yes_price".into(), self.use_yes_price.into());
                }
                Command::Subscribe(params)
            }
            Ask::Unsubscribe => Command::Unsubscribe { sids: sid.into_iter().collect() },
            Ask::Add => update("add_markets"),
            Ask::Delete => update("delete_markets"),
            Ask::Snapshot => update("get_snapshot"),
            Ask::List => Command::ListSubscriptions,
        };
        let text = serde_json::to_string(&ClientFrame { id, command })
            .expect("numbers, texts and lists of them always encode");
        to.frames.push(text);
        let due_ns = now_ns.saturating_add(self.reply_ns);
        self.commands.insert(id, Sent { ask, line, sid, markets, due_ns });
        id
    }
}
