//! HTTP to the backend: connections that are kept, bodies that are compressed, answers that are bounded, and nothing
//! that is decided here. What an answer means is said by [`cem_contract::classify`] and [`outcome`].

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use cem_contract::{HttpAnswer, Status, WholeRequest, classify};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url};
use uuid::Uuid;

use crate::clock::Floor;
use crate::config::Backend;
use crate::engine::{Outcome, Verdict};
use crate::enrol::vault::read_secret;
use crate::tls::{self, Way};

/// The largest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
const BATCH_TYPE: &str = "application/cloudevents-batch+json";
const ZSTD_LEVEL: i32 = 3;
/// Live events travel alone: up to this size every encoding is tried and the smallest is sent.
const SMALL_BODY: usize = 8 * 1024;
const ZSTD_LEVEL_SMALL: i32 = 19;

/// The device token, read from its file whenever that changes.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    cached: Mutex<Option<(Stamp, HeaderValue)>>,
}

type Stamp = (Option<SystemTime>, u64);

impl TokenFile {
    /// A token file that is looked at when first used.
    #[must_use]
    pub fn new(path: &Path) -> TokenFile {
        TokenFile { path: path.to_owned(), cached: Mutex::new(None) }
    }

    /// Forgets the cached token: the next request reads the file.
    pub fn forget(&self) {
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether the file is another one than at the last request.
    #[must_use]
    pub fn changed(&self) -> bool {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        self.stamp().ok() != cached.as_ref().map(|(stamp, _)| *stamp)
    }

    /// The `Authorization` header.
    ///
    /// # Errors
    /// A sentence that says what to do about the file.
    pub fn header(&self) -> Result<HeaderValue, String> {
        let shown = self.path.display();
        let stamp = self
            .stamp()
            .map_err(|e| format!("{shown}: the device token cannot be read ({e}); put it there, readable by the agent"))?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, header)) = &*cached
            && *known == stamp
        {
            return Ok(header.clone());
        }
        let text = read_secret(&self.path).map_err(|e| format!("{shown}: the device token cannot be read: {e}"))?;
        let text = String::from_utf8(text).map_err(|_| format!("{shown}: holds bytes that no token has"))?;
        let token = text.trim();
        if token.is_empty() || token.contains(char::is_whitespace) {
            return Err(format!("{shown}: must hold the device token and nothing else (`cem-backend token` makes one)"));
        }
        let mut header =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| format!("{shown}: holds bytes that no token has"))?;
        header.set_sensitive(true);
        *cached = Some((stamp, header.clone()));
        Ok(header)
    }

    fn stamp(&self) -> std::io::Result<Stamp> {
        let meta = std::fs::metadata(&self.path)?;
        Ok((meta.modified().ok(), meta.len()))
    }
}

/// An answer that arrived completely.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// From the first byte sent to the last received, in milliseconds.
    pub round_trip_ms: u64,
}

impl Answer {
    fn header(&self, name: reqwest::header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The `Date` of the backend, milliseconds since 1970.
    #[must_use]
    pub fn date_ms(&self) -> Option<i64> {
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(self.header(DATE)?).ok()?;
        Some(at.as_millisecond())
    }
}

/// The client of one backend.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Arc<TokenFile>,
    online: Arc<AtomicBool>,
}

impl Client {
    /// A client for the configured backend. Needs the process's crypto provider to be installed.
    ///
    /// # Errors
    /// When the address or the TLS set-up is unusable.
    pub fn new(backend: &Backend, connections: usize, floor: Floor) -> anyhow::Result<Client> {
        let base = base_url(&backend.url)?;
        let way = Way { proxy: &backend.proxy, identity: backend.identity.as_ref() };
        let http = builder(&base, floor, way)?
            .timeout(Duration::from_millis(backend.timeout_ms))
            .connect_timeout(Duration::from_millis(backend.connect_timeout_ms))
            .pool_max_idle_per_host(connections.max(1))
            .pool_idle_timeout(Duration::from_secs(55))
            .build()?;
        Ok(Client { http, base, token: Arc::new(TokenFile::new(&backend.token_file)), online: Arc::default() })
    }

