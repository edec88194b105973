//! Scales and caps of `kalshiflow52-v2`, as the predecessor had them.

super::super::layout::constants! {
    /// Rows before the current one that the history holds.
    HISTORY = 10.0;
    /// Cents of spread where a side is missing.
    DEFAULT_SPREAD = 10.0;
    /// Probability where a quote is missing.
    DEFAULT_PRICE = 0.5;
    /// Mid prices are kept this far from 0 and 1.
    MID_MARGIN = 0.01;
    /// Contracts (all four sides) at which the volume reads 1.
    VOLUME_CAP = 10_000.0;
    /// Levels at which the book depth reads 1.
    LEVELS_CAP = 20.0;
    /// Seconds at which a time gap, and an order's age, reads 1.
    GAP_CAP_S = 300.0;
    /// First and last hour (UTC) of the trading day.
    DAY_FROM_H = 9.0;
    /// See `DAY_FROM_H`.
    DAY_TO_H = 16.0;
    /// Divides the log of the volume.
    ACTIVITY_SCALE = 1_000.0;
    /// Rows of the update frequency, the volatility.
    RECENT = 5.0;
    /// Updates per second at which the frequency reads 1.
    FREQUENCY_CAP = 2.0;
    /// Frequency and volatility while the history is short.
    SHORT_HISTORY = 0.1;
    /// Standard deviations above the mean that make a burst.
    BURST_SIGMAS = 1.5;
    /// Float noise that makes no burst.
    BURST_TOLERANCE = 1e-12;
    /// Gain of the activity trend.
    TREND_GAIN = 10.0;
    /// Cents below which the previous change counts as none.
    MOMENTUM_MIN = 0.001;
    /// Cents of volatility and of mean change that read 1 and 0.
    MOVE_CAP = 5.0;
    /// Contracts at which a position reads 1.
    POSITION_CAP = 1_000.0;
    /// Positions that read 1.
    POSITION_COUNT_CAP = 10.0;
    /// Leverage that reads 1.
    LEVERAGE_CAP = 2.0;
    /// Cents of portfolio value at or below which there is no portfolio.
    PORTFOLIO_MIN = 0.01;
    /// Every value is clipped to plus and minus this.
    CLIP = 2.0;
}
