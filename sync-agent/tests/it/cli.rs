//! The program as it is used from outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::ledger::Ledger;
use crate::tcp::{Break, Server};

struct Agent {
    dir: TempDir,
}

impl Agent {
    fn new(url: &str) -> Agent {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "right").unwrap();
        let text = format!(
            "outbox = \"kiosk.db\"\nstate = \"agent.db\"\nsource = \"/stores/s-001/devices/k-01\"\n\
             [backend]\nurl = \"{url}\"\ntoken_file = \"token\"\n[retry]\nbase_ms = 5\ncap_ms = 50\nbudget = 10000\nspread_s = 0\n"
        );
        std::fs::write(dir.path().join("agent.toml"), text).unwrap();
        Agent { dir }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sync-agent"));
        command.args(args).arg("--config").arg(self.dir.path().join("agent.toml"));
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    fn enqueue(&self, lines: &str) -> (bool, Vec<Value>) {
        let mut child =
            self.command(&["enqueue"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let lines = lines.to_owned();
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), text.lines().map(|l| serde_json::from_str(l).unwrap()).collect())
    }

    fn status(&self) -> Value {
        let output = self.output(&["status", "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A running agent and the lines it prints.
    fn run(&self) -> Running {
        let mut child = self
            .command(&["run", "--print-events"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut running = Running { child, lines };
        assert_eq!(running.line(), "running");
        running
    }
}

struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    fn line(&mut self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    fn terminate(mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const GOOD: &str = "{\"type\":\"demo.sold\",\"data\":{}}\n";
const BAD: &str = "{\"type\":\"demo.bad\",\"data\":{}}\n";

/// The server needs its runtime while the test blocks on processes.
fn serve(ledger: Ledger) -> (tokio::runtime::Runtime, Server) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start(ledger));
    (runtime, server)
}

#[test]
fn enqueue_once_and_status_agree() {
    let (_runtime, server) = serve(Ledger::default());
    let agent = Agent::new(&server.url);
    assert_eq!(agent.status()["depth"], 0);
    assert!(!agent.dir.path().join("agent.db").exists(), "looking does not make the file");
    let (ok, lines) = agent.enqueue(&format!("{GOOD}nonsense\n{GOOD}"));
    assert!(!ok, "one line was refused");
    assert_eq!((lines.len(), lines[2]["sequence"].as_str()), (3, Some("00000000000000000002")));
    let status = agent.status();
    assert_eq!((&status["depth"], &status["quarantined"]), (&2.into(), &0.into()));
    assert!(status["oldest"].is_string());
    let once = agent.output(&["once"]);
    assert!(once.status.success(), "{}", String::from_utf8_lossy(&once.stderr));
    let status = agent.status();
    assert_eq!((&status["depth"], &status["oldest"]), (&0.into(), &Value::Null));
    let marks: Vec<&Value> = status["watermark"].as_object().unwrap().values().collect();
    assert_eq!(marks, [2]);
    assert_eq!(server.ledger.lock().unwrap().stored.len(), 2);
}

#[test]
fn enqueue_status_and_quarantine_work_while_the_agent_runs() {
    let (_runtime, server) = serve(Ledger { rejects: vec!["demo.bad"], ..Ledger::default() });
    let agent = Agent::new(&server.url);
    let (ok, _) = agent.enqueue(GOOD);
    assert!(ok);
    let mut running = agent.run();
    assert!(running.line().starts_with("accepted 00000000000000000001 demo.sold "));
    let (ok, lines) = agent.enqueue(&format!("{GOOD}{BAD}"));
    assert!(ok && lines.len() == 2);
    let mut printed = [running.line(), running.line()];
    printed.sort();
    assert!(printed[0].starts_with("accepted 00000000000000000002 demo.sold "), "{printed:?}");
    assert!(printed[1].starts_with("quarantined 00000000000000000003 demo.bad "), "{printed:?}");
    assert!(printed[1].ends_with("data.lines: missing"));
    assert_eq!(agent.status()["quarantined"], 1);
    let id = lines[1]["id"].as_str().unwrap();
    let list = String::from_utf8(agent.output(&["quarantine", "list"]).stdout).unwrap();
    assert!(list.starts_with(id) && list.contains("demo.bad"), "{list}");
    let shown: Value = serde_json::from_slice(&agent.output(&["quarantine", "show", id]).stdout).unwrap();
    assert_eq!(shown["event"]["type"], "demo.bad");
    server.ledger.lock().unwrap().rejects.clear();
    assert!(agent.output(&["quarantine", "replay", id]).status.success());
    assert!(running.line().starts_with("accepted 00000000000000000003 demo.bad "));
    assert!(!agent.output(&["quarantine", "drop", id]).status.success(), "it is gone");
    assert!(running.terminate(), "SIGTERM ends it cleanly");
    assert_eq!(agent.status()["quarantined"], 0);
}

#[test]
fn sigterm_drains_what_came_in_and_exits_cleanly() {
    let (_runtime, server) = serve(Ledger::default());
    let agent = Agent::new(&server.url);
    let (_, _) = agent.enqueue(GOOD);
    let mut running = agent.run();
    running.line();
    let (ok, _) = agent.enqueue(&GOOD.repeat(2_000));
    assert!(ok);
    assert!(running.terminate());
    assert_eq!(server.ledger.lock().unwrap().stored.len(), 2_001);
    assert_eq!(agent.status()["depth"], 0);
}

#[test]
fn an_agent_killed_under_load_loses_nothing_and_doubles_nothing() {
    let (_runtime, server) = serve(Ledger::default());
    let agent = Agent::new(&server.url);
    let mut acknowledged = 0;
    for round in 0..5 {
        let (ok, lines) = agent.enqueue(&GOOD.repeat(400));
        assert!(ok);
        acknowledged += lines.len();
        server.then(vec![Break::ResetAfter; round]);
        let mut running = agent.run();
        (0..=round * 40).for_each(|_| {
            running.line();
        });
        // Dropping it kills it.
    }
    let once = agent.output(&["once"]);
    assert!(once.status.success(), "{}", String::from_utf8_lossy(&once.stderr));
    let ledger = server.ledger.lock().unwrap();
    assert_eq!(ledger.stored.len(), acknowledged);
    assert!(ledger.applied.values().all(|times| *times == 1));
    assert!(ledger.logs().values().all(|n| n.iter().enumerate().all(|(at, n)| *n == at as u64 + 1)), "no gap in `sequence`");
}

#[test]
fn once_without_a_backend_fails_with_a_sentence() {
    let agent = Agent::new("http://127.0.0.1:1");
    agent.enqueue(GOOD);
    let once = agent.output(&["once"]);
    assert!(!once.status.success());
    assert!(String::from_utf8(once.stderr).unwrap().contains("cannot be reached"));
}

#[test]
fn mistakes_are_answered_with_file_line_and_cure() {
    let agent = Agent::new("http://127.0.0.1:1");
    let path = agent.dir.path().join("agent.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("base_ms", "base_millis")).unwrap();
    let said = String::from_utf8(agent.output(&["once"]).stderr).unwrap();
    assert!(said.contains("agent.toml:8: ") && said.contains("base_millis"), "{said}");
    std::fs::write(&path, text).unwrap();
    std::fs::remove_file(agent.dir.path().join("token")).unwrap();
    let said = String::from_utf8(agent.output(&["run"]).stderr).unwrap();
    assert!(said.contains("the device token cannot be read"), "{said}");
    assert!(Path::new(env!("CARGO_BIN_EXE_sync-agent")).exists());
}
