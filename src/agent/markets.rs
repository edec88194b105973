//! The recorded markets as episodes, from the log.

use crate::event::{MarketId, SessionId};
use crate::features::Layout;
use crate::features::episode::{Episode, EpisodeBuilder};
use crate::replay::{self, ReplayError};
use std::collections::BTreeMap;
use std::path::Path;

/// All episodes of the log in `data`, observed through `layout`, in order of session and market.
///
/// # Errors
/// When the log or a market's definition cannot be read.
pub fn episodes(data: &Path, layout: Layout) -> Result<Vec<Episode>, ReplayError> {
    let mut builders: BTreeMap<(SessionId, MarketId), EpisodeBuilder> = BTreeMap::new();
    replay::play(data, |place, event| {
        let builder = builders
            .entry((place.session, place.id))
            .or_insert_with(|| EpisodeBuilder::new(layout, place.market, place.session));
        builder.push(event);
    })?;
    Ok(builders.into_values().flat_map(EpisodeBuilder::finish).collect())
}
