//! A server that is held, as a container that is paused: what becomes of its clients is not their fault.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use domain::melding::Retur;
use knutepunkt_amqp::{Config, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::connect::log_in_and_stop;
use crate::consume::{consume, next};
use crate::world::{World, within};

/// Runs `client` on a thread of its own, which nobody holds.
fn elsewhere(client: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(client);
        // What is open is closed without a word.
        runtime.shutdown_background();
    })
}

/// Holds the server, which runs on this thread.
fn hold(time: Duration) {
    std::thread::sleep(time);
}

fn method(channel: u8, class: u8, method: u8, arguments: &[u8]) -> Vec<u8> {
    let length = u8::try_from(4 + arguments.len()).unwrap();
    [&[1, 0, channel, 0, 0, 0, length, 0, class, 0, method], arguments, &[0xce]].concat()
}

/// Kind, class and method of the next frame.
async fn frame(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 7];
    stream.read_exact(&mut head).await?;
    let mut rest = vec![0; usize::from(u16::from_be_bytes([head[5], head[6]])) + 1];
    stream.read_exact(&mut rest).await?;
    rest.truncate(4);
    Ok((head[0], rest))
}

/// Beats twice a second, which is what it was asked for.
async fn beats(mut stream: TcpStream, mut told: oneshot::Receiver<()>, ready: oneshot::Sender<()>) {
    stream.write_all(&method(0, 10, 31, &[0, 0, 0, 0, 0, 0, 0, 1])).await.unwrap();
    stream.write_all(&method(0, 10, 40, b"\x01/\0\0")).await.unwrap();
    assert_eq!(frame(&mut stream).await.unwrap(), (1, vec![0, 10, 0, 41]));
    ready.send(()).unwrap();
    while told.try_recv().is_err() {
        stream.write_all(b"\x08\0\0\0\0\0\0\xce").await.unwrap();
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    stream.write_all(&method(1, 20, 10, b"\0")).await.unwrap();
    loop {
        match frame(&mut stream).await.expect("it is not closed") {
            (8, _) => {}
            (kind, rest) => break assert_eq!((kind, &rest[..]), (1, &[0, 20, 0, 11][..]), "it goes on"),
        }
    }
}

#[tokio::test]
async fn client_that_beats_while_the_server_is_held_is_not_taken_for_silent() {
    let world = Arc::new(World::new().await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (server, stop) = (Server::new(world.app.clone(), Config::default()), world.shutdown.clone());
    let server = tokio::spawn(async move { server.run(listener, None, stop).await });
    let (tell, told) = oneshot::channel();
    let (ready, is_ready) = oneshot::channel();
    let inside = Arc::clone(&world);
    let client = elsewhere(async move {
        beats(log_in_and_stop(address, &inside.storevik).await.unwrap(), told, ready).await;
    });
    within(is_ready).await.unwrap();
    // More than two heartbeats, and not so much that whoever judges knows that it comes late.
    hold(Duration::from_millis(2_500));
    tell.send(()).unwrap();
    let client = within(tokio::task::spawn_blocking(|| client.join())).await.unwrap();
    client.expect("it is served on");
    Arc::into_inner(world).unwrap().end().await;
    within(server).await.unwrap();
}

#[tokio::test]
async fn client_that_gives_up_a_server_that_is_held_answers_for_nothing() {
    let world = Arc::new(World::new().await);
    for (is_held, is_polite, returned) in
        [(true, false, Retur::Avbrutt), (true, true, Retur::Avbrutt), (false, false, Retur::Frakoblet)]
    {
        let sent = world.send_one(b"0".to_vec()).await;
        let (tell, told) = oneshot::channel::<()>();
        let (ready, is_ready) = oneshot::channel();
        let inside = Arc::clone(&world);
        let client = elsewhere(async move {
            let connection = inside.connect(&inside.storevik).await.unwrap();
            let (channel, mut consumer) = consume(&connection, &inside.storevik.queue(), "", 10).await;
            let delivery = next(&mut consumer).await;
            ready.send(()).unwrap();
            told.await.unwrap();
            if is_polite {
                // The answer may come when nobody is there any more.
                drop(
                    tokio::time::timeout(Duration::from_millis(100), connection.close(200, "OK".into()))
                        .await,
                );
            }
            std::mem::forget((connection, channel, consumer, delivery));
        });
        within(is_ready).await.unwrap();
        tell.send(()).unwrap();
        if is_held {
            hold(Duration::from_millis(1_500));
        }
        within(tokio::task::spawn_blocking(|| client.join())).await.unwrap().unwrap();
        world.until_returned(sent, returned).await;
    }
    Arc::into_inner(world).unwrap().end().await;
}
