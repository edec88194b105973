use super::*;
use crate::market::TickRange;
use crate::units::TsUs;
use proptest::prelude::*;

const NOW: TsNs = TsNs::from_ms(1_795_273_200_000);

fn info() -> MarketInfo {
    let price = |e4| Price::new(e4).unwrap();
    let ticks = vec![TickRange { start: price(0), end: price(10_000), step: price(100) }];
    let close = Some(TsUs::from_ms(NOW.ms() + 3_600_000));
    MarketInfo { ticker: "KX-A".into(), close, ticks, ..MarketInfo::default() }
}

fn scene(info: &MarketInfo) -> Scene<'_> {
    Scene {
        info,
        book_at: Some(NOW),
        position: Qty::ZERO,
        resting: Qty::ZERO,
        cash: Money::dollars(100),
        exposure: Money::ZERO,
    }
}

fn buy(side: Side, price_e4: i64, contracts: i64) -> Proposal {
    let (price, qty) = (Price::new(price_e4).unwrap(), Qty::contracts(contracts));
    Proposal { side, price, qty, fee_max: Money::ZERO }
}

/// The verdict of a fresh watch.
#[track_caller]
fn check(proposal: Proposal, scene: &Scene<'_>, now: TsNs, want: Result<(), Refused>) {
    let mut risk = Risk::new(Limits::default(), None);
    assert_eq!(risk.judge(&proposal, scene, now), want);
}

#[test]
fn each_limit_refuses_by_its_own_name() {
    let (info, ten) = (info(), buy(Side::Yes, 5_000, 10));
    let good = scene(&info);
    check(ten, &good, NOW, Ok(()));
    check(ten, &Scene { book_at: None, ..good }, NOW, Err(Refused::NoBook));
    check(ten, &good, TsNs(NOW.0 + 6_000_000_000), Err(Refused::StaleBook));
    check(buy(Side::Yes, 5_050, 10), &good, NOW, Err(Refused::OffTick));
    check(buy(Side::No, 5_050, 10), &good, NOW, Err(Refused::OffTick));
    check(buy(Side::Yes, 0, 10), &good, NOW, Err(Refused::OffTick));
    check(buy(Side::Yes, 5_000, 0), &good, NOW, Err(Refused::OrderSize));
    check(buy(Side::Yes, 5_000, 101), &good, NOW, Err(Refused::OrderSize));
    let full = Scene { position: Qty::contracts(60), resting: Qty::contracts(31), ..good };
    check(ten, &full, NOW, Err(Refused::Position));
    check(buy(Side::No, 5_000, 10), &Scene { resting: Qty::ZERO, ..full }, NOW, Ok(()));
    check(ten, &Scene { exposure: Money::dollars(496), ..good }, NOW, Err(Refused::Exposure));
    check(ten, &Scene { cash: Money::dollars(14), ..good }, NOW, Err(Refused::CashReserve));
    for (status, want) in [
        ("active", Ok(())),
        ("initialized", Ok(())),
        ("inactive", Err(Refused::Inactive)),
        ("determined", Err(Refused::Closed)),
    ] {
        let told = MarketInfo { status: status.into(), ..info.clone() };
        check(ten, &Scene { info: &told, ..good }, NOW, want);
    }
    let fee_max = Money(1);
    let edge = Scene { cash: Money::dollars(15), ..good };
    check(ten, &edge, NOW, Ok(()));
    check(Proposal { fee_max, ..ten }, &edge, NOW, Err(Refused::CashReserve));
}

