//! Faults that strike a connection.

use super::channel::Channel;
use super::mangle::{Out, garbage};
use super::{Scene, Session};
use crate::sim::script::{Fault, Garbage};
use crate::sim::truth::{Fate, Line};
use std::collections::BTreeMap;

impl Session {
    /// Lets a fault strike. Those of single frames wait for the next ones of `channel`; without a
    /// subscription to it, nothing happens.
    pub fn strike(&mut self, channel: Channel, fault: &Fault, scene: &mut Scene<'_>) {
        match *fault {
            Fault::Cut => self.push(Out::Cut),
            Fault::Reset => self.push(Out::Reset),
            Fault::HalfOpen => self.push(Out::Mute),
            Fault::SlowReader(ms) => self.push(Out::ReadSlowly(ms)),
            Fault::Close(code) => self.push(Out::Close(code)),
            Fault::Garbage { kind, n, bytes, in_place: false } => {
                self.add_garbage(kind, n, bytes, scene);
            }
            Fault::Pause(_) | Fault::Refuse { .. } | Fault::Restart(_) | Fault::Rest(_) => {
                scene.struck.push(fault.clone());
            }
            _ => self.strike_frames(channel, fault, scene),
        }
    }

    fn strike_frames(&mut self, channel: Channel, fault: &Fault, scene: &mut Scene<'_>) {
        let Some(at) = self.subs.iter().position(|s| s.channel == channel) else { return };
        let mangle = &mut self.subs[at].mangle;
        match *fault {
            Fault::Drop(n) => mangle.drop += n,
            Fault::Duplicate(n) => mangle.duplicate += n,
            Fault::Reorder(n) => mangle.reorder = n,
            Fault::Delay { n, ms } => mangle.delay = (n, ms),
            Fault::Garbage { kind, n, bytes, .. } => mangle.garble = Some((kind, n, bytes)),
            Fault::Error(code) => {
                self.refuse(0, Some(at), code, &[], scene);
                if matches!(code, 10 | 25) {
                    self.subs.remove(at);
                }
            }
            _ => {}
        }
    }

    fn add_garbage(&mut self, kind: Garbage, n: u32, bytes: u32, scene: &mut Scene<'_>) {
        scene.truth.enter(Line::Garbage { n: u64::from(n) });
        for _ in 0..n {
            let like = "{\"type\":\"orderbook_delta\",\"msg\":{\"market_ticker\":\"SIM\"}}";
            self.push(garbage(kind, like, bytes));
        }
    }

    /// A client that does not read loses its busiest subscription (code 25), if more frames wait than
    /// [`super::WsSpec::buffer_frames`].
    pub fn overflow(&mut self, scene: &mut Scene<'_>) {
        if self.out.len() <= self.spec.buffer_frames {
            return;
        }
        let mut counts = BTreeMap::<u32, usize>::new();
        self.out.iter().for_each(|f| *counts.entry(f.0).or_default() += 1);
        let busiest = counts.into_iter().filter(|c| c.0 > 0).max_by_key(|c| c.1);
        let Some((sid, _)) = busiest else { return };
        for (_, seq, _) in self.out.extract_if(.., |f| f.0 == sid) {
            scene.truth.enter(Line::Fate { c: self.number, sid, seq, fate: Fate::Discarded });
        }
        if let Some(at) = self.subs.iter().position(|s| s.sid == sid) {
            self.refuse(0, Some(at), 25, &[], scene);
            self.subs.remove(at);
        }
    }

    fn push(&mut self, out: Out) {
        self.out.push((0, 0, out));
    }
}
