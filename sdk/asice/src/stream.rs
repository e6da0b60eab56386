//! The asynchronous face: blocking readers and writers on a thread of their own, bounded channels on both sides.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_blocking};

use crate::{
    AsiceReader, AsiceWriter, Container, ContentCheck, DecryptingReader, EncryptingWriter, Error, File,
    PrivateKey, ReadOptions, RecipientCertificate, Signer, Verified, names,
};

/// Size of the pieces that pass through a channel.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that may wait in a channel.
const PIECES: usize = 4;

/// A file to pack: a name and where its content comes from.
pub struct FileSource {
    name: String,
    content: Pin<Box<dyn AsyncRead + Send>>,
}

impl FileSource {
    /// A file whose content is read while packing, of any size.
    pub fn new(name: impl Into<String>, content: impl AsyncRead + Send + 'static) -> Self {
        Self { name: name.into(), content: Box::pin(content) }
    }

    /// A file whose content is in memory.
    pub fn from_bytes(name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        Self::new(name, io::Cursor::new(content.into()))
    }

    /// The name that the file gets in the container.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSource").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Packs files into a signed container and encrypts it to `recipient`, while it is read.
///
/// An error on the way, such as a file that cannot be read, is the last item of the stream; [`Error::from`] tells
/// which. Dropping the stream stops the work.
///
/// # Errors
/// [`Error::NoFiles`], [`Error::FileName`] or [`Error::DuplicateFileName`], before anything is read.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn pack_encrypted(
    files: Vec<FileSource>,
    signer: Signer,
    recipient: RecipientCertificate,
) -> Result<ByteStream, Error> {
    let (names, contents) = split(files)?;
    Ok(ByteStream::run(contents, move |input, sink| {
        let encrypting = EncryptingWriter::new(sink, &recipient)?;
        write_container(input, encrypting, &names, &signer)?.finish()
    }))
}

/// Packs files into a signed container that is not encrypted, while it is read.
///
/// # Errors
/// As [`pack_encrypted`].
///
/// # Panics
/// Outside a Tokio runtime.
pub fn pack(files: Vec<FileSource>, signer: Signer) -> Result<ByteStream, Error> {
    let (names, contents) = split(files)?;
    Ok(ByteStream::run(contents, move |input, sink| write_container(input, sink, &names, &signer)))
}

/// Encrypts whatever `content` gives to `recipient`, while it is read.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn encrypt(content: impl AsyncRead + Send + 'static, recipient: RecipientCertificate) -> ByteStream {
    ByteStream::run(vec![Box::pin(content)], move |mut input, sink| {
        let mut encrypting = EncryptingWriter::new(sink, &recipient)?;
        io::copy(&mut input, &mut encrypting)?;
        encrypting.finish()
    })
}

/// Decrypts a payload with whichever of `keys` fits, while it is read.
///
/// Errors arrive in the stream, [`Error::Decryption`] among them; the last error may come after most of the content.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn decrypt(
    payload: impl AsyncRead + Send + 'static,
    keys: Vec<PrivateKey>,
    check: ContentCheck,
) -> ByteStream {
    ByteStream::run(vec![Box::pin(payload)], move |input, mut sink| {
        io::copy(&mut DecryptingReader::new(input, &keys, check)?, &mut sink)?;
        sink.flush()?;
        Ok(sink)
    })
}

/// Reads a container that is not encrypted.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn unpack(container: impl AsyncRead + Send + 'static, options: ReadOptions) -> Unpacked {
    Unpacked::run(Box::pin(container), move |input, events| {
        read_container(AsiceReader::new(input, options), events)
    })
}

/// Decrypts a payload with whichever of `keys` fits and reads the container in it.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn unpack_encrypted(
    payload: impl AsyncRead + Send + 'static,
    keys: Vec<PrivateKey>,
    options: ReadOptions,
) -> Unpacked {
    Unpacked::run(Box::pin(payload), move |input, events| {
        let plain = DecryptingReader::new(input, &keys, ContentCheck::Container)?;
        read_container(AsiceReader::new(plain, options), events)
    })
}

type Contents = Vec<Pin<Box<dyn AsyncRead + Send>>>;

fn split(files: Vec<FileSource>) -> Result<(Vec<String>, Contents), Error> {
    if files.is_empty() {
        return Err(Error::NoFiles);
    }
    let mut seen = HashSet::new();
    for file in &files {
        names::check_file_name(&file.name)?;
        if !seen.insert(&file.name) {
            return Err(Error::DuplicateFileName(file.name.clone()));
        }
    }
    Ok(files.into_iter().map(|file| (file.name, file.content)).unzip())
}

fn write_container<W: Write>(
    mut input: ChannelReader,
    sink: W,
    names: &[String],
    signer: &Signer,
) -> Result<W, Error> {
    let mut writer = AsiceWriter::new(sink, signer)?;
    for name in names {
        writer.add_file(name, &mut input)?;
        input.next_content();
    }
    writer.finish()
}

