//! Finding markets: page after page, by name, by filter.

use super::client;
use super::server::{Answer, Asked, Server};
use kalshiflow::cli::exit::{self, Code};
use kalshiflow::feed::discover::{self, DiscoverError, MarketFilter};
use kalshiflow::units::TsUs;
use kalshiflow::wire::convert;
use kalshiflow::wire::rest::StatusFilter;
use serde_json::{Value, json};

/// A listing of `n` markets in pages of `page`; market `i` closes at hour `i % 24`.
fn listing(n: usize, page: usize) -> impl Fn(&Asked) -> Answer + Clone + Send + Sync + 'static {
    move |asked| {
        let start: usize = parameter(asked, "cursor").map_or(0, |c| c.parse().unwrap());
        let end = (start + page).min(n);
        let markets: Vec<_> =
            (start..end).map(|i| market(&format!("KX-{i}"), "active", i)).collect();
        let cursor = if end < n { end.to_string() } else { String::new() };
        Answer::json(200, json!({"markets": markets, "cursor": cursor}))
    }
}

fn market(ticker: &str, status: &str, hour: usize) -> Value {
    let close = format!("2026-11-21T{:02}:00:00Z", hour % 24);
    json!({"ticker": ticker, "status": status, "close_time": close})
}

fn parameter(asked: &Asked, name: &str) -> Option<String> {
    let (_, query) = asked.target.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.replace("%2C", ","))
}

fn filter(limit: usize) -> MarketFilter {
    MarketFilter { limit, status: Some(StatusFilter::Open), ..MarketFilter::default() }
}

#[tokio::test]
async fn a_sweep_reads_every_page_and_leaves_combos_out() {
    let server = Server::answering(listing(2_500, 1_000)).await;
    let found = discover::sweep(&mut client(&server.url), &filter(10_000)).await.unwrap();
    let tickers: Vec<_> = found.iter().map(|m| m["ticker"].as_str().unwrap()).collect();
    let want: Vec<_> = (0..2_500).map(|i| format!("KX-{i}")).collect();
    assert_eq!(tickers, want);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(parameter(request, "mve_filter").as_deref(), Some("exclude"));
        assert_eq!(parameter(request, "status").as_deref(), Some("open"));
    }
}

#[tokio::test]
async fn a_sweep_stops_when_it_has_enough() {
    let server = Server::answering(listing(2_500, 100)).await;
    let found = discover::sweep(&mut client(&server.url), &filter(250)).await.unwrap();
    assert_eq!((found.len(), server.requests().len()), (250, 3));
}

#[tokio::test]
async fn close_times_are_checked_here_and_series_and_event_there() {
    let server = Server::answering(listing(48, 10)).await;
    let at = |text: &str| Some(convert::time(text.as_bytes()).unwrap());
    let filter = MarketFilter {
        series: Some("KX".to_owned()),
        event: Some("KX-26".to_owned()),
        min_close: at("2026-11-21T10:00:00Z"),
        max_close: at("2026-11-21T12:00:00Z"),
        ..filter(100)
    };
    let found = discover::sweep(&mut client(&server.url), &filter).await.unwrap();
    let tickers: Vec<_> = found.iter().map(|m| m["ticker"].as_str().unwrap()).collect();
    assert_eq!(tickers, ["KX-10", "KX-11", "KX-12", "KX-34", "KX-35", "KX-36"]);
    let first = &server.requests()[0];
    assert_eq!(parameter(first, "series_ticker").as_deref(), Some("KX"));
    assert_eq!(parameter(first, "event_ticker").as_deref(), Some("KX-26"));
}

#[tokio::test]
async fn nothing_found_says_what_was_looked_for() {
    let server = Server::answering(listing(0, 10)).await;
    let filter =
        MarketFilter { series: Some("KXNONE".to_owned()), min_close: Some(TsUs(0)), ..filter(100) };
    let error = discover::sweep(&mut client(&server.url), &filter).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no market fits the filter series_ticker=KXNONE status=open in that range"
    );
    assert_eq!(exit::discover(error).code, Code::Remote);
}

#[tokio::test]
async fn a_cursor_that_never_ends_is_an_error_not_a_loop() {
    let page = |_: &Asked| Answer::json(200, json!({"markets": [], "cursor": "again"}));
    let server = Server::answering(page).await;
    let mut client = super::RestClient::new(&super::access(&server.url), super::TIMING, 7).unwrap();
    // The pace of a new account would make this test last a minute.
    client.assume_limits(&kalshiflow::wire::rest::AccountLimits {
        usage_tier: String::new(),
        read: kalshiflow::wire::rest::BucketLimit { refill_rate: 1_000_000, bucket_capacity: 1 },
        write: kalshiflow::wire::rest::BucketLimit { refill_rate: 1, bucket_capacity: 1 },
    });
    let error = discover::sweep(&mut client, &filter(10)).await.unwrap_err();
    assert!(matches!(error, DiscoverError::Endless), "{error}");
}

/// Answers a query by tickers as the exchange does: the known ones, in its own order.
fn directory(asked: &Asked) -> Answer {
    let wanted = parameter(asked, "tickers").expect("a query by tickers");
    let mut known = vec![market("KX-OLD", "finalized", 1), market("KX-SHUT", "closed", 1)];
    known.extend((0..300).map(|i| market(&format!("KX-{i}"), "active", i)));
    known.retain(|m| wanted.split(',').any(|t| m["ticker"] == t));
    Answer::json(200, json!({"markets": known, "cursor": ""}))
}

#[tokio::test]
async fn named_markets_come_in_the_order_named_however_many() {
    let server = Server::answering(directory).await;
    let names: Vec<_> = (0..250).rev().map(|i| format!("KX-{i}")).collect();
    let found = discover::named(&mut client(&server.url), &names).await.unwrap();
    let tickers: Vec<_> = found.iter().map(|m| m["ticker"].as_str().unwrap()).collect();
    assert_eq!(tickers, names);
    assert!(server.requests().iter().all(|r| r.target.len() < 8_000));
}

#[tokio::test]
async fn unknown_and_closed_markets_are_named() {
    let server = Server::answering(directory).await;
    let names = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let mut client = client(&server.url);
    let error = discover::named(&mut client, &names(&["KX-1", "NOPE", "KX-OLD", "NADA"])).await;
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "unknown market: NOPE, NADA");
    assert_eq!(exit::discover(error).code, Code::Remote);
    // A service that starts again when one of its markets is over goes on with the others.
    let open = discover::named(&mut client, &names(&["KX-OLD", "KX-1", "KX-SHUT"])).await.unwrap();
    assert_eq!(open.iter().map(|m| &m["ticker"]).collect::<Vec<_>>(), ["KX-1"]);
    let error = discover::named(&mut client, &names(&["KX-OLD", "KX-SHUT"])).await;
    let text = error.unwrap_err().to_string();
    assert_eq!(text, "market is closed: KX-OLD (finalized), KX-SHUT (closed)");
    let found = discover::lookup(&mut client, &names(&["KX-OLD", "NOPE"])).await.unwrap();
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ["KX-OLD"], "a look-up takes what there is");
}
