//! hftbacktest's side: its fastest book, its queue models, its exchanges.

use crate::tape::Window;
use anyhow::Result;
use hftbacktest::backtest::assettype::LinearAsset;
use hftbacktest::backtest::data::Data;
use hftbacktest::backtest::models::{
    CommonFees, ConstantLatency, PowerProbQueueFunc3, ProbQueueModel, QueueModel,
    RiskAdverseQueueModel, TradingValueFeeModel,
};
use hftbacktest::backtest::{Backtest, BacktestError, DataSource, ExchangeKind, L2AssetBuilder};
use hftbacktest::depth::{INVALID_MAX, INVALID_MIN, MarketDepth, ROIVectorMarketDepth};
use hftbacktest::types::{Bot, ElapseResult, OrdType, Side, Status, TimeInForce};

/// Longer than any recording.
const FOREVER_NS: i64 = 1 << 60;

/// A fill as both engines tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fill {
    /// When, exchange time.
    pub at_ns: i64,
    /// The maker's number of the order.
    pub order: u64,
    /// True for a bid.
    pub buys: bool,
    /// Price in cents.
    pub cents: i64,
}

/// What a maker's run gave.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub steps: u64,
    pub submits: u64,
    pub fills: Vec<Fill>,
}

/// Which of its queue models.
#[derive(Clone, Copy)]
pub enum Queue {
    RiskAdverse,
    Power3,
}

/// Which of its exchanges.
#[derive(Clone, Copy)]
pub enum Exchange {
    NoPartialFill,
    PartialFill,
}

/// A window ready to run; building it is not timed.
pub fn prepare(
    window: &Window,
    queue: Queue,
    exchange: Exchange,
) -> Result<Backtest<ROIVectorMarketDepth>> {
    match queue {
        Queue::RiskAdverse => build(window, RiskAdverseQueueModel::new(), exchange),
        Queue::Power3 => {
            build(window, ProbQueueModel::new(PowerProbQueueFunc3::new(3.0)), exchange)
        }
    }
}

fn build<Q>(window: &Window, queue: Q, exchange: Exchange) -> Result<Backtest<ROIVectorMarketDepth>>
where
    Q: QueueModel<ROIVectorMarketDepth> + 'static,
{
    let latency_ns = crate::LATENCY_MS * 1_000_000;
    let asset = L2AssetBuilder::default()
        .data(vec![DataSource::Data(Data::from_data(&window.peer))])
        .parallel_load(false)
        .latency_model(ConstantLatency::new(latency_ns, latency_ns))
        .asset_type(LinearAsset::new(1.0))
        .fee_model(TradingValueFeeModel::new(CommonFees::new(0.0, 0.0)))
        .queue_model(queue)
        .exchange(match exchange {
            Exchange::NoPartialFill => ExchangeKind::NoPartialFillExchange,
            Exchange::PartialFill => ExchangeKind::PartialFillExchange,
        })
        .depth(|| ROIVectorMarketDepth::new(0.01, 0.01, 0.0, 1.0))
        .build()?;
    Ok(Backtest::builder().add_asset(asset).build()?)
}

/// All events, nothing looked at: faster than its own reading of every event.
pub fn to_the_end(backtest: &mut Backtest<ROIVectorMarketDepth>) -> Result<i64, BacktestError> {
    backtest.goto_end()?;
    let depth = backtest.depth(0);
    Ok(depth.best_bid_tick() ^ depth.best_ask_tick())
}

/// Best bid and ask read after every event that it receives.
pub fn read_every_event(
    backtest: &mut Backtest<ROIVectorMarketDepth>,
) -> Result<i64, BacktestError> {
    let mut sum = 0;
    while backtest.wait_next_feed(false, FOREVER_NS)? != ElapseResult::EndOfData {
        let depth = backtest.depth(0);
        sum ^= std::hint::black_box(depth.best_bid_tick() ^ depth.best_ask_tick());
    }
    Ok(sum)
}

/// Ten contracts on both sides at the touch, looked after every 250 ms.
pub fn make(backtest: &mut Backtest<ROIVectorMarketDepth>) -> Result<Run, BacktestError> {
    let mut run = Run::default();
    let mut ids = [0u64; 2];
    while backtest.elapse(crate::EVERY_MS * 1_000_000)? != ElapseResult::EndOfData {
        run.steps += 1;
        let filled = backtest.orders(0).values().filter(|order| order.status == Status::Filled);
        run.fills.extend(filled.map(|order| Fill {
            at_ns: order.exch_timestamp,
            order: order.order_id,
            buys: order.side == Side::Buy,
            cents: order.exec_price_tick,
        }));
        backtest.clear_inactive_orders(Some(0));
        let depth = backtest.depth(0);
        let (bid, ask) = (depth.best_bid_tick(), depth.best_ask_tick());
        if bid == INVALID_MIN || ask == INVALID_MAX {
            continue;
        }
        for (side, tick) in [bid, ask].into_iter().enumerate() {
            let standing = backtest.orders(0).get(&ids[side]);
            let standing = standing.map(|order| (order.price_tick, order.req));
            match standing {
                Some((at, _)) if at == tick => continue,
                Some((_, Status::None)) => drop(backtest.cancel(0, ids[side], false)?),
                Some(_) => continue, // a request of it is under way
                None => {}
            }
            run.submits += 1;
            ids[side] = run.submits;
            let (price, qty) = (tick as f64 / 100.0, crate::CONTRACTS as f64);
            let (id, life, kind) = (run.submits, TimeInForce::GTX, OrdType::Limit);
            match side {
                0 => backtest.submit_buy_order(0, id, price, qty, life, kind, false)?,
                _ => backtest.submit_sell_order(0, id, price, qty, life, kind, false)?,
            };
        }
    }
    run.fills.sort_unstable();
    Ok(run)
}