    /// The token's file.
    #[must_use]
    pub fn token(&self) -> &TokenFile {
        &self.token
    }

    /// Whether the last request, whatever it was, got an answer of a working backend.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Relaxed)
    }

    /// Sends a batch: `body` is the JSON array, `ids` the events in it. The date of an authenticated answer comes along.
    pub async fn post_events(&self, ids: &[Uuid], body: Vec<u8>) -> Sent {
        let (body, encoding) = compress(body);
        let answer = self.request(Method::POST, "v1/events", Some((BATCH_TYPE, encoding, body)), None).await;
        match answer {
            Ok(answer) => {
                let sent = outcome(ids, &answer);
                if matches!(sent.outcome, Wire::Unauthorised(_)) {
                    self.token.forget();
                }
                sent
            }
            Err(Failure::Token(what)) => Sent::of(Wire::Unauthorised(what)),
            Err(Failure::Path(what)) => Sent::of(Wire::Unknown { what, retry_after_ms: None }),
        }
    }

    /// `GET` below the base address. `path` is already escaped.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn get(&self, path: &str, timeout: Option<Duration>) -> Result<Answer, Failure> {
        self.request(Method::GET, path, None, timeout).await
    }

    /// `POST` of JSON below the base address.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn post_json(&self, path: &str, body: Vec<u8>, timeout: Option<Duration>) -> Result<Answer, Failure> {
        self.request(Method::POST, path, Some(("application/json", None, body)), timeout).await
    }

    /// `POST` of bytes below the base address.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn post_bytes(&self, path: &str, content_type: &'static str, body: Vec<u8>) -> Result<Answer, Failure> {
        self.request(Method::POST, path, Some((content_type, None, body)), None).await
    }

    /// As somebody who has signed in here: `staff` is the value of `CEM-Staff`. With a body `POST` of JSON, else `GET`.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn as_staff(&self, staff: &str, path: &str, body: Option<Vec<u8>>, timeout: Duration) -> Result<Answer, Failure> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let body = body.map(|body| ("application/json", None, body));
        self.request_as(Some(("CEM-Staff", staff)), method, path, body, Some(timeout)).await
    }

    /// `POST` of JSON that has one effect under a key.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn keyed(
        &self,
        header: &'static str,
        key: &str,
        path: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Answer, Failure> {
        let body = Some(("application/json", None, body));
        self.request_as(Some((header, key)), Method::POST, path, body, Some(timeout)).await
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Option<&'static str>, Vec<u8>)>,
        timeout: Option<Duration>,
    ) -> Result<Answer, Failure> {
        self.request_as(None, method, path, body, timeout).await
    }

    async fn request_as(
        &self,
        header: Option<(&'static str, &str)>,
        method: Method,
        path: &str,
        body: Option<(&'static str, Option<&'static str>, Vec<u8>)>,
        timeout: Option<Duration>,
    ) -> Result<Answer, Failure> {
        let token = self.token.header().map_err(Failure::Token)?;
        let url = self.base.join(path).map_err(|e| Failure::Path(e.to_string()))?;
        let mut request = self.http.request(method, url).header(AUTHORIZATION, token);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if let Some((kind, encoding, body)) = body {
            request = request.header(CONTENT_TYPE, kind).body(body);
            if let Some(encoding) = encoding {
                request = request.header(CONTENT_ENCODING, encoding);
            }
        }
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let answer = receive(request).await;
        self.online.store(answer.as_ref().is_ok_and(|a| a.status < 500), Ordering::Relaxed);
        answer
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The token's file is missing or unusable; nothing was sent.
    #[error("{0}")]
    Token(String),
    /// Nothing, or not everything, came back.
    #[error("{0}")]
    Path(String),
}

/// What the backend lacks: source, log, first and last number.
pub type Lacking = (String, Uuid, u64, u64);

/// What became of a request on the wire, before logs are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wire {
    /// One verdict for each event.
    Answered {
        /// In the order sent.
        verdicts: Vec<Verdict>,
        /// Numbers that the backend asks for.
        resend: Vec<Lacking>,
    },
    /// 413.
    TooLarge,
    /// Refused as a whole.
    Refused(String),
    /// 401, 403, or no token here.
    Unauthorised(String),
    /// Nobody knows.
    Unknown {
        /// What was seen.
        what: String,
        /// The server's wish for silence.
        retry_after_ms: Option<u64>,
    },
}

