//! TLS for `serve`: certificate and key from PEM files, read again on SIGHUP; handshakes that never hold up one another.

use anyhow::{Context, ensure};
use axum::serve::Listener;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A client that has not finished its handshake by then is let go.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way at once; the next connection waits in the kernel's queue.
const HANDSHAKES: usize = 256;
/// A certificate chain longer than this is not one.
const CHAIN: usize = 10;
/// How long to wait after `accept` failed: out of descriptors, which passes.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Where certificate and key lie.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// The chain as PEM, the server's own certificate first.
    pub(crate) cert: PathBuf,
    /// Its private key as PEM.
    pub(crate) key: PathBuf,
}

/// The certificate in force.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: Files,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads and checks the files: the key must be the certificate's.
    ///
    /// # Errors
    /// A sentence that names the file and says what is wrong with it.
    pub(crate) fn load(files: Files) -> anyhow::Result<Arc<Self>> {
        let current = RwLock::new(Arc::new(read(&files)?));
        Ok(Arc::new(Self { files, current }))
    }

    /// Reads the files again, for a renewed certificate; the old one stays in force where they cannot be used.
    ///
    /// # Errors
    /// As [`Certificate::load`].
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        let fresh = Arc::new(read(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn read(files: &Files) -> anyhow::Result<CertifiedKey> {
    let cert = |what: &str| format!("--tls-cert {}: {what}", files.cert.display());
    let key = |what: &str| format!("--tls-key {}: {what}", files.key.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(|certs| certs.take(CHAIN + 1).collect())
        .with_context(|| cert("cannot be read as a certificate in PEM form"))?;
    ensure!(!chain.is_empty(), "{}", cert("holds no certificate"));
    ensure!(chain.len() <= CHAIN, "{}", cert("holds more than ten certificates; give the chain of this server only"));
    let private = PrivateKeyDer::from_pem_file(&files.key).with_context(|| key("cannot be read as a private key in PEM form"))?;
    CertifiedKey::from_der(chain, private, &provider()).with_context(|| key("is not the key of the certificate"))
}

/// Accepts connections and hands on those whose handshake has succeeded.
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    /// TLS 1.2 and 1.3, HTTP/1.1, on a bound listener. Devices show the certificate that `authority` (PEM) gave them; people and
    /// other programs show none.
    ///
    /// # Errors
    /// When the cryptography library offers neither protocol version.
    pub(crate) fn start(listener: TcpListener, certificate: Arc<Certificate>, authority: &str) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?).context("the device authority's certificate")?;
        let devices = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).allow_unauthenticated().build()?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(devices)
            .with_cert_resolver(certificate);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let address = listener.local_addr()?;
        let (hand_on, ready) = mpsc::channel(HANDSHAKES);
        tokio::spawn(accept_all(listener, TlsAcceptor::from(Arc::new(config)), hand_on));
        Ok(Self { ready, address })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The accepting task ends only with the runtime.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept_all(listener: TcpListener, acceptor: TlsAcceptor, hand_on: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    let room = Arc::new(Semaphore::new(HANDSHAKES));
    // Ends when the server has stopped: then the port is free again.
    while let Ok(permit) = tokio::select! {
        permit = room.clone().acquire_owned() => permit,
        () = hand_on.closed() => return,
    } {
        let accepted = tokio::select! { accepted = listener.accept() => accepted, () = hand_on.closed() => return };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
        };
        // Answers are small and waited for.
        drop(stream.set_nodelay(true));
        let (acceptor, hand_on) = (acceptor.clone(), hand_on.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(hand_on.send((stream, peer)).await),
                Ok(Err(error)) => tracing::info!(%error, "a TLS handshake failed"),
                Err(_) => tracing::info!("a TLS handshake took too long"),
            }
            drop(permit);
        });
    }
}

/// The files of a command line: both or none.
pub(crate) fn files(cert: Option<&Path>, key: Option<&Path>) -> Option<Files> {
    Some(Files { cert: cert?.to_owned(), key: key?.to_owned() })
}
