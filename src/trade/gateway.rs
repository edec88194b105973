//! The way to an exchange by REST: Kalshi's demo, or the built-in one on this machine.
//!
//! One task runs the [`Demo`] gateway. Order calls run side by side, so that a cancel never waits for the answer
//! to something else; the account is read beside them, one question after the other. Every command is answered
//! by a report, whatever happens: an answer that does not come is a report, too.
//!
//! **Invariant:** no call is made twice here. What may be made again is the blotter's decision.
//! **Invariant:** the address is checked before the first connection and before every order call.

use super::desk::QueueAnswer;
use super::message::{
    Answer, Change, ClientId, Command, FillFact, Found, Report, Request, Truth, View,
};
use crate::feed::access::Access;
use crate::feed::rest::{
    Listing, NotAllowed, OrderClient, OrderError, RestClient, RestError, RestTiming, Write,
    check_orders_allowed,
};
use crate::units::TsNs;
use crate::wire::orders::{AmendOrder, CancelAck, DecreaseOrder};
use serde::de::DeserializeOwned;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Questions that wait for the one before them: more than orders can be in doubt at a time. When it is full the
/// answer is that there is none, and the blotter asks again.
const QUESTIONS: usize = 256;

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Orders may not go there.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The exchange cannot be reached, or does not take our key.
    #[error(transparent)]
    Rest(#[from] RestError),
}

/// What a gateway is asked for.
#[derive(Debug)]
pub enum Task {
    /// To do what the blotter wants; it is answered by a [`Report`].
    Do(Command),
    /// To read what the exchange holds of the account, for a reconciliation.
    Read {
        /// Fills from then on, seconds since the epoch.
        since_s: i64,
        /// Our clock now.
        asked: TsNs,
        /// Where to send it.
        reply: oneshot::Sender<Result<Truth, RestError>>,
    },
    /// To read where the orders in these markets stand in their queues.
    Queues {
        /// Markets in which orders rest.
        tickers: Vec<String>,
        /// Where to send it.
        reply: oneshot::Sender<Result<QueueAnswer, RestError>>,
    },
}

/// A gateway to the demo exchange or to this machine.
#[derive(Debug)]
pub struct Demo {
    orders: OrderClient,
    reader: RestClient,
}

/// A question about the account, for the task that reads.
enum Question {
    Order { id: ClientId, ticker: String, since_s: i64 },
    All { since_s: i64, asked: TsNs, reply: oneshot::Sender<Result<Truth, RestError>> },
    Queues { tickers: Vec<String>, reply: oneshot::Sender<Result<QueueAnswer, RestError>> },
}

/// What is left to do when a call has ended: learn from its reply, and report.
type Finish = Box<dyn FnOnce(&mut OrderClient) -> Report + Send>;

impl Demo {
    /// Connects, and keeps to the account's own limits.
    ///
    /// # Errors
    /// [`GatewayError::NotAllowed`] before anything is sent, when the address or the settings are those of
    /// production; else when the exchange cannot be reached or does not take our key.
    pub async fn connect(
        access: &Access,
        timing: RestTiming,
        seed: u64,
    ) -> Result<Demo, GatewayError> {
        check_orders_allowed(access.endpoint.env, &access.endpoint.rest)?;
        let reader = RestClient::connect(access, timing, seed).await?;
        let orders = OrderClient::beside(&reader)?;
        Ok(Demo { orders, reader })
    }

    /// Works until the queue of tasks is closed and the last answer is reported. Whoever waits for room in that
    /// queue must go on taking reports: both have an end.
    pub async fn run(self, mut tasks: mpsc::Receiver<Task>, reports: mpsc::Sender<Report>) {
        let Demo { mut orders, reader } = self;
        let (questions, asked) = mpsc::channel(QUESTIONS);
        let reading = tokio::spawn(read(reader, asked, reports.clone()));
        let mut calls: JoinSet<Finish> = JoinSet::new();
        // Whoever does not listen any more has stopped trading: there is nobody to tell.
        loop {
            let report = tokio::select! {
                biased;
                Some(Ok(finish)) = calls.join_next() => Some(finish(&mut orders)),
                task = tasks.recv() => match task {
                    Some(Task::Do(command)) => start(command, &mut orders, &mut calls, &questions),
                    Some(Task::Read { since_s, asked, reply }) => {
                        // Dropped with its reply when the queue is full, which the asker sees.
                        let _ = questions.try_send(Question::All { since_s, asked, reply });
                        None
                    }
                    Some(Task::Queues { tickers, reply }) => {
                        let _ = questions.try_send(Question::Queues { tickers, reply });
                        None
                    }
                    None => break,
                }
            };
            if let Some(report) = report {
                let _ = reports.send(report).await;
            }
        }
        while let Some(Ok(finish)) = calls.join_next().await {
            let report: Report = finish(&mut orders);
            let _ = reports.send(report).await;
        }
        drop(questions);
        let _ = reading.await;
    }
}

