use super::*;
use crate::broker::matching::Bracket;
use crate::env::account::Tally;
use crate::units::TsUs;

/// An episode of `market` with this equity in dollars at each decision.
fn report(market: &str, settled: i64, equity: &[i64]) -> EpisodeReport {
    let equity: Vec<Money> = equity.iter().map(|d| Money::dollars(*d)).collect();
    EpisodeReport {
        ticker: market.into(),
        event_ticker: market.into(),
        settled: TsUs(settled),
        paid_out: true,
        start: equity[0],
        final_equity: equity[equity.len() - 1],
        fees: Money::dollars(1),
        tally: Tally {
            filled: 2,
            notional: Money::dollars(50),
            maker: Qty(25),
            taker: Qty(75),
            ..Tally::default()
        },
        markouts: Markouts::default(),
        bracket: Bracket([equity[0], equity[equity.len() - 1], equity[equity.len() - 1]]),
        max_drawdown: Money::ZERO,
        actions: vec![3, 1],
        equity,
    }
}

#[test]
fn figures_of_a_small_table_are_those_of_the_definitions() {
    // Given out of order; `b` was recorded in two pieces. Chained: 100 120 110 | 80 115 | 110 | 120.
    let reports = vec![
        report("c", 3, &[100, 110]),
        report("a", 1, &[100, 120, 110]),
        report("b", 2, &[100, 70, 105]),
        report("b", 2, &[100, 95]),
    ];
    let row = row("p", Part::Test, reports, Money::dollars(100), 7);
    let returns: Vec<(&str, f64)> =
        row.results.iter().map(|r| (r.ticker.as_str(), (r.ret * 100.0).round())).collect();
    assert_eq!(returns, [("a", 10.0), ("b", 0.0), ("c", 10.0)]);
    assert_eq!((row.markets, row.trades, row.fees, row.turnover), (3, 8, 4.0, 2.0));
    assert!((row.equity - 120.0).abs() < 1e-9 && (row.mean_return - 0.2 / 3.0).abs() < 1e-12);
    assert_eq!(row.max_drawdown, 40.0, "from 120 in market a to 80 in market b");
    assert_eq!((row.fills.maker_share, row.fills.fee_share), (Some(0.25), Some(0.02)));
    let of_b = &row.results[1].fills;
    assert_eq!((of_b.maker_share, of_b.fee_share), (Some(0.25), Some(0.02)));
    assert_eq!((row.bracket[0], row.bracket[2]), (0.0, row.mean_return));
    assert_eq!(row.win_rate, Some(2.0 / 3.0));
    assert_eq!(row.actions, [0.75, 0.25]);
    assert!((row.best_market_share.expect("profit") - 0.5).abs() < 1e-9);
    let sd = (2.0 * (0.1f64 / 3.0).powi(2) + (0.2f64 / 3.0).powi(2)) / 2.0;
    assert!((row.sharpe.expect("deviation") - (0.2 / 3.0) / sd.sqrt()).abs() < 1e-9);
}

/// Two seeds, one lucky and one not: the pooled row is neither, and its interval holds both.
#[test]
fn seeds_are_pooled_and_none_is_chosen() {
    let seed = |gain: i64| {
        let markets = ["a", "b", "c", "d"].into_iter().enumerate();
        let reports = markets
            .map(|(i, m)| report(m, i as i64, &[100, 100 + gain + [3, -3, 2, -2][i]]))
            .collect();
        row("p", Part::Test, reports, Money::dollars(100), 7)
    };
    let (lucky, unlucky) = (seed(20), seed(-10));
    let pooled = pool(&[lucky.clone(), unlucky.clone()], 7).expect("two");
    assert!((pooled.mean_return - 0.05).abs() < 1e-12 && (pooled.equity - 120.0).abs() < 1e-9);
    assert_eq!((pooled.markets, pooled.max_drawdown), (4, unlucky.max_drawdown));
    let [low, high] = pooled.ci95.expect("four events");
    assert!(low < -0.09 && high > 0.19, "{low} {high}");
    let rets: Vec<f64> = pooled.results.iter().map(|r| (100.0 * r.ret).round()).collect();
    assert_eq!(rets, [8.0, 2.0, 7.0, 3.0]);
    let one = pool(std::slice::from_ref(&lucky), 7).expect("one");
    assert_eq!((one.equity, one.ci95), (lucky.equity, lucky.ci95));
}

#[test]
fn the_best_market_is_named_and_events_are_one_result() {
    let mut reports =
        vec![report("a", 1, &[100, 130]), report("b", 2, &[100, 105]), report("c", 3, &[100, 105])];
    reports[2].event_ticker = "b".into();
    let row = row("p", Part::Test, reports, Money::dollars(100), 7);
    assert_eq!(row.best_market.as_deref(), Some("a"));
    assert!((row.best_market_share.expect("profit") - 0.75).abs() < 1e-12);
    assert_eq!(row.by_event().len(), 2, "two events, three markets");
}