impl Wire {
    /// The engine's word for it; `log_of` finds the log of a source, and drops those of others.
    pub fn into_outcome(self, log_of: impl Fn(&str, Uuid) -> Option<usize>) -> Outcome {
        match self {
            Wire::Answered { verdicts, resend } => {
                let known = |(source, log, from, to): Lacking| log_of(&source, log).map(|log| (log, from, to));
                Outcome::Answered { verdicts, resend: resend.into_iter().filter_map(known).collect() }
            }
            Wire::TooLarge => Outcome::TooLarge,
            Wire::Refused(why) => Outcome::Refused(why),
            Wire::Unauthorised(why) => Outcome::Unauthorised(why),
            Wire::Unknown { what, retry_after_ms } => Outcome::Unknown { what, retry_after_ms },
        }
    }
}

/// A request that came back, or did not.
#[derive(Debug, Clone)]
pub struct Sent {
    /// What became of it.
    pub outcome: Wire,
    /// `Date` of an answer that only the backend can have given, milliseconds since 1970.
    pub date_ms: Option<i64>,
    /// Milliseconds from the first byte sent to the last received.
    pub round_trip_ms: u64,
    /// Bytes on the wire, after compression, for the log.
    pub status: Option<u16>,
}

impl Sent {
    fn of(outcome: Wire) -> Sent {
        Sent { outcome, date_ms: None, round_trip_ms: 0, status: None }
    }
}

/// Judges an answer to a batch.
#[must_use]
pub fn outcome(ids: &[Uuid], answer: &Answer) -> Sent {
    let http = HttpAnswer {
        status: answer.status,
        content_type: answer.header(CONTENT_TYPE),
        retry_after: answer.header(RETRY_AFTER),
        body: &answer.body,
    };
    let outcome = wire(answer.status, classify(ids, &http));
    let date_ms = matches!(outcome, Wire::Answered { .. }).then(|| answer.date_ms()).flatten();
    Sent { outcome, date_ms, round_trip_ms: answer.round_trip_ms, status: Some(answer.status) }
}

fn wire(status: u16, verdict: cem_contract::Verdict) -> Wire {
    use cem_contract::Verdict as V;
    let words = |problem: Option<cem_contract::Problem>| match problem {
        Some(p) => format!("{status}: {}", cut(&p.detail.unwrap_or(p.title))),
        None => status.to_string(),
    };
    match verdict {
        V::Answered { outcomes, resend } => Wire::Answered {
            verdicts: outcomes.into_iter().map(|o| of_status(o.status, o.reason)).collect(),
            resend: resend.into_iter().map(|r| (r.source, r.log, r.from, r.to)).collect(),
        },
        V::Refused(WholeRequest::NotABatch { problem } | WholeRequest::Unsupported { problem }) => Wire::Refused(words(problem)),
        V::Refused(WholeRequest::Stop { problem, .. }) => Wire::Unauthorised(words(problem)),
        V::Refused(WholeRequest::TooLarge { .. }) => Wire::TooLarge,
        V::Refused(WholeRequest::Busy { retry_after_s }) => {
            Wire::Unknown { what: format!("{status}: busy"), retry_after_ms: retry_after_s.map(|s| s.saturating_mul(1_000)) }
        }
        // A client error that the contract does not name may still be about one event: 422, 409. An empty batch on the
        // same route tells it from a wrong address.
        V::Unknown { .. } if (400..500).contains(&status) && !matches!(status, 408 | 425) => Wire::Refused(status.to_string()),
        V::Unknown { why, retry_after_s } => {
            Wire::Unknown { what: why, retry_after_ms: retry_after_s.map(|s| s.saturating_mul(1_000)) }
        }
    }
}

