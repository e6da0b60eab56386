//! `multipart/form-data` (RFC 7578) as a machine without sockets: bytes in, parts out.
//!
//! Nothing of a part's content is copied but for the few bytes that may be the start of a delimiter at the end of a piece.
//! What must be kept before it can be judged is limited, so no sender can fill the memory.

use std::mem;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use memchr::{memchr, memmem, memrchr};

/// Longest boundary (RFC 2046 §5.1.1).
const MAX_BOUNDARY: usize = 70;
/// Most bytes before the first delimiter.
const MAX_PREAMBLE: usize = 8 * 1024;
/// Most bytes of headers of one part.
const MAX_HEADERS: usize = 8 * 1024;
/// Most blanks between a delimiter and its line end.
const MAX_PADDING: usize = 64;
/// Most bytes after the last delimiter.
const MAX_EPILOGUE: usize = 8 * 1024;

/// Why a body is not the form that it says it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// It says that it is something else.
    #[error("the content type is not multipart/form-data")]
    NotMultipart,
    /// The content type names none, or one that cannot be.
    #[error("the content type has no usable boundary")]
    NoBoundary,
    /// The delimiter is not where it must be.
    #[error("the body does not start with the boundary of its content type")]
    NoDelimiter,
    /// The delimiter is followed by what cannot follow it.
    #[error("a boundary is followed by neither a line end nor two hyphens")]
    BadDelimiter,
    /// The headers of a part take too much room.
    #[error("the headers of a part have more than {MAX_HEADERS} bytes")]
    HeadersTooLong,
    /// A header of a part is no header.
    #[error("a header of a part cannot be read")]
    BadHeader,
    /// A part does not tell its name.
    #[error("a part has no Content-Disposition with a name")]
    NoName,
    /// A part is in base64 or the like, which forms have given up (RFC 7578 §4.7).
    #[error("a part has a Content-Transfer-Encoding")]
    Encoded,
    /// There is too much after the last delimiter.
    #[error("more than {MAX_EPILOGUE} bytes follow the last boundary")]
    Epilogue,
    /// The body ends before its last delimiter.
    #[error("the body ends before its last boundary")]
    Truncated,
}

/// What the machine has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// It waits for [`Parser::push`] or [`Parser::finish`].
    NeedMore,
    /// A part starts; this is its name.
    Part(String),
    /// More content of the part, never empty.
    Data(Bytes),
    /// All parts were told and the body has ended.
    End,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Parser {
    /// Finds line end, two hyphens, boundary.
    delimiter: memmem::Finder<'static>,
    buffer: Bytes,
    state: State,
    ended: bool,
    epilogue: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Preamble,
    /// After a delimiter, before its line end.
    Delimiter,
    /// In the headers of a part.
    Headers,
    /// At the empty line after the headers. It may already be the start of a delimiter.
    EmptyLine,
    /// In the content of a part.
    Content,
    /// After the last delimiter.
    Epilogue,
}

impl Parser {
    /// Starts on a body with these headers.
    ///
    /// # Errors
    /// [`Malformed::NotMultipart`], [`Malformed::NoBoundary`].
    pub(crate) fn new(headers: &HeaderMap) -> Result<Self, Malformed> {
        let content_type = headers.get(CONTENT_TYPE).ok_or(Malformed::NotMultipart)?.as_bytes();
        let mut parameters = Parameters::of(content_type);
        if !parameters.value.eq_ignore_ascii_case(b"multipart/form-data") {
            return Err(Malformed::NotMultipart);
        }
        let boundary =
            parameters.one(b"boundary").map_err(|_| Malformed::NoBoundary)?.ok_or(Malformed::NoBoundary)?;
        let printable = boundary.iter().all(|byte| (b' '..=b'~').contains(byte));
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY || !printable || boundary.ends_with(b" ") {
            return Err(Malformed::NoBoundary);
        }
        let delimiter = [b"\r\n--", boundary.as_slice()].concat();
        Ok(Self {
            delimiter: memmem::Finder::new(&delimiter).into_owned(),
            buffer: Bytes::new(),
            state: State::Preamble,
            ended: false,
            epilogue: 0,
        })
    }

