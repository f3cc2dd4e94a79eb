// SPDX-License-Identifier: GPL-3.0-only
//! The demo's control panel: places cards, answers for the terminal, cuts the network. Not part of a kiosk, never shipped.

use anyhow::{Context as _, Result};
use clap::Parser;
use kiosk_app::control;
use slint::{ComponentHandle as _, Model as _, ModelRc, SharedString, Timer, TimerMode, VecModel};
use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[allow(warnings, clippy::all, clippy::restriction, reason = "generated")]
mod slint_panel {
    include!(concat!(env!("OUT_DIR"), "/panel.rs"));
}
use slint_panel::{Command, Entry, Group, Panel, PanelState};

/// Rows kept in each list.
const ROWS_MAX: usize = 200;
/// Bytes of the log read at once.
const READ_MAX: u64 = 64 * 1024;
/// How often answers and the log are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The demo's hands: guests, cards, the payment terminal, the network and the paper.
#[derive(Debug, Parser)]
#[command(name = "demo-panel", version)]
struct Args {
    /// The demo's run folder, with the control sockets and events.log
    #[arg(long, value_name = "DIR", default_value = "target/demo/run")]
    run: PathBuf,
}

/// Label, socket and line of a button.
type Button = (&'static str, &'static str, &'static str);

/// Title and buttons of each row.
const GROUPS: &[(&str, &[Button])] = &[
    (
        "Guest card",
        &[
            ("Jane", "reader.ctl", "place jane"),
            ("Ivan", "reader.ctl", "place ivan"),
            ("Stranger", "reader.ctl", "place stranger"),
            ("Bank card", "reader.ctl", "place bank"),
            ("Take away", "reader.ctl", "remove"),
            ("Reader lost", "reader.ctl", "lost"),
            ("Reader back", "reader.ctl", "back"),
        ],
    ),
    (
        "Terminal",
        &[
            ("Approve", "terminal.ctl", "approve"),
            ("Decline", "terminal.ctl", "decline"),
            ("Say nothing", "terminal.ctl", "timeout"),
            ("By hand", "terminal.ctl", "mode manual"),
            ("Always approve", "terminal.ctl", "mode approve"),
            ("Always decline", "terminal.ctl", "mode decline"),
            ("Always silent", "terminal.ctl", "mode silent"),
        ],
    ),
    ("Printer", &[("Paper out", "printer.ctl", "paper out"), ("Paper in", "printer.ctl", "paper ok")]),
    (
        "Network",
        &[
            ("Cut", "link.ctl", "down"),
            ("Mend", "link.ctl", "up"),
            ("Backend down", "demo.ctl", "backend down"),
            ("Backend up", "demo.ctl", "backend up"),
        ],
    ),
    (
        "Board",
        &[
            ("Somebody near", "board.ctl", "presence on"),
            ("Nobody", "board.ctl", "presence off"),
            ("▲", "board.ctl", "key up"),
            ("▼", "board.ctl", "key down"),
            ("Select", "board.ctl", "key select"),
            ("Back", "board.ctl", "key back"),
            ("Help", "board.ctl", "key help"),
            ("Headphones in", "board.ctl", "headphones on"),
            ("out", "board.ctl", "headphones off"),
        ],
    ),
    ("Demo", &[("End it", "demo.ctl", "quit")]),
];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo-panel: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let panel = Panel::new().context("no window could be opened")?;
    let state = panel.global::<PanelState<'_>>();
    let groups: Vec<Group> = GROUPS.iter().map(|(title, commands)| group(title, commands)).collect();
    state.set_groups(ModelRc::new(VecModel::from(groups)));
    state.set_folder(args.run.display().to_string().into());
    let answers: Rc<VecModel<Entry>> = Rc::default();
    let events: Rc<VecModel<Entry>> = Rc::default();
    state.set_answers(answers.clone().into());
    state.set_events(events.clone().into());
    let (told, hear) = channel();
    let folder = args.run.clone();
    state.on_send(move |group, command| send(&folder, group, command, &told));
    let tick = Timer::default();
    let mut log = Log::new(args.run.join("events.log"));
    tick.start(TimerMode::Repeated, LOOK, move || {
        take(&hear, &answers);
        for line in log.fresh() {
            push(&events, line, false);
        }
    });
    panel.run().context("the panel's window failed")
}

fn group(title: &str, commands: &[Button]) -> Group {
    let command =
        |(label, socket, line): &Button| Command { label: (*label).into(), socket: (*socket).into(), line: (*line).into() };
    let commands: Vec<Command> = commands.iter().map(command).collect();
    Group { title: title.into(), commands: ModelRc::new(VecModel::from(commands)) }
}

/// Sends on a thread of its own: a simulator that hangs must not freeze the panel.
fn send(folder: &Path, group: i32, command: i32, told: &Sender<(String, bool)>) {
    let found = usize::try_from(group).ok().and_then(|g| GROUPS.get(g));
    let found = found.zip(usize::try_from(command).ok()).and_then(|((_, commands), c)| commands.get(c));
    let Some((_, socket, line)) = found else { return };
    let (path, told) = (folder.join(socket), told.clone());
    std::thread::spawn(move || {
        let answer = match control::send(&path, line) {
            Ok(()) => (format!("{line}: ok"), false),
            Err(error) => (format!("{line}: {error:#}"), true),
        };
        // The panel may have been closed meanwhile.
        let _ = told.send(answer);
    });
}

fn take(hear: &Receiver<(String, bool)>, answers: &VecModel<Entry>) {
    for (text, failed) in hear.try_iter() {
        push(answers, text, failed);
    }
}

/// Newest first.
fn push(rows: &VecModel<Entry>, text: String, failed: bool) {
    rows.insert(0, Entry { time: clock(), text: text.into(), failed });
    while rows.row_count() > ROWS_MAX {
        rows.remove(rows.row_count() - 1);
    }
}

/// Universal time of day: the panel needs no time zone.
fn clock() -> SharedString {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()) % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60).into()
}

/// A file that grows by lines.
struct Log {
    path: PathBuf,
    at: u64,
    rest: String,
}

impl Log {
    fn new(path: PathBuf) -> Self {
        Self { path, at: 0, rest: String::new() }
    }

    /// Whole lines since the last look. A file that was begun anew is read from its beginning.
    fn fresh(&mut self) -> Vec<String> {
        let Ok(mut file) = File::open(&self.path) else { return Vec::new() };
        let size = file.metadata().map_or(0, |m| m.len());
        if size < self.at {
            (self.at, self.rest) = (0, String::new());
        }
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(self.at)).is_err() || file.take(READ_MAX).read_to_end(&mut bytes).is_err() {
            return Vec::new();
        }
        self.at += u64::try_from(bytes.len()).unwrap_or(0);
        self.rest.push_str(&String::from_utf8_lossy(&bytes));
        let mut lines: Vec<String> = self.rest.split('\n').map(str::to_owned).collect();
        self.rest = lines.pop().unwrap_or_default();
        lines.retain(|line| !line.trim().is_empty());
        lines
    }
}
