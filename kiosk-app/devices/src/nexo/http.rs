//! One HTTP/1.1 exchange, no more of it than a terminal needs: `Content-Length`, `chunked`, or until the end.

use std::io::{self, ErrorKind, Read, Write};

/// Bounds of a message.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Start line and headers, bytes.
    pub head: usize,
    /// Body, bytes.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 16 * 1024, body: 256 * 1024 }
    }
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The connection failed or ended too early.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// What came is not HTTP, or larger than allowed.
    #[error("not an HTTP message of a terminal: {0}")]
    Bad(&'static str),
}

/// A request as a terminal reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST /nexo`
    pub target: String,
    /// The body.
    pub body: Vec<u8>,
}

/// The bytes of a request.
pub(super) fn request(host: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /nexo HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Gathers a response from pieces as they come.
#[derive(Default)]
pub(super) struct Response {
    bytes: Vec<u8>,
    limits: Limits,
}

impl Response {
    /// Takes a piece, empty at the end of the stream. Status and body once they are whole.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Option<(u16, Vec<u8>)>, HttpError> {
        self.bytes.extend_from_slice(piece);
        let Some(head) = Head::find(&self.bytes, self.limits)? else {
            return if piece.is_empty() { Err(io::Error::from(ErrorKind::UnexpectedEof).into()) } else { Ok(None) };
        };
        let mut parts = head.start.split(' ');
        let status = match (parts.next(), parts.next().and_then(|code| code.parse().ok())) {
            (Some("HTTP/1.1" | "HTTP/1.0"), Some(status @ 100..=599)) => status,
            _ => return Err(HttpError::Bad("no status line")),
        };
        if (100..200).contains(&status) {
            self.bytes.drain(..head.length);
            return self.take(if piece.is_empty() { &[] } else { b"" });
        }
        let body = head.body(&self.bytes[head.length..], piece.is_empty(), self.limits)?;
        match body {
            Some(body) => Ok(Some((status, body))),
            None if piece.is_empty() => Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            None => Ok(None),
        }
    }
}

/// Start line and what the headers say of the body.
struct Head {
    start: String,
    length: usize,
    content: Content,
}

enum Content {
    Length(usize),
    Chunked,
    UntilEnd,
}

impl Head {
    fn find(bytes: &[u8], limits: Limits) -> Result<Option<Self>, HttpError> {
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            return if bytes.len() > limits.head { Err(HttpError::Bad("a head without end")) } else { Ok(None) };
        };
        if end > limits.head {
            return Err(HttpError::Bad("a head too long"));
        }
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| HttpError::Bad("a head that is not text"))?;
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let mut content = Content::UntilEnd;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
                content = Content::Chunked;
            } else if name.eq_ignore_ascii_case("content-length") && matches!(content, Content::UntilEnd) {
                content = Content::Length(value.parse().map_err(|_| HttpError::Bad("a length that is no number"))?);
            }
        }
        Ok(Some(Self { start, length: end + 4, content }))
    }

    /// The body, `None` while it is not whole.
    fn body(&self, rest: &[u8], ended: bool, limits: Limits) -> Result<Option<Vec<u8>>, HttpError> {
        match self.content {
            Content::Length(n) if n > limits.body => Err(HttpError::Bad("a body too large")),
            Content::Length(n) => Ok(rest.get(..n).map(<[u8]>::to_vec)),
            _ if rest.len() > 2 * limits.body => Err(HttpError::Bad("a body too large")),
            Content::Chunked => chunks(rest),
            Content::UntilEnd => Ok(ended.then(|| rest.to_vec())),
        }
    }
}

/// Joins chunks up to the empty one.
fn chunks(mut rest: &[u8]) -> Result<Option<Vec<u8>>, HttpError> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|w| w == b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|line| line.split(';').next());
        let size = size.and_then(|hex| usize::from_str_radix(hex.trim(), 16).ok()).filter(|n| *n <= 1 << 24);
        let n = size.ok_or(HttpError::Bad("a chunk without a size"))?;
        if n == 0 {
            return Ok(Some(body));
        }
        let Some(chunk) = rest.get(end + 2..end + 2 + n) else { return Ok(None) };
        body.extend_from_slice(chunk);
        rest = rest.get(end + 2 + n + 2..).unwrap_or_default();
    }
}

/// Reads a request, as the terminal's side does.
pub fn read_request(stream: &mut impl Read, limits: Limits) -> Result<Request, HttpError> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(head) = Head::find(&bytes, limits)?
            && let Some(body) = head.body(&bytes[head.length..], false, limits)?
        {
            let target = head.start.rsplit_once(' ').map_or(head.start.clone(), |(target, _)| target.to_owned());
            return Ok(Request { target, body });
        }
        match stream.read(&mut chunk)? {
            0 => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}

/// Writes a response, as the terminal's side does.
pub fn write_response(stream: &mut impl Write, status: u16, body: &[u8]) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} .\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> Result<Option<(u16, Vec<u8>)>, HttpError> {
        let mut response = Response::default();
        match response.take(bytes) {
            Ok(None) => response.take(b""),
            done => done,
        }
    }

    #[test]
    fn a_body_is_read_by_length_in_chunks_or_to_the_end() {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello, and more",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nhello",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ] {
            assert_eq!(whole(text.as_bytes()).unwrap().unwrap(), (200, b"hello".to_vec()), "{text}");
        }
    }

    #[test]
    fn what_is_cut_or_no_http_is_an_error() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(whole(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Response::default().take(&[b'a'; 20_000]).is_err());
    }

    #[test]
    fn a_terminal_reads_what_is_written_to_it() {
        let bytes = request("10.0.0.9:8443", b"{}");
        let read = read_request(&mut &bytes[..], Limits::default()).unwrap();
        assert_eq!((read.target.as_str(), read.body.as_slice()), ("POST /nexo", &b"{}"[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_end(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..20)) {
            let mut response = Response::default();
            for piece in [b"HTTP/1.1 200 .\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()].iter().chain(&pieces) {
                if response.take(piece).is_err() { break }
            }
        }
    }
}
