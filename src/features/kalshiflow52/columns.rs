//! The 52 values of `kalshiflow52-v2`, one line each.

use crate::features::layout::{Column, column};

const UNIT: (f32, f32) = (0.0, 1.0);
const SIGNED: (f32, f32) = (-1.0, 1.0);
const CLIPPED: (f32, f32) = (-2.0, 2.0);
const MID: (f32, f32) = (0.01, 0.99);

/// The columns in order: 36 of the market, 16 of the account.
#[rustfmt::skip] // one line each: a table to be read down
pub const COLUMNS: &[Column] = &[
    column(0, "best_yes_bid_norm", "dollars", UNIT, 0.5, "Best YES bid"),
    column(1, "best_yes_ask_norm", "dollars", UNIT, 0.5, "Best YES ask"),
    column(2, "best_no_bid_norm", "dollars", UNIT, 0.5, "Best NO bid"),
    column(3, "best_no_ask_norm", "dollars", UNIT, 0.5, "Best NO ask"),
    column(4, "yes_mid_price_norm", "dollars", MID, 0.5, "Half of best YES bid + ask, kept within 0.01 and 0.99"),
    column(5, "no_mid_price_norm", "dollars", MID, 0.5, "The same of NO"),
    column(6, "yes_spread_cents", "dollars", SIGNED, 0.1, "YES ask - bid; negative when crossed"),
    column(7, "no_spread_cents", "dollars", SIGNED, 0.1, "NO ask - bid"),
    column(8, "yes_spread_pct", "ratio", CLIPPED, 0.2, "YES spread over YES mid"),
    column(9, "no_spread_pct", "ratio", CLIPPED, 0.2, "NO spread over NO mid"),
    column(10, "yes_spread_regime", "class", UNIT, 0.75, "YES spread below 2, 5, 10, 20 cents: 0, 0.25, 0.5, 0.75; else 1"),
    column(11, "no_spread_regime", "class", UNIT, 0.75, "The same of NO"),
    column(12, "yes_breakeven_move", "dollars", SIGNED, 0.1, "The YES spread again"),
    column(13, "no_breakeven_move", "dollars", SIGNED, 0.1, "The NO spread again"),
    column(14, "total_volume_norm", "ln", UNIT, 0.0, "Contracts resting on all four sides, cap 10 000"),
    column(15, "volume_imbalance", "ratio", SIGNED, 0.0, "(YES - NO) / all of resting contracts; 0 where asks mirror bids"),
    column(16, "yes_side_imbalance", "ratio", SIGNED, 0.0, "(bids - asks) / both of YES"),
    column(17, "no_side_imbalance", "ratio", SIGNED, 0.0, "(bids - asks) / both of NO"),
    column(18, "bid_ask_depth_ratio", "tanh", SIGNED, 0.0, "Half the log ratio of all bids to all asks; 0 where asks mirror bids"),
    column(19, "yes_no_consistency", "dollars", UNIT, 0.5, "Distance of YES bid + NO ask from a dollar; a side missing: 0.5"),
    column(20, "yes_microprice_norm", "dollars", UNIT, 0.5, "YES price weighted by the opposite side's whole size"),
    column(21, "no_microprice_norm", "dollars", UNIT, 0.5, "The same of NO"),
    column(22, "yes_book_depth_norm", "ratio", UNIT, 0.0, "Levels of the YES book, cap 20"),
    column(23, "no_book_depth_norm", "ratio", UNIT, 0.0, "Levels of the NO book, cap 20"),
    column(24, "yes_liquidity_concentration", "ratio", UNIT, 0.5, "Share of the three largest levels of the YES book"),
    column(25, "no_liquidity_concentration", "ratio", UNIT, 0.5, "The same of the NO book"),
    column(26, "time_since_last_update", "ratio", UNIT, 0.0, "Time since the previous row, cap 300 s"),
    column(27, "time_of_day_norm", "ratio", UNIT, 0.0, "Hour of the day (UTC) between 9 and 16, else 0"),
    column(28, "current_activity_score", "ln", UNIT, 0.0, "Log of the resting volume, a thousandth"),
    column(29, "activity_change", "tanh", SIGNED, 0.0, "Activity less that of the previous row"),
    column(30, "update_frequency", "ratio", UNIT, 0.1, "Rows per second over the last 5 rows, cap 2"),
    column(31, "activity_burst_indicator", "flag", UNIT, 0.0, "1 if the activity is 1.5 standard deviations above its mean"),
    column(32, "activity_trend", "tanh", SIGNED, 0.0, "Slope of the activity over the last rows"),
    column(33, "price_momentum", "tanh", SIGNED, 0.0, "Last change of the mid against the change before it"),
    column(34, "volatility_regime", "ratio", UNIT, 0.1, "Standard deviation of absolute mid changes, cap 5 cents"),
    column(35, "price_stability", "ratio", UNIT, 0.5, "1 less the mean absolute mid change of earlier rows, 5 cents reading 0"),
    column(36, "cash_ratio", "ratio", UNIT, 1.0, "Cash over portfolio value"),
    column(37, "position_ratio", "ratio", UNIT, 0.0, "Value of the position over portfolio value"),
    column(38, "position_count_norm", "ratio", UNIT, 0.0, "Markets held, cap 10"),
    column(39, "average_position_size_norm", "ratio", UNIT, 0.0, "Contracts per market held, cap 1 000"),
    column(40, "long_position_ratio", "ratio", UNIT, 0.0, "Share of positions that are YES"),
    column(41, "short_position_ratio", "ratio", UNIT, 0.0, "Share of positions that are NO"),
    column(42, "net_position_bias", "tanh", SIGNED, 0.0, "Net over gross contracts"),
    column(43, "position_concentration", "ratio", UNIT, 0.0, "Value of the largest position over portfolio value"),
    column(44, "largest_position_norm", "ratio", UNIT, 0.0, "Contracts of the largest position, cap 1 000"),
    column(45, "unrealized_pnl_ratio", "tanh", SIGNED, 0.0, "Unrealised profit over portfolio value"),
    column(46, "leverage", "ratio", UNIT, 0.0, "Value of all positions over portfolio value, cap 2"),
    column(47, "has_open_buy", "flag", UNIT, 0.0, "1 if an order to buy rests"),
    column(48, "has_open_sell", "flag", UNIT, 0.0, "1 if an order to sell rests"),
    column(49, "buy_distance_from_mid", "dollars", UNIT, 0.0, "Limit of the oldest buy order against the mid, on the YES axis"),
    column(50, "sell_distance_from_mid", "dollars", UNIT, 0.0, "The same of the oldest sell order"),
    column(51, "time_since_order", "ratio", UNIT, 0.0, "Age of the youngest resting order, cap 300 s"),
];
