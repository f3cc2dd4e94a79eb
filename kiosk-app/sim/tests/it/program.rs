use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_kiosk-sim"))
}

fn path(p: &Path) -> String {
    p.display().to_string()
}

/// Starts it and waits for its line.
fn start(arguments: &[String]) -> (Child, serde_json::Value) {
    let mut child = program().args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

fn terminate(mut child: Child) {
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn all_says_where_everything_is_obeys_and_stops_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let (child, ready) = start(&["all".into(), "--run".into(), path(dir.path()), "--to".into(), "127.0.0.1:9".into()]);
    for key in ["terminal", "printer", "link"] {
        ready[key].as_str().unwrap().parse::<std::net::SocketAddr>().unwrap();
    }
    assert!(Path::new(ready["board"].as_str().unwrap()).is_file());
    let say = |line: &str| {
        let control = path(&dir.path().join("link.ctl"));
        program().args(["say", "--control", &control]).args(line.split(' ')).stderr(Stdio::null()).status().unwrap()
    };
    assert!(say("down").success());
    assert!(!say("left").success());
    terminate(child);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(left.iter().all(|n| n == "board.toml" || n == "receipts.bin"), "{left:?}");
}

#[test]
fn each_simulator_also_runs_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| path(&dir.path().join(name));
    let control = ["--control".to_owned(), at("x.ctl")];
    for arguments in [
        vec!["reader".to_owned(), "--tty".into(), at("r.tty"), "--instant".into()],
        vec!["terminal".into(), "--listen".into(), "127.0.0.1:0".into(), "--mode".into(), "manual".into()],
        vec!["printer".into(), "--listen".into(), "127.0.0.1:0".into(), "--out".into(), at("out.bin")],
        vec!["board".into(), "--pty".into(), at("b.pty")],
        vec!["link".into(), "--listen".into(), "127.0.0.1:0".into(), "--to".into(), "127.0.0.1:9".into()],
    ] {
        let (child, ready) = start(&[&arguments[..], &control[..]].concat());
        assert_eq!(ready["ready"], true);
        terminate(child);
    }
}

#[test]
fn the_pseudonym_of_a_demo_card_is_that_of_card_auth() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, format!("{}\n", "1f".repeat(32))).unwrap();
    let token = |card: &str| {
        let output =
            program().args(["token", "--tenant-key-file", &path(&file), "--card", card]).stderr(Stdio::null()).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    let uid = kiosk_sim::Card::Jane.uid().unwrap();
    let expect = card_auth::pseudonym(&[0x1F; 32], 1u16, card_auth::TagKind::Ntag424, &uid).unwrap();
    assert_eq!(token("jane"), Some(expect));
    assert_ne!(token("jane"), token("ivan"));
    assert_eq!(token("bank"), None);
    assert_eq!(token("bob"), None);
    std::fs::write(&file, "short").unwrap();
    assert_eq!(token("jane"), None);
}