/// Starts a command; gives the report that can be made at once.
fn start(
    command: Command,
    orders: &mut OrderClient,
    calls: &mut JoinSet<Finish>,
    questions: &mpsc::Sender<Question>,
) -> Option<Report> {
    match command {
        Command::Submit { id, order } => {
            let (sent, write) = (id.clone(), Write::create(&order.body(&id)));
            let report = move |answer| Report::Answer { id, to: Request::Submit, answer };
            call(orders, calls, write, move |ack| View::of_create(&ack, &order), report);
            Some(Report::Sent(sent))
        }
        Command::Change { id, order_id, ticker, side, change } => {
            let report = move |answer| Report::Answer { id, to: Request::Change(change), answer };
            match change {
                Change::Cancel => {
                    let write = Write::cancel(&order_id);
                    call(orders, calls, write, |ack| of_cancel(&ack), report);
                }
                Change::Amend { price, count } => {
                    let body = AmendOrder {
                        ticker,
                        side,
                        price,
                        count,
                        client_order_id: None,
                        updated_client_order_id: None,
                        expiration_time: None,
                    };
                    let write = Write::amend(&order_id, &body);
                    call(orders, calls, write, move |a| View::of_amend(&a, price, count), report);
                }
                Change::Decrease { to } => {
                    let body = DecreaseOrder { reduce_to: Some(to), ..DecreaseOrder::default() };
                    let write = Write::decrease(&order_id, &body);
                    call(orders, calls, write, |ack| View::of_decrease(&ack), report);
                }
            }
            None
        }
        Command::CancelOrphan { order_id } => {
            let write = Write::cancel(&order_id);
            // Whatever came of it, the next reconciliation sees.
            let report = move |_| Report::OrphanCancelled { order_id };
            call(orders, calls, write, |ack| of_cancel(&ack), report);
            None
        }
        Command::Query { id, ticker, since_s } => {
            let question = Question::Order { id: id.clone(), ticker, since_s };
            let full = questions.try_send(question).is_err();
            let found = || Found::Unknown("too many questions are open".to_owned());
            full.then(|| Report::Queried { id, found: found() })
        }
    }
}

fn call<T: DeserializeOwned + Send + 'static>(
    orders: &mut OrderClient,
    calls: &mut JoinSet<Finish>,
    write: Write<T>,
    view: impl FnOnce(T) -> View + Send + 'static,
    report: impl FnOnce(Answer) -> Report + Send + 'static,
) {
    let call = orders.begin(write);
    calls.spawn(async move {
        let ended = call.await;
        let finish = move |orders: &mut OrderClient| match orders.end(ended) {
            Ok(body) => report(Answer::Done(view(body))),
            Err(error) => report(Answer::from(error)),
        };
        Box::new(finish) as Finish
    });
}

fn of_cancel(ack: &CancelAck) -> View {
    View::of_cancel(&ack.order_id, ack.reduced_by, ack.ts_ms.unwrap_or(i64::MIN))
}

impl From<OrderError> for Answer {
    fn from(error: OrderError) -> Answer {
        match error {
            OrderError::Refused(refusal) => Answer::Refused(refusal),
            OrderError::NotAllowed(error) => Answer::NotTaken(error.to_string()),
            OrderError::NotTaken(error) => Answer::NotTaken(error.to_string()),
            OrderError::Unknown(error) => Answer::Unknown(error.to_string()),
        }
    }
}

/// Answers one question after the other until nobody asks any more.
async fn read(
    mut reader: RestClient,
    mut questions: mpsc::Receiver<Question>,
    reports: mpsc::Sender<Report>,
) {
    while let Some(question) = questions.recv().await {
        match question {
            Question::Order { id, ticker, since_s } => {
                let found = look_up(&mut reader, &id, ticker, since_s).await;
                let found = found.unwrap_or_else(|error| Found::Unknown(error.to_string()));
                let _ = reports.send(Report::Queried { id, found }).await;
            }
            Question::All { since_s, asked, reply } => {
                let _ = reply.send(truth(&mut reader, since_s, asked).await);
            }
            Question::Queues { tickers, reply } => {
                let asked = Instant::now();
                let places = reader.queue_positions(&tickers).await;
                let took = asked.elapsed();
                let _ = reply.send(places.map(|places| QueueAnswer { places, took }));
            }
        }
    }
}

/// An order by our name for it. The exchange's list knows no such filter, so that all of the market's recent
/// orders are read.
async fn look_up(
    reader: &mut RestClient,
    id: &ClientId,
    ticker: String,
    since_s: i64,
) -> Result<Found, RestError> {
    let (ticker, min_ts_s) = (Some(ticker), Some(since_s));
    let listing = Listing { ticker, min_ts_s, ..Listing::default() };
    let orders = reader.orders(&listing).await?;
    let own = orders.iter().find(|order| order.client_order_id.as_deref() == Some(id.as_str()));
    let Some(order) = own else { return Ok(Found::Nothing) };
    let order_id = Some(order.order_id.clone());
    let fills = reader.fills(&Listing { order_id, ..Listing::default() }).await?;
    Ok(Found::Order(View::of_state(order), fills.iter().map(FillFact::of_row).collect()))
}

/// The account's lists, in the order that [`Truth`] promises.
async fn truth(reader: &mut RestClient, since_s: i64, asked: TsNs) -> Result<Truth, RestError> {
    let resting = Listing { status: Some("resting"), ..Listing::default() };
    let since = Listing { min_ts_s: Some(since_s), ..Listing::default() };
    Ok(Truth {
        asked,
        resting: reader.orders(&resting).await?,
        fills: reader.fills(&since).await?,
        positions: reader.positions().await?,
        balance: reader.balance().await?,
    })
}
