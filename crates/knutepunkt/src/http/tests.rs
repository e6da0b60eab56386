//! The listener over real sockets, with small limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use app::{Caller, Door, InnloggetIntegrasjon};
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Router};
use domain::id::{FiksOrgId, IntegrasjonId, SystemId, Uuid};
use http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::limits::tests::limits;
use super::{Entrance, Limits, serve};

struct Server {
    address: std::net::SocketAddr,
    /// `/wait` answers one request for each permit.
    permits: Arc<Semaphore>,
    entrance: Entrance,
    _stop: DropGuard,
}

async fn read(body: Body) -> Result<String, StatusCode> {
    let read = body.collect().await.map_err(|_| StatusCode::REQUEST_TIMEOUT)?;
    Ok(read.to_bytes().len().to_string())
}

async fn wait(State(permits): State<Arc<Semaphore>>) -> StatusCode {
    permits.acquire().await.map_or(StatusCode::INTERNAL_SERVER_ERROR, |permit| {
        permit.forget();
        StatusCode::OK
    })
}

/// The same for somebody who has logged in.
async fn work(Extension(door): Extension<Door>, permits: State<Arc<Semaphore>>) -> StatusCode {
    if log_in(&door) { wait(permits).await } else { StatusCode::TOO_MANY_REQUESTS }
}

fn log_in(Door(keeper): &Door) -> bool {
    let caller = InnloggetIntegrasjon {
        integrasjon_id: IntegrasjonId::from_uuid(Uuid::from_u128(1)),
        system_id: SystemId::from_uuid(Uuid::from_u128(1)),
        fiks_org_id: FiksOrgId::from_uuid(Uuid::from_u128(1)),
        konfigurer: false,
    };
    keeper.admit(&Caller::Integrasjon(caller)).is_ok()
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::serve(limits, Router::new()).await
    }

    /// One with more routes.
    async fn serve(limits: Limits, more: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let permits = Arc::new(Semaphore::new(0));
        let router = Router::new()
            .route("/helse", get(async || "klar"))
            .route("/read", post(read))
            .route("/refuse", post(async || StatusCode::UNAUTHORIZED))
            .route("/ignore", post(async || "well"))
            .route("/wait", get(wait))
            .route("/work", get(work))
            .route("/large", get(async || vec![0_u8; 64 * 1024 * 1024]))
            .with_state(Arc::clone(&permits))
            .merge(more);
        let shutdown = CancellationToken::new();
        let entrance = Entrance::new(limits);
        tokio::spawn(serve(listener, None, router, entrance.clone(), shutdown.clone()));
        Self { address, permits, entrance, _stop: shutdown.drop_guard() }
    }

    async fn connect(&self, sent: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(sent.as_bytes()).await.unwrap();
        connection
    }

    /// Sends a request and returns the status, as an honest client does: with another try when its connection was closed
    /// before it was answered.
    async fn status(&self, sent: &str) -> String {
        loop {
            let mut connection = self.connect(sent).await;
            let answer = answer(&mut connection).await;
            if let Some(status) = answer.split(' ').nth(1) {
                return status.to_owned();
            }
        }
    }
}