fn read_container<R: Read>(
    mut reader: AsiceReader<R>,
    events: &mpsc::Sender<Result<Event, Error>>,
) -> Result<Verified, Error> {
    let send = |event| events.blocking_send(Ok(event)).map_err(|_| Error::Cancelled);
    while let Some(mut file) = reader.next_file()? {
        send(Event::File(file.name().to_owned()))?;
        loop {
            let mut piece = BytesMut::zeroed(PIECE_BYTES);
            let read = file.read(&mut piece)?;
            if read == 0 {
                break;
            }
            piece.truncate(read);
            send(Event::Piece(piece.freeze()))?;
        }
    }
    reader.finish()
}

// ---- into the blocking thread ----

/// What goes to a blocking reader. A closed channel without `End` means that the other side has gone.
enum Input {
    Piece(Bytes),
    /// The end of one content; another may follow.
    End,
    Failed(io::Error),
}

/// Reads each content to its end and sends it on.
async fn pump(contents: Contents, sender: mpsc::Sender<Input>) {
    for mut content in contents {
        loop {
            let mut piece = BytesMut::with_capacity(PIECE_BYTES);
            let (input, ends) = match content.read_buf(&mut piece).await {
                Ok(0) => (Input::End, true),
                Ok(_) => (Input::Piece(piece.freeze()), false),
                Err(error) => (Input::Failed(error), false),
            };
            let failed = matches!(input, Input::Failed(_));
            if sender.send(input).await.is_err() || failed {
                return;
            }
            if ends {
                break;
            }
        }
    }
}

/// Reads the contents that [`pump`] sends, on a blocking thread.
struct ChannelReader {
    receiver: mpsc::Receiver<Input>,
    piece: Bytes,
    ended: bool,
}

impl ChannelReader {
    /// Goes on to the next content, after the end of this one.
    fn next_content(&mut self) {
        self.ended = false;
    }
}

impl Read for ChannelReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            if self.ended {
                return Ok(0);
            }
            match self.receiver.blocking_recv() {
                Some(Input::Piece(piece)) => self.piece = piece,
                Some(Input::End) => self.ended = true,
                Some(Input::Failed(error)) => return Err(error),
                None => return Err(Error::Cancelled.into()),
            }
        }
        let length = self.piece.len().min(out.len());
        out.get_mut(..length).unwrap_or_default().copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

/// Starts [`pump`]; the handle must be aborted when nobody is interested any more, as the source may hang.
fn start_pump(contents: Contents) -> (ChannelReader, AbortOnDrop) {
    let (sender, receiver) = mpsc::channel(PIECES);
    let pump = tokio::spawn(pump(contents, sender)).abort_handle();
    (ChannelReader { receiver, piece: Bytes::new(), ended: false }, AbortOnDrop(pump))
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

// ---- out of the blocking thread ----

/// Bytes made while they are read: an [`AsyncRead`] and a [`Stream`] of [`Bytes`].
///
/// Fits `reqwest::Body::wrap_stream` and the like. Dropping it stops the work behind it.
pub struct ByteStream {
    receiver: mpsc::Receiver<io::Result<Option<Bytes>>>,
    piece: Bytes,
    ended: bool,
    _pump: AbortOnDrop,
}

impl ByteStream {
    fn run<F>(contents: Contents, work: F) -> Self
    where
        F: FnOnce(ChannelReader, ChannelWriter) -> Result<ChannelWriter, Error> + Send + 'static,
    {
        let (input, pump) = start_pump(contents);
        let (sender, receiver) = mpsc::channel(PIECES);
        spawn_blocking(move || {
            let sink = ChannelWriter { sender: sender.clone(), piece: BytesMut::new() };
            // The receiver may be gone: then nobody asks for the outcome.
            let _ = match work(input, sink) {
                Ok(_) => sender.blocking_send(Ok(None)),
                Err(error) => sender.blocking_send(Err(error.into())),
            };
        });
        Self { receiver, piece: Bytes::new(), ended: false, _pump: pump }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = ready!(self.receiver.poll_recv(context));
        Poll::Ready(match piece {
            Some(Ok(Some(piece))) => Some(Ok(piece)),
            Some(Ok(None)) => {
                self.ended = true;
                None
            }
            Some(Err(error)) => {
                self.ended = true;
                Some(Err(error))
            }
            // The thread is gone without a word: the runtime shuts down.
            None => {
                self.ended = true;
                Some(Err(Error::Cancelled.into()))
            }
        })
    }
}

impl Stream for ByteStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.piece.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.piece))));
        }
        self.poll_piece(context)
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.piece.is_empty() {
            match ready!(self.poll_piece(context)).transpose()? {
                Some(piece) => self.piece = piece,
                None => return Poll::Ready(Ok(())),
            }
        }
        copy_piece(&mut self.piece, out);
        Poll::Ready(Ok(()))
    }
}

fn copy_piece(piece: &mut Bytes, out: &mut ReadBuf<'_>) {
    let length = piece.len().min(out.remaining());
    out.put_slice(&piece.split_to(length));
}

/// Collects what is written into pieces and sends them, on a blocking thread.
struct ChannelWriter {
    sender: mpsc::Sender<io::Result<Option<Bytes>>>,
    piece: BytesMut,
}

