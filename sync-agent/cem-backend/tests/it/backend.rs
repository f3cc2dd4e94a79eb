//! A running backend and a client that speaks plain HTTP/1.1, so that nothing between the test and the wire is clever.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) const DEVICE: &str = "/stores/s-001/devices/k-01";
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";

/// A backend in a folder of its own, killed when dropped.
pub(crate) struct Backend {
    pub(crate) folder: TempDir,
    child: Option<Child>,
    address: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn statuses(&self) -> Vec<String> {
        let answer = self.json();
        answer["results"].as_array().unwrap().iter().map(|result| result["status"].as_str().unwrap().to_owned()).collect()
    }

    /// Checks that this is a problem of a status, as RFC 9457 wants it.
    pub(crate) fn is_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["status"], json!(status));
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    }
}

impl Backend {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &["--allow-static-staff"])
    }

    pub(crate) fn start_in(folder: TempDir, flags: &[&str]) -> Self {
        let mut child = command()
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { folder, child: Some(child), address }
    }

    pub(crate) fn token(&self, scope: &str, source: &str) -> String {
        let output = cli(self.folder.path(), &["token", "--scope", scope, "--source", source]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: backend\r\nConnection: close\r\nContent-Length: {}\r\n", body.len())
            .unwrap();
        for (name, value) in headers {
            write!(stream, "{name}: {value}\r\n").unwrap();
        }
        stream.write_all(b"\r\n").unwrap();
        // The backend may answer before it has read everything.
        let _ = stream.write_all(body);
        read_answer(&mut stream)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        stream
    }

    pub(crate) fn get(&self, token: &str, path: &str) -> Answer {
        self.send("GET", path, &[("Authorization", &format!("Bearer {token}")), ("CEM-Staff", "st-7")], b"")
    }

    pub(crate) fn json(&self, method: &str, token: &str, path: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers = [("Authorization", authorization.as_str()), ("CEM-Staff", "st-7"), ("Content-Type", "application/json")];
        self.send(method, path, &headers, body.to_string().as_bytes())
    }

    pub(crate) fn events(&self, token: &str, events: &[Value]) -> Answer {
        self.batch(token, &[], json!(events).to_string().as_bytes())
    }

    pub(crate) fn batch(&self, token: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let authorization = format!("Bearer {token}");
        let mut all = vec![("Authorization", authorization.as_str()), ("Content-Type", BATCH)];
        all.extend_from_slice(headers);
        self.send("POST", "/v1/events", &all, body)
    }

    /// Stops the process as a shop does: without asking.
    pub(crate) fn kill(mut self) -> TempDir {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Tells the process to stop and waits for its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        child.wait().unwrap().code()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cem-backend"))
}

/// Runs a command on a data folder.
pub(crate) fn cli(folder: &Path, arguments: &[&str]) -> Output {
    command().args(arguments).arg("--data").arg(folder).output().unwrap()
}

/// Makes the events of one device's log, each with the next number.
pub(crate) struct Log {
    source: String,
    log: Uuid,
    next: u64,
}

impl Log {
    pub(crate) fn new(source: &str) -> Self {
        Self { source: source.to_owned(), log: Uuid::now_v7(), next: 1 }
    }

    pub(crate) fn event(&mut self, kind: &str, data: Value) -> Value {
        let sequence = self.next;
        self.next += 1;
        json!({
            "specversion": "1.0", "id": Uuid::now_v7(), "source": self.source, "type": kind,
            "time": "2026-11-21T10:30:00.123Z", "datacontenttype": "application/json", "log": self.log,
            "sequence": format!("{sequence:020}"), "recordedtime": "2026-11-21T10:30:00.130Z", "consent": "none",
            "clock": "synced", "boot": "b", "uptime": "000000000012345", "data": data,
        })
    }

    pub(crate) fn help(&mut self) -> Value {
        self.event("cem.help.called.v1", json!({"place": "terrace"}))
    }

    pub(crate) fn of(&mut self, visit: &str, visitor: Option<&str>, kind: &str, data: Value) -> Value {
        let mut event = self.event(kind, data);
        event["visitid"] = json!(visit);
        if let Some(visitor) = visitor {
            event["visitor"] = json!(visitor);
            event["consent"] = json!("personal");
        }
        event
    }

    pub(crate) fn order(&mut self, visit: &str, visitor: Option<&str>, number: &str, called: &str) -> Value {
        let total = json!({"minor": 430, "currency": "EUR"});
        let line = json!({"line": 1, "sku": "flat-white", "name": "Flat white", "quantity": 1, "amount": total, "modifiers": [], "tax_code": "A"});
        let data = json!({
            "order": Uuid::now_v7(), "number": number, "called_name": called, "service": "eat_in", "lines": [line], "discounts": [],
            "tax": [{"code": "A", "rate": "0.07", "base": total, "amount": total, "included": true}], "total": total,
            "business_date": "2026-11-21",
        });
        self.of(visit, visitor, "cem.order.placed.v1", data)
    }
}
