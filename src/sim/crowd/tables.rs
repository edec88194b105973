//! How makers and takers behave: rounded quantiles over 18 recorded markets at their mean pace, fitted
//! until `kflow sim calibrate` saw no difference beyond its bars.
//!
//! The entries of a list are equally likely; lists of times are read by straight lines between them.

/// Sizes of quotes, hundredths of a contract.
pub(super) const QUOTE_E2: [i64; 28] = [
    100, 500, 700, 1_000, 1_000, 1_000, 1_000, 1_200, 1_500, 2_000, 2_400, 2_500, 2_900, 3_000,
    3_100, 3_300, 3_600, 3_900, 4_000, 5_000, 6_500, 8_300, 10_000, 10_000, 10_000, 10_000, 15_000,
    200_000,
];
/// Size of a probe: a tenth of a contract asks what the market is without offering anything.
pub(super) const PROBE_E2: i64 = 10;
/// Distance of quotes below what their side is worth, ticks.
pub(super) const QUOTE_TICKS: [i64; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 5, 6, 6, 7, 8, 9, 10, 14, 20, 30, 45,
    60, 85,
];
/// How long a quote stands before its owner thinks again, microseconds.
pub(super) const QUOTE_US: [i64; 33] = [
    2_500,
    4_500,
    5_500,
    6_200,
    7_000,
    8_000,
    9_000,
    10_500,
    12_000,
    14_000,
    16_000,
    18_000,
    21_000,
    25_000,
    30_000,
    37_000,
    45_000,
    55_000,
    70_000,
    88_000,
    110_000,
    150_000,
    200_000,
    280_000,
    400_000,
    550_000,
    800_000,
    1_250_000,
    2_000_000,
    3_300_000,
    5_800_000,
    12_000_000,
    100_000_000,
];
/// Up to here it is machines that let a quote stand, and people beyond.
pub(super) const MACHINE_US: i64 = 300_000;
/// Owners of quotes who re-quote rather than leave, of a thousand.
pub(super) const REQUOTE_E3: i64 = 500;

/// Layers on each side: orders that stay and only move.
pub(super) const LAYERS: usize = 28;
/// Sizes of layers, hundredths of a contract.
pub(super) const LAYER_E2: [i64; 16] = [
    200, 500, 1_000, 1_500, 2_500, 3_000, 5_000, 5_000, 5_000, 5_000, 7_500, 10_000, 15_000,
    20_000, 25_000, 30_000,
];
/// Distance of layers below what their side is worth, ticks.
pub(super) const LAYER_TICKS: [i64; 32] = [
    0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 19, 21, 24, 27, 31, 35,
    39, 44, 50, 60,
];
/// Mean time that a layer stands, microseconds.
pub(super) const LAYER_US: i64 = 40_000_000;

/// Sizes of takers' orders, hundredths of a contract.
pub(super) const TAKE_E2: [i64; 20] = [
    10, 10, 100, 100, 200, 300, 500, 500, 800, 1_000, 1_000, 1_300, 1_700, 2_300, 2_700, 3_500,
    4_500, 7_000, 10_000, 40_000,
];

/// Until somebody reacts to a bid above what its side is worth, microseconds.
pub(super) const REACTION_US: [i64; 5] = [200, 600, 1_500, 4_000, 20_000];
/// Such bids that are taken before their owner is back, of a thousand.
pub(super) const PICKED_OFF_E3: i64 = 200;
/// Mean time until somebody follows a side that became worth more, microseconds.
pub(super) const FOLLOW_US: i64 = 150_000;