fn of_status(status: Status, reason: Option<String>) -> Verdict {
    let reason = || cut(reason.as_deref().unwrap_or("no reason given"));
    match status {
        Status::Accepted => Verdict::Accepted,
        Status::Duplicate => Verdict::Duplicate,
        Status::Rejected => Verdict::Rejected(reason()),
        Status::Retry => Verdict::Retry(reason()),
        Status::Conflict => Verdict::Conflict(reason()),
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Sends a request and reads its bounded answer.
pub(crate) async fn receive(request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
    let begun = Instant::now();
    let path = |e: reqwest::Error| Failure::Path(sentence(&e));
    let mut response = request.send().await.map_err(path)?;
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(path)? {
        if body.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(Failure::Path(format!("the answer is longer than {MAX_ANSWER_BYTES} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    let round_trip_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    Ok(Answer { status, headers: std::mem::take(response.headers_mut()), body: body.into(), round_trip_ms })
}

/// An error with its causes, without the address (it may hold a secret path).
fn sentence(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "cannot connect".to_owned()
    } else {
        "the connection broke".to_owned()
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    cut(&text)
}

/// The body as it goes on the wire, and its encoding.
fn compress(body: Vec<u8>) -> (Vec<u8>, Option<&'static str>) {
    if body.len() >= SMALL_BODY {
        return match zstd::bulk::compress(&body, ZSTD_LEVEL) {
            Ok(small) => (small, Some("zstd")),
            Err(_) => (body, None),
        };
    }
    let encoded = [(gzip(&body), "gzip"), (small_zstd(&body), "zstd")];
    let encoded = encoded.into_iter().filter_map(|(bytes, encoding)| Some((bytes.ok()?, encoding)));
    match encoded.min_by_key(|(bytes, _)| bytes.len()) {
        // The header that names the encoding is sent, too.
        Some((bytes, encoding)) if bytes.len() + "content-encoding: zstd\r\n".len() < body.len() => (bytes, Some(encoding)),
        _ => (body, None),
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body)?;
    encoder.finish()
}

/// Without the length and the checksum that a frame may have: HTTP says the one, TLS the other.
fn small_zstd(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL_SMALL)?;
    compressor.include_contentsize(false)?;
    compressor.include_checksum(false)?;
    compressor.compress(body)
}

/// The base address with a trailing slash, so that paths are joined below it.
pub(crate) fn base_url(text: &str) -> anyhow::Result<Url> {
    let text = if text.ends_with('/') { text.to_owned() } else { format!("{text}/") };
    Ok(Url::parse(&text)?)
}

/// What all our clients have in common: no header that says what the backend knows anyway (a live event is mostly headers), no redirects (they would carry events and tokens elsewhere), no proxies of the
/// environment (the configured one is for all), no retries below ours, and TLS that does not believe a clock of 1970.
pub(crate) fn builder(url: &Url, floor: Floor, way: Way<'_>) -> anyhow::Result<reqwest::ClientBuilder> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30));
    if let Some(proxy) = tls::proxy(way.proxy)? {
        builder = builder.proxy(proxy);
    }
    Ok(builder.tls_backend_preconfigured(tls::config(url.scheme() == "https", floor, way.identity)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Sat, 21 Nov 2026 10:30:00 GMT"));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        Answer { status, headers, body: Bytes::from(body.to_owned()), round_trip_ms: 1 }
    }

    #[test]
    fn only_an_answer_of_the_backend_itself_tells_the_time() {
        let real = outcome(&[], &answer(200, "{\"results\":[]}"));
        assert_eq!(real.date_ms, Some(1_795_257_000_000));
        assert_eq!(outcome(&[], &answer(200, "<html>log in</html>")).date_ms, None);
        assert_eq!(outcome(&[], &answer(503, "")).date_ms, None);
    }

    #[test]
    fn statuses_mean_what_the_agent_does_next() {
        let of = |status| outcome(&[Uuid::nil()], &answer(status, "")).outcome;
        for status in [400, 404, 409, 415, 422] {
            assert!(matches!(of(status), Wire::Refused(_)), "{status}");
        }
        assert!(matches!(of(401), Wire::Unauthorised(_)) && matches!(of(403), Wire::Unauthorised(_)));
        assert_eq!(of(413), Wire::TooLarge);
        for status in [429, 503] {
            assert!(matches!(of(status), Wire::Unknown { retry_after_ms: Some(7_000), .. }), "{status}");
        }
        for status in [200, 204, 302, 408, 500, 502] {
            assert!(matches!(of(status), Wire::Unknown { .. }), "{status}");
        }
    }

    #[test]
    fn a_token_is_read_again_when_its_file_changes_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let token = TokenFile::new(&path);
        assert!(token.header().unwrap_err().contains("put it there"));
        std::fs::write(&path, "first\n").unwrap();
        assert_eq!(token.header().unwrap(), "Bearer first");
        assert!(!token.changed());
        std::fs::write(&path, "second one").unwrap();
        assert!(token.changed() && token.header().unwrap_err().contains("nothing else"));
        std::fs::write(&path, "second-one").unwrap();
        assert_eq!(token.header().unwrap(), "Bearer second-one");
        assert!(!format!("{token:?}").contains("second"));
    }

    #[tokio::test]
    async fn tls_is_spoken_to_https_and_a_peer_without_it_is_an_unknown_outcome() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let peer = std::thread::spawn(move || {
            let mut first = [0; 1];
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Read::read_exact(&mut stream, &mut first).unwrap();
            first[0]
        });
        let url = base_url(&format!("https://127.0.0.1:{port}")).unwrap();
        // Without a certificate store there is no TLS, and the sentence says so.
        let Ok(builder) = builder(&url, Floor::default(), Way { proxy: "", identity: None }) else { return };
        let failure = receive(builder.build().unwrap().get(url)).await.unwrap_err();
        assert!(matches!(failure, Failure::Path(_)), "{failure}");
        assert_eq!(peer.join().unwrap(), 22, "the first byte of a TLS handshake");
    }

    #[test]
    fn paths_are_joined_below_a_prefix() {
        assert_eq!(
            base_url("https://x.example/cem").unwrap().join("v1/events").unwrap().as_str(),
            "https://x.example/cem/v1/events"
        );
    }

    #[test]
    fn a_batch_of_real_size_shrinks_and_a_tiny_body_is_left_alone() {
        assert_eq!(compress(b"[]".to_vec()), (b"[]".to_vec(), None));
        let (small, encoding) = compress(vec![b'a'; 10_000]);
        assert!(small.len() < 100 && encoding == Some("zstd"));
    }

    #[test]
    fn a_live_event_travels_in_the_smallest_of_all_encodings() {
        let event = cem_contract::NewEvent {
            id: Uuid::from_u128(0x0192_f0c1_93ab_7c01_8d2e_4f60_7a8b_9c0d),
            kind: "cem.item.viewed.v1".into(),
            time_ms: 1_795_257_000_123,
            visitid: None,
            visitor: None,
            consent: cem_contract::Consent::None,
            clock: cem_contract::Clock::Synced,
            boot: "3f9c2b1e-7d55-4c0a-9b6e-1f2d3c4b5a69".into(),
            uptime_ms: 12_345_678,
            data: serde_json::json!({"sku": "flat-white"}),
        };
        let log = Uuid::from_u128(0x0192_e000_4a5b_7c6d_9e8f_0a1b_2c3d_4e5f);
        let body = [b"[".as_slice(), &event.seal("/stores/s-001/devices/k-01", log, 42, 1_795_257_000_130), b"]"].concat();
        let (bytes, encoding) = compress(body.clone());
        assert!(bytes.len() <= 320 && bytes.len() < body.len(), "{} of {}", bytes.len(), body.len());
        let plain = match encoding {
            Some("gzip") => {
                let mut plain = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut plain).unwrap();
                plain
            }
            _ => zstd::decode_all(bytes.as_slice()).unwrap(),
        };
        assert_eq!(plain, body);
    }
}
