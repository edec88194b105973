//! Frames of the private channels `fill` and `user_orders` (protocol notes 4.6).

use crate::trade::message::{FillFact, Report};
use crate::wire::frame::{ServerBody, ServerFrame};
use crate::wire::portfolio::OrderState;

/// What a frame tells.
pub(super) enum Told {
    /// Something about an order of this program, or a fill of one that may be.
    Report(Report),
    /// Something about an order of somebody else, or nothing about orders.
    NotOurs,
    /// Something that cannot be read: the account has to be asked.
    Unreadable,
}

pub(super) fn read(text: &str) -> Told {
    let Ok(frame) = ServerFrame::parse(text.as_bytes()) else { return Told::Unreadable };
    match frame.body {
        ServerBody::Fill(fill) => FillFact::of_frame(&fill)
            .map_or(Told::Unreadable, |fill| Told::Report(Report::Fill(fill))),
        ServerBody::Other { kind, msg } if kind == "user_order" => {
            match serde_json::from_value::<OrderState>(msg.unwrap_or_default()) {
                Ok(state) => Report::of_state(&state).map_or(Told::NotOurs, Told::Report),
                Err(_) => Told::Unreadable,
            }
        }
        _ => Told::NotOurs,
    }
}