/// All that comes until the server closes.
async fn answer(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const HELSE: &str = "GET /helse HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_client_is_answered_whatever_strangers_leave_unfinished() {
    for begun in [
        "",
        "GET /helse HTTP/1.1\r\nX: ",
        "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na=",
        "POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;",
        "GET /helse HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na=",
        // It waits for somebody who does not answer.
        "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let server = Server::start(Limits { connections: 16, strangers: 16, ..limits() }).await;
        let mut held = Vec::new();
        for _ in 0..8 {
            for _ in 0..20 {
                held.push(server.connect(begun).await);
            }
            assert_eq!(server.status(HELSE).await, "200", "{begun:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_the_server_is_can_be_asked_while_every_connection_is_busy() {
    let server = Server::start(Limits { connections: 2, strangers: 2, ..limits() }).await;
    let wait = "GET /work HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut busy = [server.connect(wait).await, server.connect(wait).await];
    while server.entrance.connections.count_busy() < 2 {
        tokio::task::yield_now().await;
    }
    let turned_away = answer(&mut server.connect(wait).await).await;
    assert!(
        turned_away.starts_with("HTTP/1.1 503") && turned_away.contains("retry-after: 5"),
        "{turned_away}"
    );
    assert!(turned_away.ends_with("try again in a few seconds\n"), "{turned_away}");
    assert_eq!(server.status(HELSE).await, "200");
    server.permits.add_permits(8);
    for connection in &mut busy {
        let answer = answer(connection).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(server.status(wait).await, "200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_that_does_not_come_is_answered_and_the_connection_closed() {
    let stall = Duration::from_millis(50);
    let server = Server::start(Limits { stall, form: stall, ..limits() }).await;
    let mut connection =
        server.connect("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na=").await;
    let answer = answer(&mut connection).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_that_is_not_fetched_is_given_up() {
    let server = Server::start(Limits { stall: Duration::from_millis(50), ..limits() }).await;
    let mut connection = server.connect("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // One byte shows that it has begun. What lies in the buffers of the sockets is all that comes then.
    connection.read_u8().await.unwrap();
    while server.entrance.connections.count() > 0 {
        tokio::task::yield_now().await;
    }
    let fetched = answer(&mut connection).await;
    assert!(fetched.len() < 64 * 1024 * 1024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_refused_unread_can_read_the_answer_after_sending_all() {
    let server = Server::start(limits()).await;
    for expect in ["", "Expect: 100-continue\r\n"] {
        let head = format!("POST /refuse HTTP/1.1\r\nHost: x\r\n{expect}Content-Length: 8000000\r\n\r\n");
        let mut connection = server.connect(&head).await;
        if expect.is_empty() {
            connection.write_all(&vec![0; 8_000_000]).await.unwrap();
        }
        let answer = answer(&mut connection).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
}

/// Whoever keeps the connection would lose the next request on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_before_the_body_was_read_announces_that_the_connection_closes() {
    let server = Server::start(limits()).await;
    for (path, sent, closes) in [
        ("/refuse", "", true),
        ("/refuse", "a=b", true),
        ("/ignore", "a=b", true),
        ("/ignore", "", true),
        ("/read", "a=b", false),
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{sent}");
        let next = if closes { "" } else { HELSE };
        let answer = answer(&mut server.connect(&format!("{head}{next}")).await).await;
        let first = answer.split("\r\n\r\n").next().unwrap_or_default();
        assert_eq!(first.contains("connection: close"), closes, "{path}: {answer}");
        let answers = if closes { 1 } else { 2 };
        assert_eq!(answer.matches("HTTP/1.1 ").count(), answers, "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_requests_at_once_are_answered_in_turn() {
    let server = Server::start(limits()).await;
    let one = "GET /helse HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut connection = server.connect(&format!("{}{HELSE}", one.repeat(99))).await;
    assert_eq!(answer(&mut connection).await.matches("HTTP/1.1 200").count(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_that_is_too_large_or_no_head_is_answered_and_the_connection_closed() {
    let server = Server::start(limits()).await;
    let (long, pairs) = ("a".repeat(1024 * 1024), "A: b\r\n".repeat(200));
    for (sent, status) in [
        (format!("GET /helse HTTP/1.1\r\nHost: x\r\nX: {long}"), "431"),
        (format!("GET /helse HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(40_000)), "431"),
        (format!("GET /helse HTTP/1.1\r\nHost: x\r\n{pairs}\r\n"), "431"),
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), "431"),
        ("\u{7f}\u{0}nonsense\r\n\r\n".to_owned(), "400"),
        ("GET /helse\r\n\r\n".to_owned(), "400"),
        ("GET /helse HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n".to_owned(), "400"),
        ("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n".to_owned(), "400"),
        ("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551614\r\n\r\n".to_owned(), "400"),
        ("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n".to_owned(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "505"),
    ] {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        // It may be closed before all is sent.
        let _ = connection.write_all(sent.as_bytes()).await;
        let answer = answer(&mut connection).await;
        let begun: String = sent.chars().take(60).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{begun:?}: {answer:?}");
        assert!(answer.to_lowercase().contains("connection: close"), "{begun:?}: {answer:?}");
    }
    assert_eq!(server.status(HELSE).await, "200");
    // Cut anywhere, and behind another request.
    for (pieces, status) in [
        (["PRI * HT", "TP/2.0\r\n\r\nSM\r\n\r\n"], "505"),
        (["POST /read HTTP/1.1\r\nHost: x\r\nContent-Leng", "th: 18446744073709551615\r\n\r\n"], "400"),
    ] {
        let mut connection = server.connect(pieces[0]).await;
        tokio::task::yield_now().await;
        connection.write_all(pieces[1].as_bytes()).await.unwrap();
        let answer = answer(&mut connection).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{pieces:?}: {answer:?}");
    }
    let mut connection = server.connect("GET /helse HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut first = [0; 12];
    connection.read_exact(&mut first).await.unwrap();
    connection
        .write_all(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n")
        .await
        .unwrap();
    let rest = answer(&mut connection).await;
    assert!(rest.contains("HTTP/1.1 400 The Content-Length is too large\r\n"), "{rest}");
}

/// Counts what is taken of an answer that nobody fetches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_is_made_no_faster_than_it_is_fetched() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let endless = move || {
        let counted = Arc::clone(&counted);
        async move {
            Body::from_stream(futures::stream::repeat_with(move || {
                counted.fetch_add(8 * 1024, Ordering::Relaxed);
                Ok::<_, std::io::Error>(bytes::Bytes::from_static(&[0; 8 * 1024]))
            }))
        }
    };
    let server = Server::serve(limits(), Router::new().route("/endless", get(endless))).await;
    let mut connection = server.connect("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await;
    connection.read_u8().await.unwrap();
    while server.entrance.connections.count_busy() > 0 {
        tokio::task::yield_now().await;
    }
    // What the sockets of both ends hold is the kernel's.
    assert!(made.load(Ordering::Relaxed) < 32 * 1024 * 1024, "{}", made.load(Ordering::Relaxed));
}

#[tokio::test]
async fn failed_log_ins_over_other_protocols_are_counted_by_neighbourhood_too() {
    let entrance = Entrance::new(limits());
    let from = |last: u16| std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last).into();
    let told = (0..1_000).filter(|n| entrance.log_in_refused(from(*n))).count();
    assert!((40..1_000).contains(&told), "{told}");
    assert!(entrance.log_in_refused(std::net::IpAddr::from([192, 0, 2, 1])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_chunk_extension_is_refused() {
    let server = Server::start(limits()).await;
    let long = "a".repeat(1024 * 1024);
    let sent = format!(
        "POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;{long}\r\na\r\n0\r\n\r\n"
    );
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    // It may be closed before all is sent.
    let _ = connection.write_all(sent.as_bytes()).await;
    let answer = answer(&mut connection).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(server.status(HELSE).await, "200");
}

/// RFC 9112: what a proxy in front may understand otherwise is served to nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_that_may_be_read_in_two_ways_is_refused_and_the_connection_closed() {
    let server = Server::start(limits()).await;
    let second = "GET /helse HTTP/1.1\r\nHost: x\r\n\r\n";
    let post = |headers: &str| format!("POST /read HTTP/1.1\r\n{headers}\r\n5\r\nhello\r\n0\r\n\r\n{second}");
    let get = |head: &str| format!("GET {head}\r\n\r\n{second}");
    for (sent, status) in [
        (post("Host: x\r\nTransfer-Encoding: chunked, chunked\r\n"), "400"),
        (post("Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), "400"),
        (post("Host: x\r\nTransfer-Encoding: gzip, chunked\r\n"), "400"),
        (post("Host: x\r\nTransfer-Encoding: xchunked\r\n"), "400"),
        (post("Host: x\r\nTransfer-Encoding: identity\r\n"), "400"),
        (post("Host: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n"), "400"),
        (post("Host: x\r\nContent-Length: 5, 5\r\n"), "400"),
        (post("Host: x\r\nContent-Length: +5\r\n"), "400"),
        (post("Host: x\r\nContent-Length: -5\r\n"), "400"),
        (post("Host: x\r\nContent-Length: 0x5\r\n"), "400"),
        (post("Host: x\r\nContent-Length: 1 5\r\n"), "400"),
        (post("Host: x\r\nContent-Length:\r\n"), "400"),
        (post("Host: x\r\nContent-Length: 99999999999999999999\r\n"), "400"),
        (post("Host: x\r\nContent-Length : 5\r\n"), "400"),
        (post("Host: x\r\nX: a\r\n Content-Length: 5\r\n"), "400"),
        ("POST /read HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), "400"),
        (get("/helse HTTP/1.1"), "400"),
        (get("/helse HTTP/1.1\r\nHost: x\r\nHost: x"), "400"),
        (get("/helse HTTP/1.1\r\nHost: x\r\nHost: y"), "400"),
        (get("/helse HTTP/1.0\r\nHost: x\r\nHost: y"), "400"),
        (get("/helse HTTP/1.1\r\nHost: x, y"), "400"),
        (get("/helse HTTP/1.1\r\nHost: a@x"), "400"),
        (get("/helse HTTP/1.1\r\nHost: x/y"), "400"),
        (get("http://y/helse HTTP/1.1\r\nHost: x"), "400"),
        (get("/helse HTTP/3.7\r\nHost: x"), "400"),
    ] {
        let mut connection = server.connect(&sent).await;
        let answer = answer(&mut connection).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}"))
                || answer.starts_with(&format!("HTTP/1.0 {status}")),
            "{sent:?}: {answer:?}"
        );
        assert!(
            answer.to_lowercase().contains("connection: close") || answer.starts_with("HTTP/1.0"),
            "{sent:?}: {answer:?}"
        );
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{sent:?}: {answer:?}");
    }
    // What comes behind a body with a length besides its chunks is not taken for a request (RFC 9112 §6.1).
    for both in
        ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"]
    {
        let mut connection = server.connect(&post(&format!("Host: x\r\n{both}\r\n"))).await;
        let answer = answer(&mut connection).await;
        assert!(answer.contains("connection: close") && answer.ends_with("\r\n5"), "{both}: {answer}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{both}: {answer}");
    }
    for served in [
        "GET /helse HTTP/1.0\r\n\r\n",
        "GET http://x/helse HTTP/1.1\r\nHost: X\r\nConnection: close\r\n\r\n",
        "GET /helse HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: close\r\n\r\n",
        "POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
        "POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\nConnection: close\r\n\r\na",
    ] {
        assert_eq!(server.status(served).await, "200", "{served:?}");
    }
}

/// Nothing of it is accepted, and nobody waits for the end of the time for requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_that_will_not_be_here_in_time_is_answered_503_at_a_stop() {
    async fn told(Extension(door): Extension<Door>, body: Body) -> (StatusCode, String) {
        assert!(log_in(&door));
        match body.collect().await {
            Ok(read) => (StatusCode::OK, read.to_bytes().len().to_string()),
            Err(error) => match app::memory::refusal_of(&error) {
                Some(app::Error::Stopping { retry_after }) => {
                    (StatusCode::SERVICE_UNAVAILABLE, retry_after.as_secs().to_string())
                }
                _ => (StatusCode::BAD_REQUEST, error.to_string()),
            },
        }
    }
    let server = Server::serve(limits(), Router::new().route("/told", post(told))).await;
    let head = |length: usize| format!("POST /told HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\na");
    let mut slow = server.connect(&head(100)).await;
    let mut nearly_done = server.connect(&head(2)).await;
    while server.entrance.connections.count_awaited() < 2 {
        tokio::task::yield_now().await;
    }
    let Server { _stop: stop, .. } = server;
    drop(stop);
    nearly_done.write_all(b"b").await.unwrap();
    let answers = [answer(&mut nearly_done).await, answer(&mut slow).await];
    assert!(answers[0].starts_with("HTTP/1.1 200") && answers[0].ends_with("\r\n2"), "{answers:?}");
    assert!(answers[1].starts_with("HTTP/1.1 503") && answers[1].ends_with("\r\n5"), "{answers:?}");
}
