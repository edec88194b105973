//! A market whose price grid is told late, or changes while it lives.

use crate::actor::seat::LiveSeat;
use crate::env::account::Request;
use crate::env::action::Placement;
use crate::env::{ActionSet, EnvConfig};
use crate::event::{Body, Event};
use crate::market::MarketInfo;
use crate::rng::Rng;
use crate::sim::tape::{TapeSpec, synthesize};
use crate::units::{Price, Side};

/// Our bid for YES that improves on the best of others, and that best: at the next decision of `events`.
fn improved(
    seat: &mut LiveSeat,
    config: &EnvConfig,
    events: &mut dyn Iterator<Item = Event>,
) -> (Price, Price) {
    let action = 5;
    assert!(config.actions.name(action).contains("improve"), "{}", config.actions.name(action));
    for event in events {
        let mut made = None;
        seat.push(&event, config, |mut moment| {
            let best = moment.decision().bids[Side::Yes.index()][0].0;
            if moment.propose(action).is_ok() {
                let sent = moment.account().sent().iter().find_map(|request| match request {
                    Request::Submit { order, .. } => Some(order.price),
                    _ => None,
                });
                made = sent.map(|price| (price, best));
            }
            moment.withdraw(false);
        });
        if let Some(made) = made {
            return made;
        }
    }
    panic!("nothing could be improved on")
}

/// The collector meets a market before it has its definition, and an exchange may make its grid finer: quotes went
/// on improving by the whole cent that is taken where nothing is known.
#[test]
fn quotes_keep_to_a_grid_that_is_told_late_or_changes() {
    let actions = ActionSet { quotes: vec![Placement::Improve], ..ActionSet::default() };
    let config = EnvConfig { actions, ..EnvConfig::default() };
    let tape = synthesize(&TapeSpec { markets: 1, steps: 400, ..TapeSpec::default() });
    let ticker = &tape.infos[0].ticker;
    let grid = |step: &str| {
        let ranges = format!(r#"[{{"start":"0.0000","end":"1.0000","step":"{step}"}}]"#);
        format!(r#"{{"ticker":"{ticker}","status":"active","price_ranges":{ranges}}}"#)
    };
    let unknown = MarketInfo { settlement: None, ticks: Vec::new(), ..tape.infos[0].clone() };
    let mut seat = LiveSeat::new(&unknown, &config, Rng::stream(1, "orders", 0));
    let events = tape.events.iter();
    let mut events = events.filter(|event| !matches!(event.body, Body::Market(_))).cloned();
    let mut told = |seat: &mut LiveSeat, object: Option<String>| {
        let next = events.next().expect("events");
        if let Some(object) = object {
            let body = Body::Market(object.into());
            seat.push(&Event { ts: None, body, ..next.clone() }, &config, |_| ());
        }
        let mut rest = std::iter::once(next).chain(&mut events);
        let (price, best) = improved(seat, &config, &mut rest);
        price.e4() - best.e4()
    };
    assert_eq!(told(&mut seat, None), 100, "a cent where nobody said");
    assert_eq!(told(&mut seat, Some(grid("0.0010"))), 10);
    assert_eq!(told(&mut seat, Some(grid("0.0025"))), 25);
    let paused = format!(r#"{{"ticker":"{ticker}","status":"inactive"}}"#);
    seat.push(
        &Event { ts: None, body: Body::Market(paused.into()), ..tape.events[0].clone() },
        &config,
        |_| (),
    );
    let active = format!(r#"{{"ticker":"{ticker}","status":"active"}}"#);
    assert_eq!(told(&mut seat, Some(active)), 25, "what leaves the grid out does not change it");
}
