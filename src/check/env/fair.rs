//! The tape on which nobody can gain.

use crate::event::SessionId;
use crate::features::Layout;
use crate::features::episode::{Episode, EpisodeBuilder};
use crate::sim::tape::{TapeSpec, synthesize};

/// Episodes of `markets` synthetic markets whose mid is a martingale and whose outcome is drawn from its
/// end, made from events by the same fold as recorded ones.
pub fn fair_episodes(layout: Layout, markets: u32, seed: u64) -> Vec<Episode> {
    let tape = synthesize(&TapeSpec { seed, markets, ..TapeSpec::default() });
    let session = SessionId::default();
    let mut builders: Vec<EpisodeBuilder> =
        tape.infos.iter().map(|info| EpisodeBuilder::new(layout, info, session)).collect();
    for event in &tape.events {
        if let Some(builder) = builders.get_mut(event.market.0 as usize) {
            builder.push(event);
        }
    }
    builders.into_iter().flat_map(EpisodeBuilder::finish).collect()
}