    /// Takes the next bytes of the body.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if self.buffer.is_empty() {
            self.buffer = bytes;
            return;
        }
        let mut joined = mem::take(&mut self.buffer).try_into_mut().unwrap_or_else(|shared| {
            let mut copy = BytesMut::with_capacity(shared.len() + bytes.len());
            copy.extend_from_slice(&shared);
            copy
        });
        joined.extend_from_slice(&bytes);
        self.buffer = joined.freeze();
    }

    /// Takes note that there are no more bytes.
    pub(crate) fn finish(&mut self) {
        self.ended = true;
    }

    /// What comes next.
    ///
    /// # Errors
    /// See [`Malformed`]. After an error there is nothing more to ask.
    pub(crate) fn next(&mut self) -> Result<Event, Malformed> {
        loop {
            let event = match self.state {
                State::Preamble => self.preamble()?,
                State::Delimiter => self.after_delimiter()?,
                State::Headers => self.headers()?,
                State::EmptyLine => self.empty_line(),
                State::Content => self.content(),
                State::Epilogue => return self.epilogue(),
            };
            match event {
                Step::Go(state) => self.state = state,
                Step::Tell(event) => return Ok(event),
                Step::Wait if self.ended => return Err(Malformed::Truncated),
                Step::Wait => return Ok(Event::NeedMore),
            }
        }
    }

    fn preamble(&mut self) -> Result<Step, Malformed> {
        // The first delimiter has no line end before it unless something precedes it.
        let delimiter = self.delimiter.needle();
        let line = &delimiter[2..];
        if self.buffer.starts_with(line) {
            drop(self.buffer.split_to(line.len()));
            return Ok(Step::Go(State::Delimiter));
        }
        // The limits hold wherever the sender cuts the body, so each looks at what was found and at what may yet be.
        match self.delimiter.find(&self.buffer) {
            Some(at) if at <= MAX_PREAMBLE => {
                drop(self.buffer.split_to(at + delimiter.len()));
                Ok(Step::Go(State::Delimiter))
            }
            Some(_) => Err(Malformed::NoDelimiter),
            None if self.buffer.len() >= MAX_PREAMBLE + delimiter.len() => Err(Malformed::NoDelimiter),
            None if self.ended && !line.starts_with(&self.buffer) => Err(Malformed::NoDelimiter),
            None => Ok(Step::Wait),
        }
    }

    fn after_delimiter(&mut self) -> Result<Step, Malformed> {
        if self.buffer.starts_with(b"--") {
            drop(self.buffer.split_to(2));
            return Ok(Step::Go(State::Epilogue));
        }
        let padding = self.buffer.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if padding > MAX_PADDING {
            return Err(Malformed::BadDelimiter);
        }
        let rest = &self.buffer[padding..];
        if rest.starts_with(b"\r\n") {
            drop(self.buffer.split_to(padding + 2));
            return Ok(Step::Go(State::Headers));
        }
        let may_become = b"\r\n".starts_with(rest) || (padding == 0 && b"--".starts_with(rest));
        if may_become { Ok(Step::Wait) } else { Err(Malformed::BadDelimiter) }
    }

    fn headers(&mut self) -> Result<Step, Malformed> {
        if self.buffer.starts_with(b"\r\n") {
            return Err(Malformed::NoName);
        }
        let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") else {
            return if self.buffer.len() >= MAX_HEADERS + 4 {
                Err(Malformed::HeadersTooLong)
            } else {
                Ok(Step::Wait)
            };
        };
        if end > MAX_HEADERS {
            return Err(Malformed::HeadersTooLong);
        }
        let name = part_name(&self.buffer[..end])?;
        drop(self.buffer.split_to(end + 2));
        self.state = State::EmptyLine;
        Ok(Step::Tell(Event::Part(name)))
    }

    fn empty_line(&mut self) -> Step {
        let delimiter = self.delimiter.needle();
        if self.buffer.starts_with(delimiter) {
            drop(self.buffer.split_to(delimiter.len()));
            return Step::Go(State::Delimiter);
        }
        if delimiter.starts_with(&self.buffer) && !self.ended {
            return Step::Wait;
        }
        drop(self.buffer.split_to(2));
        Step::Go(State::Content)
    }

    fn content(&mut self) -> Step {
        let delimiter = self.delimiter.needle();
        match self.delimiter.find(&self.buffer) {
            Some(0) => {
                drop(self.buffer.split_to(delimiter.len()));
                Step::Go(State::Delimiter)
            }
            Some(at) => Step::Tell(Event::Data(self.buffer.split_to(at))),
            None => {
                // The boundary has no line end in it, so only the last one here can start a delimiter.
                let kept = match memrchr(b'\r', &self.buffer) {
                    Some(at) if delimiter.starts_with(&self.buffer[at..]) => self.buffer.len() - at,
                    _ => 0,
                };
                let told = self.buffer.len() - kept;
                if told == 0 { Step::Wait } else { Step::Tell(Event::Data(self.buffer.split_to(told))) }
            }
        }
    }

    fn epilogue(&mut self) -> Result<Event, Malformed> {
        self.epilogue += mem::take(&mut self.buffer).len();
        if self.epilogue > MAX_EPILOGUE {
            return Err(Malformed::Epilogue);
        }
        Ok(if self.ended { Event::End } else { Event::NeedMore })
    }
}

