//! The ledger behind a real socket: HTTP/1.1 by hand, so that it can break in every way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::ledger::{Ledger, Reply};

/// How one request is mistreated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Not at all.
    No,
    /// Reset before anything is read.
    ResetAtOnce,
    /// Applied, then reset.
    ResetAfter,
    /// Applied, half of the answer's body, then closed.
    HalfAnswer,
    /// Applied, then nothing for ever.
    Silence,
    /// A header that never ends.
    EndlessHeader,
    /// Applied; the answer in pieces of one byte.
    Slices,
}

/// Answers everything: method and path, the `Authorization` header, the body.
pub type Handler = Arc<dyn Fn(&str, Option<&str>, &[u8]) -> Reply + Send + Sync>;

/// A backend on a port of this machine.
pub struct Server {
    pub url: String,
    pub ledger: Arc<Mutex<Ledger>>,
    pub breaks: Arc<Mutex<Vec<Break>>>,
    /// Answers of routes other than the events', by path with or without its query.
    pub routes: Arc<Mutex<HashMap<&'static str, Reply>>>,
    /// What was asked for.
    pub paths: Arc<Mutex<Vec<String>>>,
    /// How long every answer takes.
    pub delay: Arc<Mutex<Duration>>,
    /// Bytes of bodies as they came over the wire.
    pub wire_bytes: Arc<AtomicUsize>,
    /// Connections taken so far.
    pub connections: Arc<Mutex<u32>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(ledger: Ledger) -> Server {
        Server::start_with(ledger, None).await
    }

    /// With a handler the ledger is not asked.
    pub async fn start_with(ledger: Ledger, handler: Option<Handler>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (ledger, breaks) = (Arc::new(Mutex::new(ledger)), Arc::new(Mutex::new(Vec::new())));
        let connections = Arc::new(Mutex::new(0));
        let (routes, paths) = (Arc::default(), Arc::default());
        let (delay, wire_bytes) = (Arc::default(), Arc::default());
        let c = Arc::clone(&connections);
        let shared = Shared {
            ledger: Arc::clone(&ledger),
            breaks: Arc::clone(&breaks),
            routes: Arc::clone(&routes),
            paths: Arc::clone(&paths),
            handler,
            delay: Arc::clone(&delay),
            wire_bytes: Arc::clone(&wire_bytes),
        };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *c.lock().unwrap() += 1;
                tokio::spawn(talk(stream, shared.clone()));
            }
        });
        Server { url, ledger, breaks, routes, paths, delay, wire_bytes, connections, task }
    }

    /// The next requests are mistreated like this, first to last.
    pub fn then(&self, mut breaks: Vec<Break>) {
        breaks.reverse();
        *self.breaks.lock().unwrap() = breaks;
    }
}

#[derive(Clone)]
struct Shared {
    ledger: Arc<Mutex<Ledger>>,
    breaks: Arc<Mutex<Vec<Break>>>,
    routes: Arc<Mutex<HashMap<&'static str, Reply>>>,
    paths: Arc<Mutex<Vec<String>>>,
    handler: Option<Handler>,
    delay: Arc<Mutex<Duration>>,
    wire_bytes: Arc<AtomicUsize>,
}

async fn talk(stream: TcpStream, shared: Shared) {
    let Shared { ledger, breaks, routes, paths, handler, delay, wire_bytes } = shared;
    let mut stream = BufReader::new(stream);
    while let Some((method, path, authorization, body)) = request(&mut stream, &wire_bytes).await {
        let token = authorization.as_deref().and_then(|a| a.strip_prefix("Bearer "));
        let how = breaks.lock().unwrap().pop().unwrap_or(Break::No);
        if how == Break::ResetAtOnce {
            return reset(stream.into_inner());
        }
        paths.lock().unwrap().push(path.clone());
        let reply = match path.as_str() {
            _ if handler.is_some() => handler.as_ref().unwrap()(&format!("{method} {path}"), authorization.as_deref(), &body),
            "/v1/events" => ledger.lock().unwrap().serve(token, &body),
            path => {
                let routes = routes.lock().unwrap();
                let bare = path.split('?').next().unwrap_or_default();
                routes.get(path).or_else(|| routes.get(bare)).cloned().unwrap_or_else(|| Reply::problem(404, "no such route"))
            }
        };
        let pause = *delay.lock().unwrap();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        if how == Break::ResetAfter {
            return reset(stream.into_inner());
        }
        if answer(stream.get_mut(), reply, how).await.is_none() {
            return;
        }
    }
}

/// Closing with unread data, or without lingering, sends RST.
fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
}

async fn request(
    stream: &mut BufReader<TcpStream>,
    wire_bytes: &AtomicUsize,
) -> Option<(String, String, Option<String>, Vec<u8>)> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut authorization, mut encoding) = (0, None, String::new());
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => authorization = Some(value.to_owned()),
            "content-encoding" => encoding = value.to_owned(),
            _ => {}
        }
    }
    wire_bytes.fetch_add(length, Ordering::Relaxed);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = match encoding.as_str() {
        "zstd" => zstd::stream::decode_all(body.as_slice()).ok()?,
        "gzip" => {
            let mut plain = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(body.as_slice()), &mut plain).ok()?;
            plain
        }
        _ => body,
    };
    Some((method, path, authorization, body))
}

async fn answer(stream: &mut TcpStream, reply: Reply, how: Break) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match how {
        Break::EndlessHeader => {
            // Ends when the client has had enough.
            while stream.write_all(b"x-more: and more and more and more\r\n").await.is_ok() {}
            return None;
        }
        Break::Silence => return std::future::pending().await,
        Break::HalfAnswer => {
            head.push_str("\r\n");
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(&reply.body[..reply.body.len() / 2]).await.ok()?;
            return None;
        }
        _ => head.push_str("\r\n"),
    }
    let all = [head.into_bytes(), reply.body].concat();
    if how == Break::Slices {
        for byte in &all {
            stream.write_all(std::slice::from_ref(byte)).await.ok()?;
        }
    } else {
        stream.write_all(&all).await.ok()?;
    }
    Some(())
}