#[test]
fn before_the_close_positions_are_reduced_and_not_opened() {
    let (info, risk) = (info(), Risk::new(Limits::default(), None));
    let late = TsNs(NOW.0 + 3_590_000_000_000);
    let held = Scene {
        position: Qty::contracts(10),
        book_at: Some(late),
        cash: Money::ZERO,
        ..scene(&info)
    };
    check(buy(Side::Yes, 5_000, 1), &held, late, Err(Refused::Closing));
    check(buy(Side::No, 5_000, 10), &held, late, Ok(()));
    check(buy(Side::No, 5_000, 11), &held, late, Err(Refused::Closing));
    assert!(risk.must_exit(&info, held.position, late));
    assert!(!risk.must_exit(&info, Qty::ZERO, late) && !risk.must_exit(&info, held.position, NOW));
    let closed = TsNs(NOW.0 + 3_600_000_000_000);
    check(
        buy(Side::No, 5_000, 1),
        &Scene { book_at: Some(closed), ..held },
        closed,
        Err(Refused::Closed),
    );
    assert!(!risk.must_exit(&info, held.position, closed), "too late");
}

#[test]
fn a_loss_of_one_day_stops_trading_and_one_of_two_days_does_not() {
    let day = TsNs(86_400_000_000_000);
    let mut risk = Risk::new(Limits::default(), None);
    assert_eq!(risk.watch_equity(Money::dollars(100), NOW), None);
    assert_eq!(risk.watch_equity(Money::dollars(80), NOW), None, "just what is allowed");
    assert_eq!(risk.watch_equity(Money::dollars(61), TsNs(NOW.0 + day.0)), None, "a new day");
    assert_eq!(risk.watch_equity(Money::dollars(42), TsNs(NOW.0 + day.0)), None);
    let trip = risk.watch_equity(Money(40_999_999), TsNs(NOW.0 + day.0)).expect("stopped");
    assert_eq!(trip.cause, Cause::DailyLoss);
    assert_eq!(risk.trip(Cause::Key, String::new(), NOW), None, "the first cause stays");
    let mut poor = Risk::new(Limits::default(), None);
    assert_eq!(poor.watch_equity(Money(4_999_999), NOW).unwrap().cause, Cause::LowBalance);
}

proptest! {
    /// Whatever is proposed: what is let through keeps every limit in the worst case, no minute has too many
    /// orders, and after a trip there are none.
    #[test]
    fn what_is_let_through_keeps_every_limit(
        steps in prop::collection::vec(
            (any::<bool>(), 0i64..=100, -5i64..150, -150i64..150, 0i64..120, -10i64..200, 0i64..600,
             0i64..2_000),
            1..300,
        ),
        trip_at in 0usize..600,
    ) {
        let (info, limits) = (info(), Limits { orders_per_minute_max: 20, ..Limits::default() });
        let (mut risk, mut now, mut passed) = (Risk::new(limits, None), NOW, Vec::new());
        for (i, (yes, cents, lots, position, resting, cash, exposure, wait_ms)) in
            steps.into_iter().enumerate()
        {
            now = TsNs(now.0 + wait_ms * 1_000_000);
            if i == trip_at {
                risk.trip(Cause::Key, String::new(), now);
            }
            let side = if yes { Side::Yes } else { Side::No };
            let proposal = buy(side, cents * 100, lots);
            let scene = Scene {
                position: Qty::contracts(position),
                resting: Qty::contracts(resting),
                cash: Money::dollars(cash),
                exposure: Money::dollars(exposure),
                book_at: Some(now),
                ..scene(&info)
            };
            if risk.judge(&proposal, &scene, now).is_err() {
                continue;
            }
            prop_assert!(i < trip_at, "stopped");
            let held = if yes { scene.position } else { -scene.position };
            let after = held + scene.resting + proposal.qty;
            let opens = Qty(after.0.clamp(0, proposal.qty.0));
            let cost = proposal.price.times(opens);
            if opens > Qty::ZERO {
                prop_assert!(after <= limits.position_max);
                prop_assert!(scene.exposure + cost <= limits.exposure_max);
                prop_assert!(scene.cash - cost >= limits.cash_reserve);
            }
            if let Some(last) = passed.last() {
                let since: i64 = now.ms() - TsNs::ms(*last);
                prop_assert!(since >= limits.throttle_ms);
            }
            passed.push(now);
            let minute = passed.iter().filter(|at| now.0 - at.0 < MINUTE_NS).count();
            prop_assert!(minute <= 20, "{minute} orders within a minute");
        }
    }
}