enum Step {
    Go(State),
    Tell(Event),
    Wait,
}

/// The name of the part with these headers.
fn part_name(block: &[u8]) -> Result<String, Malformed> {
    let mut name = None;
    let mut rest = block;
    while !rest.is_empty() {
        let end = memmem::find(rest, b"\r\n");
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[], |end| &rest[end + 2..]);
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(Malformed::BadHeader);
        }
        let colon = memchr(b':', line).ok_or(Malformed::BadHeader)?;
        let (key, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // Also refuses a folded line, which starts with a blank.
        if key.is_empty() || key.iter().any(|byte| !byte.is_ascii_graphic()) {
            return Err(Malformed::BadHeader);
        }
        if key.eq_ignore_ascii_case(b"content-disposition") {
            let mut parameters = Parameters::of(value);
            if name.is_some() || !parameters.value.eq_ignore_ascii_case(b"form-data") {
                return Err(Malformed::BadHeader);
            }
            name = parameters.one(b"name")?;
        } else if key.eq_ignore_ascii_case(b"content-transfer-encoding") {
            let as_is: [&[u8]; 3] = [b"binary", b"8bit", b"7bit"];
            if !as_is.iter().any(|plain| value.eq_ignore_ascii_case(plain)) {
                return Err(Malformed::Encoded);
            }
        }
    }
    let name = name.ok_or(Malformed::NoName)?;
    String::from_utf8(name).map_err(|_| Malformed::BadHeader)
}

/// A key, and its value without quotes.
type Parameter<'a> = (&'a [u8], Vec<u8>);

/// A header value of the form `value; key=token; key="quoted"`.
struct Parameters<'a> {
    value: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Parameters<'a> {
    fn of(header: &'a [u8]) -> Self {
        let end = memchr(b';', header).unwrap_or(header.len());
        Self { value: header[..end].trim_ascii(), rest: &header[end..] }
    }

    /// The value of the parameter `wanted`, which may stand there once.
    fn one(&mut self, wanted: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
        let mut found = None;
        while let Some((key, value)) = self.next()? {
            if key.eq_ignore_ascii_case(wanted) && found.replace(value).is_some() {
                return Err(Malformed::BadHeader);
            }
        }
        Ok(found)
    }

    fn next(&mut self) -> Result<Option<Parameter<'a>>, Malformed> {
        let mut rest = self.rest.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b";") {
            return Err(Malformed::BadHeader);
        }
        while let Some(after) = rest.strip_prefix(b";") {
            rest = after.trim_ascii_start();
        }
        self.rest = rest;
        if rest.is_empty() {
            return Ok(None);
        }
        let equals = memchr(b'=', rest).ok_or(Malformed::BadHeader)?;
        let key = rest[..equals].trim_ascii();
        if key.is_empty() || memchr(b';', key).is_some() {
            return Err(Malformed::BadHeader);
        }
        let value = rest[equals + 1..].trim_ascii_start();
        if let Some(quoted) = value.strip_prefix(b"\"") {
            let (value, rest) = unquote(quoted)?;
            self.rest = rest;
            return Ok(Some((key, value)));
        }
        let end = memchr(b';', value).unwrap_or(value.len());
        self.rest = &value[end..];
        Ok(Some((key, value[..end].trim_ascii().to_vec())))
    }
}

