//! `serve --tls-cert --tls-key`: over TLS and over nothing else, with a certificate that can be renewed under way.

#![allow(clippy::unwrap_used)]

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

struct Server {
    folder: TempDir,
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a new self-signed certificate for localhost and gives it back.
fn certificate(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

fn serve(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cem-backend"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.join("data"));
    command.arg("--tls-cert").arg(folder.join("cert.pem")).arg("--tls-key").arg(folder.join("key.pem"));
    command.env("CEM_LOG", "info").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start() -> (Server, CertificateDer<'static>) {
    let folder = tempfile::tempdir().unwrap();
    let cert = certificate(folder.path());
    let mut child = serve(folder.path()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on https://").unwrap().to_owned();
    let log = BufReader::new(child.stderr.take().unwrap());
    (Server { folder, child, log, address }, cert)
}

impl Server {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The first line of the answer to a request over TLS, trusting this certificate only.
    fn get(&self, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut stream = StreamOwned::new(client, self.connect());
        stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the backend never said '{text}'");
        }
    }
}

#[test]
fn requests_are_answered_over_tls_and_a_client_that_never_shakes_hands_holds_up_nobody() {
    let (server, cert) = start();
    let silent = server.connect();
    let mut plain = server.connect();
    plain.write_all(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(server.get(&cert).unwrap(), "HTTP/1.1 405 Method Not Allowed");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "plain HTTP must not be answered");
    drop(silent);
}

#[test]
fn a_renewed_certificate_is_served_after_sighup_and_a_broken_one_is_not() {
    let (mut server, old) = start();
    let hang_up = |server: &Server| {
        let pid = rustix::process::Pid::from_child(&server.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    };
    fs::write(server.folder.path().join("key.pem"), "not a key").unwrap();
    hang_up(&server);
    server.wait_for("the old certificate stays in force");
    assert!(server.get(&old).is_ok());
    let new = certificate(server.folder.path());
    hang_up(&server);
    server.wait_for("the certificate was read again");
    assert!(server.get(&new).is_ok() && server.get(&old).is_err());
}

#[test]
fn a_key_of_another_certificate_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let key = fs::read(folder.path().join("key.pem")).unwrap();
    certificate(folder.path());
    fs::write(folder.path().join("key.pem"), key).unwrap();
    let output = serve(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("--tls-key") && said.contains("not the key of the certificate"), "{said}");
}
