//! Who is at the other end of a connection, as far as TLS proves it: the device whose key a certificate of ours names.
//!
//! Handlers get it among the headers, under a name of our own: whatever a client sends under that name is dropped first.

use crate::tls::TlsListener;
use axum::{
    extract::{ConnectInfo, Request, connect_info::Connected},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
    serve::{IncomingStream, Listener},
};
use cem_contract::hex;
use rustls::{pki_types::CertificateDer, server::ParsedCertificate};
use std::{io, net::SocketAddr};
use tokio::net::{TcpListener, TcpStream};

static NAME: HeaderName = HeaderName::from_static("cem-peer-key");
const NO_CERTIFICATE: &str = "none";

/// An Ed25519 public key as SubjectPublicKeyInfo (RFC 8410, section 4) without its last 32 bytes, which are the key.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Whoever is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Without TLS: on this machine, or behind a proxy that speaks TLS to the world.
    Plain,
    /// Over our own TLS: the public key (64 hex digits) of the certificate that was shown, if one was.
    Tls(Option<String>),
}

impl Peer {
    /// As [`note`] wrote it down.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match headers.get(&NAME).and_then(|value| value.to_str().ok()) {
            None => Self::Plain,
            Some(NO_CERTIFICATE) => Self::Tls(None),
            Some(key) => Self::Tls(Some(key.to_owned())),
        }
    }

    fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::Plain => None,
            Self::Tls(key) => HeaderValue::from_str(key.as_deref().unwrap_or(NO_CERTIFICATE)).ok(),
        }
    }
}

/// Plain HTTP.
pub(crate) struct PlainListener(pub(crate) TcpListener);

impl Listener for PlainListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Answers are small and waited for.
        drop(stream.set_nodelay(true));
        (stream, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, PlainListener>> for Peer {
    fn connect_info(_: IncomingStream<'_, PlainListener>) -> Self {
        Self::Plain
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        let shown = stream.io().get_ref().1.peer_certificates().and_then(<[_]>::first);
        Self::Tls(shown.and_then(key_of))
    }
}

fn key_of(certificate: &CertificateDer<'_>) -> Option<String> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    parsed.subject_public_key_info().strip_prefix(&SPKI).map(hex::encode)
}

/// Writes down for the handlers who asks.
pub(crate) async fn note(mut request: Request, next: Next) -> Response {
    let header = request.extensions().get::<ConnectInfo<Peer>>().and_then(|ConnectInfo(peer)| peer.header());
    request.headers_mut().remove(&NAME);
    if let Some(header) = header {
        request.headers_mut().insert(&NAME, header);
    }
    next.run(request).await
}