impl Write for ChannelWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = self.piece.split().freeze();
        self.sender.blocking_send(Ok(Some(piece))).map_err(|_| Error::Cancelled.into())
    }
}

enum Event {
    File(String),
    Piece(Bytes),
    Verified(Verified),
}

/// A container being read: its files one after another, then the outcome.
///
/// What the files give is **not verified** until [`finish`](Self::finish) has returned. Dropping it stops the work.
pub struct Unpacked {
    receiver: mpsc::Receiver<Result<Event, Error>>,
    /// Name of a file whose beginning was seen while reading the one before it to its end.
    next: Option<String>,
    verified: Option<Verified>,
    failed: bool,
    _pump: AbortOnDrop,
}

impl Unpacked {
    fn run<F>(input: Pin<Box<dyn AsyncRead + Send>>, work: F) -> Self
    where
        F: FnOnce(ChannelReader, &mpsc::Sender<Result<Event, Error>>) -> Result<Verified, Error>
            + Send
            + 'static,
    {
        let (input, pump) = start_pump(vec![input]);
        let (sender, receiver) = mpsc::channel(PIECES);
        spawn_blocking(move || {
            let outcome = work(input, &sender).map(Event::Verified);
            // The receiver may be gone: then nobody asks for the outcome.
            let _ = sender.blocking_send(outcome);
        });
        Self { receiver, next: None, verified: None, failed: false, _pump: pump }
    }

    /// The next piece of the current file; `None` at its end.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        if self.next.is_some() || self.verified.is_some() {
            return Poll::Ready(Ok(None));
        }
        if self.failed {
            return Poll::Ready(Err(Error::MalformedContainer("reading it has failed before")));
        }
        let event = ready!(self.receiver.poll_recv(context));
        Poll::Ready(match event {
            Some(Ok(Event::Piece(piece))) => Ok(Some(piece)),
            Some(Ok(Event::File(name))) => {
                self.next = Some(name);
                Ok(None)
            }
            Some(Ok(Event::Verified(verified))) => {
                self.verified = Some(verified);
                Ok(None)
            }
            Some(Err(error)) => {
                self.failed = true;
                Err(error)
            }
            None => {
                self.failed = true;
                Err(Error::Cancelled)
            }
        })
    }

    /// Goes on to the next file, past what is left of the last one; `None` at the end of the container.
    ///
    /// # Errors
    /// As [`DecryptingReader::new`] and [`AsiceReader::next_file`]. After the last file also as
    /// [`AsiceReader::finish`].
    pub async fn next_file(&mut self) -> Result<Option<UnpackedFile<'_>>, Error> {
        while std::future::poll_fn(|context| self.poll_piece(context)).await?.is_some() {}
        Ok(self.next.take().map(|name| UnpackedFile { name, unpacked: self, piece: Bytes::new() }))
    }

    /// Reads the rest of the container and says who signed it.
    ///
    /// # Errors
    /// As [`next_file`](Self::next_file); [`AsiceReader::finish`] lists what is wrong with containers that are not
    /// properly signed.
    pub async fn finish(mut self) -> Result<Verified, Error> {
        while self.next_file().await?.is_some() {}
        self.verified.ok_or(Error::Cancelled)
    }

    /// Reads the whole container into memory and verifies it.
    ///
    /// # Errors
    /// As [`finish`](Self::finish); [`Error::LimitExceeded`] if the files together exceed `max_bytes`.
    pub async fn read_to_memory(mut self, max_bytes: u64) -> Result<Container, Error> {
        let mut files = Vec::new();
        let mut total = 0;
        while let Some(mut file) = self.next_file().await? {
            let mut content = BytesMut::new();
            while let Some(piece) = file.next_piece().await? {
                total += piece.len() as u64;
                if total > max_bytes {
                    return Err(Error::LimitExceeded { limit: "max_bytes" });
                }
                content.extend_from_slice(&piece);
            }
            files.push(File { name: file.name, content: content.freeze() });
        }
        Ok(Container { files, signatures: self.finish().await?.signatures })
    }
}

/// One file of a container, to be read to its end or passed over. See [`Unpacked`] on when to trust it.
pub struct UnpackedFile<'u> {
    name: String,
    unpacked: &'u mut Unpacked,
    piece: Bytes,
}

impl UnpackedFile<'_> {
    /// The file's name: no path, no control characters, unique in its container.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next bytes, up to 64 KiB; `None` at the end.
    ///
    /// # Errors
    /// As [`Unpacked::next_file`].
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, Error> {
        if !self.piece.is_empty() {
            return Ok(Some(std::mem::take(&mut self.piece)));
        }
        std::future::poll_fn(|context| self.unpacked.poll_piece(context)).await
    }
}

impl AsyncRead for UnpackedFile<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.piece.is_empty() {
            match ready!(self.unpacked.poll_piece(context))? {
                Some(piece) => self.piece = piece,
                None => return Poll::Ready(Ok(())),
            }
        }
        copy_piece(&mut self.piece, out);
        Poll::Ready(Ok(()))
    }
}
