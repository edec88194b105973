//! What belongs to our account: orders, fills, positions, settlements, balance (protocol notes 5, "Reads").

use super::super::bucket::COST_CANCEL;
use super::{RestClient, RestError};
use crate::units::Money;
use crate::wire::portfolio::{
    Balance, FillPage, FillRow, MarketPosition, OneOrder, OrderPage, OrderState, PositionPage,
    QueuePosition, QueuePositions, Settlement, SettlementPage,
};
use serde::de::DeserializeOwned;

/// Most rows on one page.
const PAGE_ROWS: usize = 1_000;
/// A listing of more pages is an exchange that hands out the same cursor again and again.
const PAGES_MAX: usize = 1_000;

/// Which rows of a listing; empty fields do not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// One market.
    pub ticker: Option<String>,
    /// Orders: `resting`, `canceled` or `executed`.
    pub status: Option<&'static str>,
    /// Fills: of one order.
    pub order_id: Option<String>,
    /// Not before, seconds since the epoch.
    pub min_ts_s: Option<i64>,
}

impl Listing {
    fn query(&self) -> Vec<(&'static str, String)> {
        let fields = [
            ("ticker", self.ticker.clone()),
            ("status", self.status.map(str::to_owned)),
            ("order_id", self.order_id.clone()),
            ("min_ts", self.min_ts_s.map(|s| s.to_string())),
            ("limit", Some(PAGE_ROWS.to_string())),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// One page: its rows and where the next one starts.
trait Page: DeserializeOwned {
    type Row;
    fn split(self) -> (Vec<Self::Row>, String);
}

macro_rules! page {
    ($page:ty, $row:ty, $rows:ident) => {
        impl Page for $page {
            type Row = $row;
            fn split(self) -> (Vec<$row>, String) {
                (self.$rows, self.cursor)
            }
        }
    };
}

page!(OrderPage, OrderState, orders);
page!(FillPage, FillRow, fills);
page!(PositionPage, MarketPosition, market_positions);
page!(SettlementPage, Settlement, settlements);

impl RestClient {
    /// Orders, newest first.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn orders(&mut self, listing: &Listing) -> Result<Vec<OrderState>, RestError> {
        self.rows::<OrderPage>("orders", listing).await
    }

    /// One order by the exchange's name for it.
    ///
    /// # Errors
    /// See [`RestError`]; an unknown order is [`RestError::Refused`] with status 404.
    pub async fn order(&mut self, order_id: &str) -> Result<OrderState, RestError> {
        let path = ["portfolio", "orders", order_id];
        // Reading one order costs what a cancel costs.
        self.get_for::<OneOrder>(COST_CANCEL, &path, &[]).await.map(|body| body.order)
    }

    /// Fills, newest first.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn fills(&mut self, listing: &Listing) -> Result<Vec<FillRow>, RestError> {
        self.rows::<FillPage>("fills", listing).await
    }

    /// Positions of every market traded, by ticker.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn positions(&mut self) -> Result<Vec<MarketPosition>, RestError> {
        self.rows::<PositionPage>("positions", &Listing::default()).await
    }

    /// Settled markets in which we held something, newest first.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn settlements(&mut self, listing: &Listing) -> Result<Vec<Settlement>, RestError> {
        self.rows::<SettlementPage>("settlements", listing).await
    }

    /// Cash that can be spent.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn balance(&mut self) -> Result<Money, RestError> {
        let body: Balance = self.get(&["portfolio", "balance"], &[]).await?;
        Ok(body.balance_dollars)
    }

    /// The places in their queues of all our orders that rest in these markets.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn queue_positions(
        &mut self,
        tickers: &[String],
    ) -> Result<Vec<QueuePosition>, RestError> {
        let path = ["portfolio", "orders", "queue_positions"];
        let query = [("market_tickers", tickers.join(","))];
        let body: QueuePositions = self.get(&path, &query).await?;
        Ok(body.queue_positions)
    }

    async fn rows<P: Page>(
        &mut self,
        list: &str,
        listing: &Listing,
    ) -> Result<Vec<P::Row>, RestError> {
        let (path, mut query, mut all) = (["portfolio", list], listing.query(), Vec::new());
        let fixed = query.len();
        for _ in 0..PAGES_MAX {
            let (rows, cursor) = self.get::<P>(&path, &query).await?.split();
            all.extend(rows);
            if cursor.is_empty() {
                return Ok(all);
            }
            query.truncate(fixed);
            query.push(("cursor", cursor));
        }
        let url = self.url(&path, &[]).to_string();
        Err(RestError::NotKalshi { url, why: "its pages do not end".to_owned() })
    }
}
