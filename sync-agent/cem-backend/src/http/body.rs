//! Request bodies, bounded: on the wire, after decompression, and in time.

use super::error::HttpError;
use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, header},
};
use cem_contract::limits;
use std::{
    future::poll_fn,
    io::{ErrorKind, Read},
    pin::Pin,
    time::Duration,
};

/// A body that does not arrive within this time is given up.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A client that sends too much is read so far, so that it hears the answer rather than a reset connection.
const DRAIN_BYTES: usize = 8 * 1024 * 1024;
/// Frames that need a larger window than 8 MiB to be decompressed are refused: memory is bounded too.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Bodies of all requests but events.
const SMALL_BYTES: usize = 64 * 1024;

/// Reads the body of a batch and undoes its encoding.
pub(crate) async fn batch(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, HttpError> {
    let encoding = Encoding::of(headers);
    let bytes = read(body, limits::BODY_BYTES).await?;
    match encoding? {
        Encoding::Identity => Ok(bytes),
        encoding => tokio::task::spawn_blocking(move || decode(encoding, &bytes))
            .await
            .unwrap_or_else(|_| Err(HttpError::new(503, "Busy", "stopping"))),
    }
}

/// Reads a small JSON body.
pub(crate) async fn json<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, HttpError> {
    let bytes = read(body, SMALL_BYTES).await?;
    serde_json::from_slice(&bytes).map_err(|error| HttpError::bad(format!("the body is not what is expected here: {error}")))
}

/// Reads a body as it is, as long as a batch may be.
pub(crate) async fn bytes(body: Body) -> Result<Vec<u8>, HttpError> {
    read(body, limits::BODY_BYTES).await
}

/// Reads away a body that will not be looked at.
pub(crate) async fn discard(body: Body) {
    // Whatever goes wrong, the request is refused for another reason already.
    let _ = read(body, 0).await;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        let mut found = Self::Identity;
        let unsupported = || HttpError::new(415, "Unsupported media type", "Content-Encoding is one of zstd, gzip, identity");
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let word = value.to_str().map_err(|_| unsupported())?.trim().to_ascii_lowercase();
            let encoding = match word.as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Self::Gzip,
                "zstd" => Self::Zstd,
                _ => return Err(unsupported()),
            };
            if found != Self::Identity {
                return Err(unsupported());
            }
            found = encoding;
        }
        Ok(found)
    }
}

async fn read(body: Body, max: usize) -> Result<Vec<u8>, HttpError> {
    match tokio::time::timeout(TIMEOUT, read_slowly(body, max)).await {
        Ok(result) => result,
        Err(_) => Err(HttpError::new(408, "Request timeout", "the body did not arrive in time")),
    }
}

async fn read_slowly(mut body: Body, max: usize) -> Result<Vec<u8>, HttpError> {
    let mut bytes = Vec::new();
    let mut total = 0usize;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| HttpError::bad(format!("the body was cut off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        total = total.saturating_add(data.len());
        if total <= max {
            bytes.extend_from_slice(&data);
        } else if total > DRAIN_BYTES {
            break;
        }
    }
    if total > max { Err(too_large(max)) } else { Ok(bytes) }
}

fn too_large(max: usize) -> HttpError {
    HttpError::new(413, "Content too large", format!("a body has at most {max} bytes, after decompression too"))
}

fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Vec<u8>, HttpError> {
    let decoded = match encoding {
        Encoding::Identity => Ok(bytes.to_vec()),
        Encoding::Gzip => take(flate2::read::MultiGzDecoder::new(bytes)),
        Encoding::Zstd => zstd::stream::read::Decoder::with_buffer(bytes).and_then(|mut decoder| {
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            take(decoder)
        }),
    };
    match decoded {
        Ok(decoded) if decoded.len() > limits::BODY_BYTES => Err(too_large(limits::BODY_BYTES)),
        Ok(decoded) => Ok(decoded),
        Err(error) if error.kind() == ErrorKind::OutOfMemory || error.to_string().contains("memory") => {
            Err(too_large(limits::BODY_BYTES))
        }
        Err(error) => Err(HttpError::bad(format!("the body cannot be decompressed: {error}"))),
    }
}

/// Decompresses no more than one byte beyond the bound, however much there would be.
fn take(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    from.take(limits::BODY_BYTES as u64 + 1).read_to_end(&mut decoded)?;
    Ok(decoded)
}
