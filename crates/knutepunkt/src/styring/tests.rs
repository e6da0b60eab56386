use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::adapters::{RandomIds, SystemClock};
use crate::config::Config;

async fn context(data: &std::path::Path) -> Context {
    let config = Config { data: data.to_owned(), ..Config::defaults() };
    let url = config.registry_url().expect("it is the default");
    let database = storage::connect(&url).await.expect("the folder is empty");
    database.migrate().await.expect("it is new");
    let registry = database.registry().await.expect("it was migrated");
    let adapters = app::Adapters::registry_only(registry, Arc::new(SystemClock), Arc::new(RandomIds));
    let key = crate::passord_key::load_or_create(data, &RandomIds).expect("the folder is empty");
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(RandomIds));
    let options = broker_embedded::Options::default();
    let broker = broker_embedded::EmbeddedBroker::open(data.join("ko"), clock, ids, options);
    Context {
        app: app::App::new(adapters, key, config.settings()),
        broker: broker.await.expect("the folder is empty"),
        payloads: Arc::new(object_store::memory::InMemory::new()),
        places: crate::installasjon::look::Places::of(&config).expect("it is the default"),
        disks: Vec::new(),
        registry: database.files(),
        backing_up: Arc::default(),
    }
}

async fn raw(data: &std::path::Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(data.join(SOCKET)).await.expect("it is served");
    stream.write_all(request).await.expect("it takes the request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer
}

#[tokio::test]
async fn a_command_asks_a_running_server_and_knows_when_none_runs() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = folder.path();
    assert_eq!(ask::<Status>(data, &Request::Status {}).await.expect("nothing is wrong"), None);

    // One that a killed server left behind does not keep the next one from starting.
    drop(Socket::bind(data).expect("the folder is empty"));
    assert_eq!(ask::<Status>(data, &Request::Status {}).await.expect("nothing is wrong"), None);
    let socket = Socket::bind(data).expect("only an old socket is there");
    let mode = std::fs::metadata(data.join(SOCKET)).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let shutdown = CancellationToken::new();
    let served = tokio::spawn(socket.serve(context(data).await, shutdown.clone()));
    let status = ask::<Status>(data, &Request::Status {}).await.expect("it answers").expect("it runs");
    assert_eq!(status.pid, std::process::id());

    assert!(raw(data, b"{\"request\":\"dance\"}\n").await.contains("failed"));
    assert!(
        raw(data, b"{\"request\":\"status\",\"fast\":true}\n").await.contains("failed"),
        "it is not understood"
    );
    let endless = vec![b'x'; usize::try_from(REQUEST_MAX).expect("it is small")];
    assert!(raw(data, &endless).await.contains("failed"), "a request has an end");

    // Silent ones, as many as fill the turns of commands several times over.
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(UnixStream::connect(data.join(SOCKET)).await.expect("it is served"));
    }
    let status = ask::<Status>(data, &Request::Status {}).await.expect("it answers");
    assert!(status.is_some());
    drop(silent);

    shutdown.cancel();
    served.await.expect("it stops");
    assert!(!data.join(SOCKET).exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_not_removed() {
    let folder = tempfile::tempdir().expect("there is room");
    std::fs::write(folder.path().join(SOCKET), "mine").expect("there is room");
    assert!(Socket::bind(folder.path()).is_err());
    assert_eq!(std::fs::read_to_string(folder.path().join(SOCKET)).expect("it is there"), "mine");
}

/// A data folder may lie deeper than a socket's path may be long.
#[tokio::test]
async fn server_in_a_deep_folder_can_be_asked_and_comes_back_when_its_socket_is_removed() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = folder.path().join("d".repeat(80)).join("e".repeat(80));
    std::fs::create_dir_all(&data).expect("there is room");
    assert!(ask::<Status>(&data, &Request::Status {}).await.expect("none runs").is_none());
    std::fs::write(data.join(crate::names::MARK), "").expect("there is room");
    let shutdown = CancellationToken::new();
    let serving =
        tokio::spawn(Socket::bind(&data).expect("it can be").serve(context(&data).await, shutdown.clone()));
    for _ in 0..2 {
        let answered = async {
            while ask::<Status>(&data, &Request::Status {}).await.expect("it can be asked").is_none() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), answered).await.expect("it answers in time");
        std::fs::remove_file(data.join(SOCKET)).expect("it is there");
    }
    shutdown.cancel();
    serving.await.expect("it ends");
}

#[tokio::test]
async fn dead_socket_in_the_place_of_the_servers_is_replaced_and_another_folder_is_left_alone() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("there is room");
    let shutdown = CancellationToken::new();
    let serving =
        tokio::spawn(Socket::bind(&data).expect("it can be").serve(context(&data).await, shutdown.clone()));
    let answers = async || {
        let answered = async {
            while !matches!(ask::<Status>(&data, &Request::Status {}).await, Ok(Some(_))) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), answered).await.expect("it answers in time");
    };
    answers().await;
    // As a copy of a data folder brings it.
    std::fs::remove_file(data.join(SOCKET)).expect("it is there");
    drop(std::os::unix::net::UnixListener::bind(data.join(SOCKET)).expect("it is free"));
    answers().await;
    // One that lives, and a file, stay.
    std::fs::remove_file(data.join(SOCKET)).expect("it is there");
    let other = std::os::unix::net::UnixListener::bind(data.join(SOCKET)).expect("it is free");
    tokio::task::spawn_blocking(move || other.accept().map(drop))
        .await
        .expect("it runs")
        .expect("the server looks whether it lives");

    answers().await;
    shutdown.cancel();
    serving.await.expect("it ends");
    assert!(!data.join(SOCKET).exists());

    let mut socket = Socket::bind(&data).expect("it can be");
    std::fs::rename(&data, folder.path().join("aside")).expect("nothing is in the way");
    std::fs::create_dir(&data).expect("there is room");
    std::fs::write(data.join(crate::names::MARK), "").expect("there is room");
    socket.bind_again().await;
    assert!(!data.join(SOCKET).exists(), "another folder in the place of its own gets none");
    std::fs::write(data.join(SOCKET), "mine").expect("there is room");
    let ended = CancellationToken::new();
    ended.cancel();
    socket.serve(context(&folder.path().join("aside")).await, ended).await;
    assert_eq!(std::fs::read_to_string(data.join(SOCKET)).expect("it is there"), "mine");
}
