//! Order calls against a server on loopback: sent once, to nobody else.

use super::client;
use super::server::{Answer, Server};
use kalshiflow::feed::rest::{OrderClient, OrderError, RestError, Write};

#[tokio::test]
async fn a_redirect_is_not_followed_and_nothing_is_sent_twice() {
    let elsewhere = Server::start([Answer::text(200, "{}")]).await;
    let orders_there = format!("{}/trade-api/v2/portfolio/events/orders/X", elsewhere.url);
    let production = "https://external-api.kalshi.com/trade-api/v2/portfolio/events/orders/X";
    for status in [301, 302, 307, 308] {
        for location in [orders_there.as_str(), production] {
            let server =
                Server::start([Answer::text(status, "").header("location", location)]).await;
            let mut orders = OrderClient::beside(&client(&server.url)).unwrap();
            let error = orders.send(Write::cancel("X")).await.unwrap_err();
            assert!(matches!(error, OrderError::Unknown(RestError::NotKalshi { .. })), "{error}");
            assert_eq!(server.requests().len(), 1);
        }
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn calls_side_by_side_do_not_wait_for_each_other() {
    let server = Server::start([]).await;
    let mut orders = OrderClient::beside(&client(&server.url)).unwrap();
    let (first, second) = (orders.begin(Write::cancel("A")), orders.begin(Write::cancel("B")));
    let second = second.await;
    assert!(matches!(orders.end(second), Err(OrderError::Unknown(_))));
    drop(first);
    assert_eq!(server.requests().len(), 1, "the first was never polled");
}
