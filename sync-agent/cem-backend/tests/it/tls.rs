//! `serve --tls-cert --tls-key`: over TLS and over nothing else, with a certificate that can be renewed under way.

#![allow(clippy::unwrap_used)]

use crate::backend::cli;
use cem_contract::{SigningKey, enrol::EnrolAnswer, hex};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
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

/// An Ed25519 private key as PKCS #8 without its last 32 bytes, which are the seed.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

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
        let answer = self.request(trusted, None, "GET /v1/events HTTP/1.1", "", "")?;
        Ok(answer.lines().next().unwrap_or_default().to_owned())
    }

    /// The whole answer to a request of whoever shows this certificate with this key.
    fn request(
        &self,
        trusted: &CertificateDer<'static>,
        shown: Option<(&str, &SigningKey)>,
        what: &str,
        headers: &str,
        body: &str,
    ) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = [PKCS8.as_slice(), key.as_bytes()].concat();
                config.with_client_auth_cert(chain, PrivatePkcs8KeyDer::from(key).into()).unwrap()
            }
        };
        let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut stream = StreamOwned::new(client, self.connect());
        let length = body.len();
        write!(stream, "{what}\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}")?;
        let mut answer = Vec::new();
        // The end of the stream need not be said in TLS's own words.
        match stream.read_to_end(&mut answer) {
            Err(error) if answer.is_empty() => Err(error),
            _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
        }
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

/// An enrolled device, over TLS.
fn enrolled(server: &Server, cert: &CertificateDer<'static>, ops: &str, device: &str, key: &SigningKey) -> EnrolAnswer {
    let json = "Content-Type: application/json\r\n";
    let body = |answer: String| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    let wanted = json!({"store": "s-001", "device": device, "role": "kiosk"}).to_string();
    let authorization = format!("Authorization: Bearer {ops}\r\n{json}");
    let code = server.request(cert, None, "POST /v1/fleet/codes HTTP/1.1", &authorization, &wanted).unwrap();
    let code: Value = serde_json::from_str(&body(code)).unwrap();
    let public_key = hex::encode(key.verifying_key().as_bytes());
    let wanted = json!({"code": code["code"], "public_key": public_key, "machine": {"id": device, "disk": "d"}}).to_string();
    let answer = server.request(cert, None, "POST /v1/devices/enrol HTTP/1.1", json, &wanted).unwrap();
    serde_json::from_str(&body(answer)).unwrap()
}

#[test]
fn a_devices_token_counts_only_together_with_its_certificate() {
    let (server, cert) = start();
    let ops = cli(&server.folder.path().join("data"), &["token", "--scope", "ops"]);
    let ops = String::from_utf8(ops.stdout).unwrap().trim().to_owned();
    let (one, two) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
    let (k1, k2) = (enrolled(&server, &cert, &ops, "k-01", &one), enrolled(&server, &cert, &ops, "k-02", &two));
    let status = |shown: Option<(&str, &SigningKey)>, token: &str, more: &str| {
        let headers = format!("Authorization: Bearer {token}\r\n{more}");
        let answer = server.request(&cert, shown, "GET /v1/erasures HTTP/1.1", &headers, "").unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status(Some((&k1.certificate, &one)), &k1.token, ""), "200");
    assert_eq!(status(None, &k1.token, ""), "401", "a stolen token");
    assert_eq!(status(Some((&k2.certificate, &two)), &k1.token, ""), "401", "another device's certificate");
    let claimed = format!("CEM-Peer-Key: {}\r\n", hex::encode(one.verifying_key().as_bytes()));
    assert_eq!(status(None, &k1.token, &claimed), "401", "what a client claims about itself");
    assert_eq!(status(None, &ops, ""), "200", "people have no certificate");
    let summary = server.request(&cert, None, "GET /v1/fleet/summary HTTP/1.1", &format!("Authorization: Bearer {ops}\r\n"), "");
    assert!(summary.unwrap().contains("\"token-without-certificate\":3"));
}

#[test]
fn a_certificate_of_another_authority_ends_the_handshake() {
    let (server, cert) = start();
    let key = SigningKey::from_bytes(&[9; 32]);
    let pair = rcgen::KeyPair::try_from([PKCS8.as_slice(), key.as_bytes()].concat().as_slice()).unwrap();
    let own = rcgen::CertificateParams::new(vec!["device".to_owned()]).unwrap().self_signed(&pair).unwrap().pem();
    let answer = server.request(&cert, Some((&own, &key)), "GET /v1/erasures HTTP/1.1", "", "");
    assert!(answer.is_err(), "{answer:?}");
}
