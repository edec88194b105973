//! Scales and caps of `flow52-v1` (its specification, section 3).

super::super::layout::constants! {
    /// At most one decision per cell of this many milliseconds.
    DECISION_INTERVAL_MS = 250.0;
    /// Contracts at which a size reads 1.
    SIZE_CAP = 100_000.0;
    /// Cents at which a price distance reads 1.
    CENT_CAP = 100.0;
    /// Cents: mid against its time-weighted mean.
    TWAP_SCALE = 8.0;
    /// Cents: microprice against mid.
    MICRO_SCALE = 1.0;
    /// Cents: last trade against mid.
    LAST_TRADE_SCALE = 3.0;
    /// Contracts (1e-2) of the hypothetical market order whose cost is shown.
    SWEEP_E2 = 100_000.0;
    /// Price units (1e-4 dollars) of "near the touch".
    NEAR_E4 = 500.0;
    /// Contracts of net taker flow in 1 s.
    FLOW_SCALE_1S = 100.0;
    /// Contracts of net taker flow in 10 s.
    FLOW_SCALE_10S = 400.0;
    /// Contracts of net taker flow in 60 s.
    FLOW_SCALE_60S = 1_500.0;
    /// Trades in 60 s at which the count reads 1.
    TRADE_COUNT_CAP = 1_000.0;
    /// Traded volume in touch sizes at which it reads 1.
    RELATIVE_VOLUME_CAP = 1_000.0;
    /// Contracts of order flow imbalance in 1 s.
    OFI_SCALE_1S = 2_000.0;
    /// Contracts of order flow imbalance in 10 s.
    OFI_SCALE_10S = 5_000.0;
    /// Book changes in 1 s at which the rate reads 1.
    RATE_CAP_1S = 1_000.0;
    /// Book changes in 60 s at which the rate reads 1.
    RATE_CAP_60S = 30_000.0;
    /// Cents of mid change in 1 s.
    MOVE_SCALE_1S = 3.0;
    /// Cents of mid change in 10 s.
    MOVE_SCALE_10S = 8.0;
    /// Cents of mid change in 60 s.
    MOVE_SCALE_60S = 20.0;
    /// Dollars per square root of a second.
    VOLATILITY_SCALE = 0.015;
    /// Seconds that a volatility divides by at least.
    VOLATILITY_SECONDS_MIN = 10.0;
    /// Half price units added on both sides of the range.
    RANGE_PAD = 200.0;
    /// Milliseconds at which an age reads 1.
    AGE_CAP_MS = 300_000.0;
    /// Seconds to the close that read 1.
    CLOSE_CAP_S = 2_592_000.0;
    /// Cents per contract: entry edge.
    ENTRY_SCALE = 10.0;
    /// Gain of unrealised profit over equity.
    PROFIT_GAIN = 10.0;
    /// Gain of drawdown.
    DRAWDOWN_GAIN = 10.0;
    /// Price units (1e-4 dollars): distance of an own order from the touch.
    ORDER_SCALE_E4 = 200.0;
    /// Seconds at which the age of a position reads 1.
    POSITION_AGE_CAP_S = 3_600.0;
    /// Half micro-dollars that equity is taken to be at least: one cent.
    EQUITY_MIN2 = 20_000.0;
}
