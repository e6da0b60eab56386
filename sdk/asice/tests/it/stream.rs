//! The asynchronous face.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use asice::{ContentCheck, Error, FileSource, ReadOptions, pack, pack_encrypted, unpack, unpack_encrypted};
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::support::{Noise, RECEIVER, SENDER, STRANGER, noise};

fn payload(files: Vec<FileSource>) -> asice::ByteStream {
    pack_encrypted(files, SENDER.signer(), RECEIVER.recipient()).unwrap()
}

#[tokio::test]
async fn files_travel_from_sender_to_receiver() {
    let files = vec![
        FileSource::from_bytes("melding.json", "{}"),
        FileSource::new("stor.bin", io::Cursor::new(noise(1_000_000))),
        FileSource::from_bytes("tom", ""),
    ];
    let keys = vec![STRANGER.private_key(), RECEIVER.private_key()];
    let read = unpack_encrypted(payload(files), keys, ReadOptions::default())
        .read_to_memory(2_000_000)
        .await
        .unwrap();
    assert_eq!(read.files.len(), 3);
    assert_eq!(read.file("melding.json").unwrap(), "{}");
    assert_eq!(read.file("stor.bin").unwrap(), &noise(1_000_000));
    assert_eq!(read.file("tom").unwrap(), "");
    assert_eq!(read.signatures.len(), 1);
}

/// Gives noise without holding it, and counts what was asked for.
struct Counted {
    noise: Noise,
    left: usize,
    given: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = out.remaining().min(self.left).min(8192);
        out.put_slice(&self.noise.next(length));
        self.left -= length;
        self.given.fetch_add(length, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn large_files_pass_through_without_being_held() {
    let given = Arc::new(AtomicUsize::new(0));
    let large = Counted { noise: Noise::new(), left: 20 << 20, given: given.clone() };
    let stream = payload(vec![FileSource::new("stor.bin", large)]);
    let mut unpacked = unpack_encrypted(stream, vec![RECEIVER.private_key()], ReadOptions::default());
    let mut file = unpacked.next_file().await.unwrap().unwrap();
    assert_eq!(file.name(), "stor.bin");
    let mut received = 0;
    while let Some(piece) = file.next_piece().await.unwrap() {
        received += piece.len();
        // Every channel and buffer on the way together.
        assert!(given.load(Ordering::SeqCst) - received < 4 << 20);
    }
    assert_eq!(received, 20 << 20);
    assert!(unpacked.next_file().await.unwrap().is_none());
    let verified = unpacked.finish().await.unwrap();
    assert_eq!((verified.file_count, verified.total_bytes), (1, 20 << 20));
}

#[tokio::test]
async fn nothing_is_packed_ahead_of_a_slow_reader() {
    let given = Arc::new(AtomicUsize::new(0));
    let large = Counted { noise: Noise::new(), left: usize::MAX, given: given.clone() };
    let mut stream = payload(vec![FileSource::new("uendelig", large)]);
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first[0], 0x30);
    drop(stream);
    // The source is dropped with the stream, though it never ends.
    while Arc::strong_count(&given) > 1 {
        tokio::task::yield_now().await;
    }
    assert!(given.load(Ordering::SeqCst) < 4 << 20);
}

#[tokio::test]
async fn dropping_the_receiver_frees_a_source_that_hangs() {
    let (silent, held) = tokio::io::duplex(64);
    let mut unpacked = unpack(held, ReadOptions::default());
    assert!(futures::poll!(Box::pin(unpacked.next_file())).is_pending());
    drop(unpacked);
    let mut silent = silent;
    // End of file once the other end is dropped.
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_file_that_fails_fails_the_stream() {
    struct Failing;
    impl AsyncRead for Failing {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::Error::other("disk gone")))
        }
    }
    let mut stream = payload(vec![FileSource::from_bytes("a", "a"), FileSource::new("b", Failing)]);
    let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "disk gone");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn bad_lists_of_files_are_refused_before_anything_is_read() {
    let pack = |names: &[&str]| {
        pack(names.iter().map(|name| FileSource::from_bytes(*name, "a")).collect(), SENDER.signer()).err()
    };
    assert!(matches!(pack(&[]), Some(Error::NoFiles)));
    assert!(matches!(pack(&["a", "a"]), Some(Error::DuplicateFileName(_))));
    assert!(matches!(pack(&["a", "../b"]), Some(Error::FileName { .. })));
}

#[tokio::test]
async fn files_may_be_passed_over_or_read_in_part() {
    let files = vec![
        FileSource::from_bytes("a", noise(500_000)),
        FileSource::from_bytes("b", noise(500_000)),
        FileSource::from_bytes("c", "c"),
    ];
    let mut unpacked = unpack(pack(files, SENDER.signer()).unwrap(), ReadOptions::default());
    assert_eq!(unpacked.next_file().await.unwrap().unwrap().name(), "a");
    let mut file = unpacked.next_file().await.unwrap().unwrap();
    let mut start = [0; 10];
    file.read_exact(&mut start).await.unwrap();
    assert_eq!(start, noise(10)[..]);
    let mut last = String::new();
    unpacked.next_file().await.unwrap().unwrap().read_to_string(&mut last).await.unwrap();
    assert_eq!(last, "c");
    assert_eq!(unpacked.finish().await.unwrap().file_count, 3);
}

#[tokio::test]
async fn errors_of_the_receiver_keep_their_kind() {
    let wrong = unpack_encrypted(
        payload(vec![FileSource::from_bytes("a", "a")]),
        vec![STRANGER.private_key()],
        ReadOptions::default(),
    );
    assert!(matches!(wrong.read_to_memory(1000).await, Err(Error::Decryption)));

    let mut bytes = Vec::new();
    payload(vec![FileSource::from_bytes("a", noise(1000))]).read_to_end(&mut bytes).await.unwrap();
    let cut = io::Cursor::new(bytes[..bytes.len() - 20].to_vec());
    let cut = unpack_encrypted(cut, vec![RECEIVER.private_key()], ReadOptions::default());
    assert!(matches!(cut.finish().await, Err(Error::Truncated)));

    let large =
        unpack_encrypted(io::Cursor::new(bytes), vec![RECEIVER.private_key()], ReadOptions::default());
    assert!(matches!(large.read_to_memory(999).await, Err(Error::LimitExceeded { limit: "max_bytes" })));
}

#[tokio::test]
async fn anything_can_be_encrypted_and_decrypted() {
    let encrypted = asice::encrypt(io::Cursor::new(noise(100_000)), RECEIVER.recipient());
    let mut plain = asice::decrypt(encrypted, vec![RECEIVER.private_key()], ContentCheck::Anything);
    let mut content = Vec::new();
    plain.read_to_end(&mut content).await.unwrap();
    assert_eq!(content, noise(100_000));
}