/// The text up to the closing quote and what follows it. A backslash counts only before a quote or another one, since
/// some programs write file names of Windows without doubling theirs.
fn unquote(text: &[u8]) -> Result<(Vec<u8>, &[u8]), Malformed> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Ok((value, after)),
            [b'\\', escaped @ (b'"' | b'\\'), after @ ..] => {
                value.push(*escaped);
                after
            }
            [byte, after @ ..] => {
                value.push(*byte);
                after
            }
            [] => return Err(Malformed::BadHeader),
        };
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn parser(content_type: &str) -> Result<Parser, Malformed> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        Parser::new(&headers)
    }

    type Parts = Vec<(String, Vec<u8>)>;

    fn parse(pieces: impl IntoIterator<Item = Vec<u8>>) -> Result<Parts, Malformed> {
        let mut parser = parser("multipart/form-data; boundary=XX").unwrap();
        let mut pieces = pieces.into_iter();
        let mut parts: Parts = Vec::new();
        loop {
            match parser.next()? {
                Event::NeedMore => match pieces.next() {
                    Some(piece) => parser.push(Bytes::from(piece)),
                    None => parser.finish(),
                },
                Event::Part(name) => parts.push((name, Vec::new())),
                Event::Data(bytes) => {
                    assert!(!bytes.is_empty(), "empty data tells nothing");
                    parts.last_mut().unwrap().1.extend_from_slice(&bytes);
                }
                Event::End => return Ok(parts),
            }
        }
    }

    fn whole(body: &[u8]) -> Result<Parts, Malformed> {
        parse([body.to_vec()])
    }

    fn part(name: &str, content: &[u8]) -> (String, Vec<u8>) {
        (name.to_owned(), content.to_vec())
    }

    /// As the official Java client writes it.
    const JAVA: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\
        Content-Type: application/json; charset=UTF-8\r\n\r\n{}\r\n--XX\r\n\
        Content-Disposition: form-data; name=\"data\"; filename=\"5c6ebc4e\"\r\n\
        Content-Type: application/octet-stream\r\n\r\nbytes\r\n--XX--\r\n";
    /// As the official .NET client writes it.
    const DOTNET: &[u8] = b"--XX\r\nContent-Type: application/json\r\n\
        Content-Disposition: form-data; name=metadata\r\n\r\n{}\r\n--XX\r\n\
        Content-Disposition: form-data; name=data; filename=5c6e; filename*=utf-8''5c6e\r\n\r\nbytes\r\n--XX--\r\n";

    #[test]
    fn forms_of_the_official_clients_are_read() {
        for form in [JAVA, DOTNET] {
            assert_eq!(whole(form), Ok(vec![part("metadata", b"{}"), part("data", b"bytes")]));
        }
    }

    #[test]
    fn boundary_may_be_quoted_and_the_type_in_any_case() {
        for good in [
            "multipart/form-data; boundary=\"a b:c\"",
            "Multipart/Form-Data;BOUNDARY=abc",
            "multipart/form-data; charset=utf-8; boundary=abc;",
        ] {
            assert!(parser(good).is_ok(), "{good}");
        }
        assert_eq!(parser("application/json").unwrap_err(), Malformed::NotMultipart);
        assert_eq!(parser("multipart/mixed; boundary=abc").unwrap_err(), Malformed::NotMultipart);
        assert_eq!(Parser::new(&HeaderMap::new()).unwrap_err(), Malformed::NotMultipart);
        let long = format!("multipart/form-data; boundary={}", "a".repeat(71));
        for bad in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"abc",
            "multipart/form-data; boundary=\"abc \"",
            "multipart/form-data; boundary=a; boundary=b",
            long.as_str(),
        ] {
            assert_eq!(parser(bad).unwrap_err(), Malformed::NoBoundary, "{bad}");
        }
    }

    #[test]
    fn empty_part_may_lack_the_line_end_of_its_content() {
        let head = "Content-Disposition: form-data; name=data\r\n\r\n";
        assert_eq!(whole(format!("--XX\r\n{head}\r\n--XX--").as_bytes()), Ok(vec![part("data", b"")]));
        assert_eq!(whole(format!("--XX\r\n{head}--XX--").as_bytes()), Ok(vec![part("data", b"")]));
    }

    #[test]
    fn text_around_the_form_and_blanks_after_a_delimiter_are_passed_over() {
        let body = b"hello\r\n--XX \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--XX--  \r\nbye";
        assert_eq!(whole(body), Ok(vec![part("a", b"1")]));
    }

    #[test]
    fn content_that_looks_like_a_delimiter_stays_content() {
        let body = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--X\r\n--\r\r\n-XX\r\n--XX--";
        assert_eq!(whole(body), Ok(vec![part("a", b"\r\n--X\r\n--\r\r\n-XX")]));
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let name = "Content-Disposition: form-data; name=a";
        let long = format!("--XX\r\n{name}\r\nX: {}\r\n\r\n", "a".repeat(MAX_HEADERS));
        for (body, expected) in [
            ("", Malformed::Truncated),
            ("--X", Malformed::Truncated),
            ("--YY\r\n", Malformed::NoDelimiter),
            ("--XXY\r\n", Malformed::BadDelimiter),
            ("--XX", Malformed::Truncated),
            ("--XX\r\n\r\ncontent\r\n--XX--", Malformed::NoName),
            ("--XX\r\nContent-Type: text/plain\r\n\r\n", Malformed::NoName),
            ("--XX\r\nContent-Disposition: form-data\r\n\r\n", Malformed::NoName),
            ("--XX\r\nContent-Disposition: attachment; name=a\r\n\r\n", Malformed::BadHeader),
            ("--XX\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n", Malformed::BadHeader),
            ("--XX\r\nContent-Disposition: form-data; name=\"a\r\n\r\n", Malformed::BadHeader),
            ("--XX\r\nno header\r\n\r\n", Malformed::BadHeader),
            ("--XX\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n", Malformed::BadHeader),
            (&format!("--XX\r\n{name}\r\n{name}\r\n\r\n"), Malformed::BadHeader),
            (&format!("--XX\r\n{name}\r\nContent-Transfer-Encoding: base64\r\n\r\n"), Malformed::Encoded),
            (&long, Malformed::HeadersTooLong),
            (&long[..long.len() - 2], Malformed::HeadersTooLong),
            (&format!("--XX\r\n{name}\r\n\r\ncontent"), Malformed::Truncated),
            (&format!("--XX\r\n{name}\r\n\r\ncontent\r\n--XX"), Malformed::Truncated),
            (&format!("--XX\r\n{name}\r\n\r\ncontent\r\n--XX-"), Malformed::Truncated),
            (&format!("--XX--{}", "a".repeat(MAX_EPILOGUE + 1)), Malformed::Epilogue),
            (&"a".repeat(MAX_PREAMBLE + 1), Malformed::NoDelimiter),
        ] {
            assert_eq!(whole(body.as_bytes()), Err(expected), "{body:.80}");
        }
    }

    #[test]
    fn names_may_be_escaped() {
        let body = b"--XX\r\ncontent-disposition:form-data;; NAME = \"a\\\"b\\\\c\\d\" ;filename=x\r\n\r\n\r\n--XX--";
        assert_eq!(whole(body), Ok(vec![part("a\"b\\c\\d", b"")]));
    }

    fn cut(body: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        at.extend([0, body.len()]);
        at.sort_unstable();
        at.windows(2).map(|pair| body[pair[0]..pair[1]].to_vec()).collect()
    }

    proptest! {
        #[test]
        fn the_way_a_body_is_cut_makes_no_difference(
            body in prop_oneof![
                Just(JAVA.to_vec()),
                Just(DOTNET.to_vec()),
                // Much of what could be taken for a delimiter, and much that breaks rules.
                prop::collection::vec(
                    prop::sample::select(vec![
                        "\r\n", "--XX", "--", "\r", "-", "X", "Content-Disposition: form-data; name=a\r\n\r\n", "\"", ";", ":", "=",
                    ]),
                    0..24,
                ).prop_map(|pieces| format!("--XX\r\n{}", pieces.concat()).into_bytes()),
            ],
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            prop_assert_eq!(parse(cut(&body, &cuts)), whole(&body));
            prop_assert_eq!(parse(body.iter().map(|byte| vec![*byte])), whole(&body));
        }

        #[test]
        fn garbage_gets_an_answer(body in prop::collection::vec(any::<u8>(), 0..600), named in any::<bool>()) {
            let head: &[u8] = if named { b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n" } else { b"--XX\r\n" };
            let _ = whole(&body);
            let _ = whole(&[head, &body].concat());
        }

        #[test]
        fn content_comes_out_as_it_went_in(
            content in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'-')], 0..400),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let body = [
                b"--XX\r\nContent-Disposition: form-data; name=data\r\n\r\n".as_slice(), &content, b"\r\n--XX--\r\n",
            ].concat();
            prop_assume!(memmem::find(&content, b"--XX").is_none());
            prop_assert_eq!(parse(cut(&body, &cuts)), Ok(vec![part("data", &content)]));
        }

        #[test]
        fn content_types_get_an_answer(content_type in "[ -~]{0,80}") {
            let _ = parser(&content_type);
            let _ = parser(&format!("multipart/form-data{content_type}"));
        }
    }
}
