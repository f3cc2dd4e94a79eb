//! The few HTTP calls that the harness makes as an operator: plain HTTP/1.1 to loopback, one request a connection.

use anyhow::{Context, Result, bail};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// GET with a bearer token; the body of a 200 as JSON.
pub fn get(to: SocketAddr, path: &str, token: &str, more: &[(&str, &str)]) -> Result<serde_json::Value> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5)).with_context(|| format!("connecting to {to}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let extra: String = more.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {token}\r\n{extra}Connection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no end of headers")?;
    let head = String::from_utf8_lossy(&answer[..split]).into_owned();
    let body = &answer[split + 4..];
    if !head.starts_with("HTTP/1.1 200") {
        bail!("GET {path}: {} {}", head.lines().next().unwrap_or(""), String::from_utf8_lossy(body));
    }
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body)? } else { body.to_vec() };
    serde_json::from_slice(&body).with_context(|| format!("GET {path}: not JSON"))
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").context("chunk size")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line])?.trim(), 16).context("chunk size")?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Ok(whole);
        }
        whole.extend_from_slice(rest.get(..size).context("chunk cut short")?);
        rest = rest.get(size + 2..).context("chunk cut short")?;
    }
}
