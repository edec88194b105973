//! A server that answers what it was told to, one answer after the other, and remembers what it was asked.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// One answer.
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    pub(super) fn text(status: u16, body: &str) -> Answer {
        Answer { status, headers: Vec::new(), body: body.to_owned() }
    }

    pub(super) fn json(status: u16, body: Value) -> Answer {
        Answer::text(status, &body.to_string()).header("content-type", "application/json")
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Answer {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// One request as it came.
#[derive(Clone)]
pub(super) struct Asked {
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
}

/// Serves until the test ends; asked once more than it has answers, it answers 599.
pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(super) async fn start(answers: impl IntoIterator<Item = Answer>) -> Server {
        let answers = Arc::new(Mutex::new(VecDeque::from_iter(answers)));
        let next = move |_: &Asked| {
            answers.lock().unwrap().pop_front().unwrap_or(Answer::text(599, "no answer left"))
        };
        Server::answering(next).await
    }

    /// Answers by a function of the request.
    pub(super) async fn answering(
        answer: impl Fn(&Asked) -> Answer + Clone + Send + Sync + 'static,
    ) -> Server {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let handle = move |request: Request| {
            let target = request.uri().to_string();
            let one = Asked { target, headers: request.headers().clone() };
            let answer = answer(&one);
            log.lock().unwrap().push(one);
            async move { reply(answer) }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(handle);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Server { url, asked }
    }

    pub(super) fn requests(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn reply(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    for (name, value) in answer.headers {
        let value = HeaderValue::try_from(value).unwrap();
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}
