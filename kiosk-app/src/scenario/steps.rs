// SPDX-License-Identifier: GPL-3.0-only
//! The language of scenarios.
//!
//! ```toml
//! title = "Jane pays for her usual"
//! run = "../../target/demo/run"          # folder of control sockets; else the environment's KIOSK_RUN_DIR
//!
//! [[step]]
//! card = "jane"                          # reader.ctl: place jane; "none" takes the card away
//!
//! [[step]]
//! scan = "4006381333931"                 # scanner.ctl: this code is held to the scanner
//!
//! [[step]]
//! wait_stage = "greeting"                # attract, greeting, browse, item, basket, checkout, paying, done, feedback
//!
//! [[step]]
//! tap = "Order it, pay by card"          # what the control is called: all of it, or the beginning of only one
//!
//! [[step]]
//! hold = "Boyd's"                        # a finger stays on it for two seconds
//!
//! [[step]]
//! type = "1001"                          # each of these keys of the pad, one after the other
//!
//! [[step]]
//! pin_of = "1001"                        # the keys of this person's first PIN, as the run folder's staff.toml says
//!
//! [[step]]
//! terminal = "approve"                   # terminal.ctl
//! within_s = 20                          # 10 where nothing is said
//!
//! [[step]]
//! expect_text = "Thank you, Jane"        # some words on the screen contain it
//!
//! [[step]]
//! screenshot = "done"                    # done.png in the folder given by --screenshots
//!
//! [[step]]
//! control = { socket = "link.ctl", line = "down" }
//!
//! [[step]]
//! down = "printer"                       # internet, backend, terminal, printer, paper, reader, board, clock; later: up
//!
//! [[step]]
//! include = "part-to-checkout.toml"      # the steps of another file of the same folder
//!
//! [[step]]
//! expect_text = "in the code"
//! proves = "guest"                       # cell of the table of outages: sold, tenders, guest, told
//!
//! [outage]                               # a row of that table, in words
//! down = "printer"
//!
//! [[told]]                               # what the backend knows in the end; the test looks
//! type = "cem.device.health.v1"
//! data = { devices = { printer = "blocked" } }
//! ```
//!
//! A step does one thing. A key that is not listed here is an error with file and line.

use anyhow::{Context as _, Result, ensure};
use kiosk_core::Stage;
use serde::{Deserialize, de::IgnoredAny};
use std::{
    fmt, fs,
    path::{Component, Path, PathBuf},
    time::Duration,
};

/// A scenario is a page of text.
const BYTES_MAX: u64 = 256 * 1024;
/// No scenario has more steps.
const STEPS_MAX: usize = 500;
/// What a step waits for at most, where it does not say so.
const WITHIN: Duration = Duration::from_secs(10);
/// The most that a step may wait.
const WITHIN_MAX_S: u64 = 600;

/// A visit as a file.
#[derive(Debug)]
pub(super) struct Scenario {
    /// Folder of control sockets.
    pub(super) run: Option<PathBuf>,
    /// In order.
    pub(super) steps: Vec<Step>,
}

/// One thing that is done or waited for.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) action: Action,
    within: Duration,
}

#[derive(Debug, PartialEq)]
pub(super) enum Action {
    Tap(String),
    Hold(String),
    Type(String),
    PinOf(String),
    WaitStage(Stage),
    ExpectText(String),
    ExpectNoText(String),
    Screenshot(String),
    Control {
        socket: String,
        line: String,
    },
    /// Goes down by the key pad until this has the focus.
    KeyTo(String),
    /// The time is not known any more, or known again.
    Clock {
        gone: bool,
    },
}

/// What can be taken away, the control socket that does it, and its lines for 'down' and 'up'.
const THINGS: [(&str, &str, [&str; 2]); 7] = [
    ("internet", "link.ctl", ["down", "up"]),
    ("backend", "demo.ctl", ["backend down", "backend up"]),
    ("terminal", "terminal.ctl", ["down", "up"]),
    ("printer", "printer.ctl", ["down", "up"]),
    ("paper", "printer.ctl", ["paper out", "paper ok"]),
    ("reader", "reader.ctl", ["unplug", "plug"]),
    ("board", "board.ctl", ["unplug", "plug"]),
];
/// The cells of a row in the table of outages.
const CELLS: [&str; 4] = ["sold", "tenders", "guest", "told"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScenario {
    #[serde(default, rename = "title")]
    _title: String,
    run: Option<PathBuf>,
    #[serde(default, rename = "outage")]
    _outage: Option<IgnoredAny>,
    #[serde(default, rename = "told")]
    _told: Option<IgnoredAny>,
    step: Vec<RawStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    tap: Option<String>,
    hold: Option<String>,
    r#type: Option<String>,
    pin_of: Option<String>,
    wait_stage: Option<String>,
    expect_text: Option<String>,
    expect_no_text: Option<String>,
    screenshot: Option<String>,
    card: Option<String>,
    scan: Option<String>,
    terminal: Option<String>,
    printer: Option<String>,
    key: Option<String>,
    key_to: Option<String>,
    down: Option<String>,
    up: Option<String>,
    control: Option<RawControl>,
    include: Option<String>,
    proves: Option<String>,
    within_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawControl {
    socket: String,
    line: String,
}

impl Scenario {
    /// Reads a scenario. A relative `run` starts at the folder of the file.
    pub(super) fn load(file: &Path) -> Result<Self> {
        let named = || format!("the scenario {} cannot be used", file.display());
        let size = fs::metadata(file).with_context(named)?.len();
        ensure!(size <= BYTES_MAX, "{}: {size} bytes; a scenario has at most {BYTES_MAX}", file.display());
        let text = fs::read_to_string(file).with_context(named)?;
        Self::parse(&text, file.parent().unwrap_or(Path::new("."))).with_context(named)
    }

    /// The steps of a part; parts include nothing.
    fn part(name: &str, folder: &Path) -> Result<Vec<Step>> {
        ensure!(is_plain(name), "'{name}' is not a plain name");
        let file = folder.join(name);
        let size = fs::metadata(&file).with_context(|| file.display().to_string())?.len();
        ensure!(size <= BYTES_MAX, "{}: {size} bytes; a part has at most {BYTES_MAX}", file.display());
        let raw: RawScenario = toml::from_str(&fs::read_to_string(&file)?).with_context(|| file.display().to_string())?;
        let step = |(number, raw): (usize, RawStep)| raw.step().with_context(|| format!("{name}, step {number}"));
        (1..).zip(raw.step).map(step).collect()
    }

    fn parse(text: &str, folder: &Path) -> Result<Self> {
        let raw: RawScenario = toml::from_str(text)?;
        ensure!(raw.step.len() <= STEPS_MAX, "{} steps; at most {STEPS_MAX} are possible", raw.step.len());
        let mut steps = Vec::new();
        for (number, raw) in (1usize..).zip(raw.step) {
            let named = || format!("step {number}");
            match &raw.include {
                Some(name) => steps.extend(Self::part(name, folder).with_context(named)?),
                None => steps.push(raw.step().with_context(named)?),
            }
        }
        ensure!(steps.len() <= STEPS_MAX, "{} steps; at most {STEPS_MAX} are possible", steps.len());
        Ok(Self { run: raw.run.map(|run| folder.join(run)), steps })
    }
}

impl RawStep {
    fn step(self) -> Result<Step> {
        let control = |socket: &str, line: String| Action::Control { socket: socket.to_owned(), line };
        let card = |name: String| if name == "none" { "remove".to_owned() } else { format!("place {name}") };
        let stage = self.wait_stage.map(|word| stage(&word)).transpose()?;
        let (down, up) = (self.down.map(|word| thing(&word, 0)).transpose()?, self.up.map(|word| thing(&word, 1)).transpose()?);
        if let Some(cell) = &self.proves {
            ensure!(CELLS.contains(&cell.as_str()), "'{cell}' is no cell; there are {}", CELLS.join(", "));
        }
        let mut actions = [
            self.tap.map(Action::Tap),
            self.hold.map(Action::Hold),
            self.r#type.map(Action::Type),
            self.pin_of.map(Action::PinOf),
            stage.map(Action::WaitStage),
            self.expect_text.map(Action::ExpectText),
            self.expect_no_text.map(Action::ExpectNoText),
            self.screenshot.map(Action::Screenshot),
            self.card.map(|name| control("reader.ctl", card(name))),
            self.scan.map(|code| control("scanner.ctl", format!("scan {code}"))),
            self.terminal.map(|line| control("terminal.ctl", line)),
            self.printer.map(|line| control("printer.ctl", line)),
            self.key.map(|word| control("board.ctl", format!("key {word}"))),
            self.key_to.map(Action::KeyTo),
            down,
            up,
            self.control.map(|raw| control(&raw.socket, raw.line)),
        ]
        .into_iter()
        .flatten();
        let action = actions.next().context("it does nothing; give it one of tap, wait_stage, expect_text, card, ...")?;
        ensure!(actions.next().is_none(), "it does two things; make two steps of it");
        if let Action::Screenshot(name) | Action::Control { socket: name, .. } = &action {
            ensure!(is_plain(name), "'{name}' is not a plain name");
        }
        let within_s = self.within_s.unwrap_or(WITHIN.as_secs());
        ensure!((1..=WITHIN_MAX_S).contains(&within_s), "within_s = {within_s} is not in 1..={WITHIN_MAX_S}");
        Ok(Step { action, within: Duration::from_secs(within_s) })
    }
}

impl Step {
    /// How long it may take.
    pub(super) fn within(&self) -> Duration {
        self.within
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Tap(label) => write!(f, "tap = {label:?}")?,
            Action::Hold(label) => write!(f, "hold = {label:?}")?,
            // It may be a PIN.
            Action::Type(keys) => write!(f, "type {} keys", keys.chars().count())?,
            Action::PinOf(staff) => write!(f, "pin_of = {staff:?}")?,
            Action::WaitStage(stage) => write!(f, "wait_stage = {:?}", word(*stage))?,
            Action::ExpectText(text) => write!(f, "expect_text = {text:?}")?,
            Action::ExpectNoText(text) => write!(f, "expect_no_text = {text:?}")?,
            Action::Screenshot(name) => write!(f, "screenshot = {name:?}")?,
            Action::Control { socket, line } => write!(f, "{socket}: {line}")?,
            Action::KeyTo(label) => write!(f, "key_to = {label:?}")?,
            Action::Clock { gone } => write!(f, "{} = \"clock\"", if *gone { "down" } else { "up" })?,
        }
        write!(f, ", within {} s", self.within.as_secs())
    }
}

const STAGES: [(&str, Stage); 9] = [
    ("attract", Stage::Attract),
    ("greeting", Stage::Greeting),
    ("browse", Stage::Browse),
    ("item", Stage::Item),
    ("basket", Stage::Basket),
    ("checkout", Stage::Checkout),
    ("paying", Stage::Paying),
    ("done", Stage::Done),
    ("feedback", Stage::Feedback),
];

/// The word for a stage.
pub(super) fn word(stage: Stage) -> &'static str {
    STAGES.iter().find(|(_, known)| *known == stage).map_or("", |(word, _)| word)
}

fn stage(word: &str) -> Result<Stage> {
    let found = STAGES.iter().find(|(known, _)| *known == word).map(|(_, stage)| *stage);
    found.with_context(|| {
        let words: Vec<&str> = STAGES.iter().map(|(word, _)| *word).collect();
        format!("'{word}' is no stage; these are: {}", words.join(", "))
    })
}

/// Takes a thing away (0) or gives it back (1).
fn thing(word: &str, which: usize) -> Result<Action> {
    if word == "clock" {
        return Ok(Action::Clock { gone: which == 0 });
    }
    let found = THINGS.iter().find(|(known, ..)| *known == word);
    let (_, socket, lines) = found.with_context(|| {
        let words: Vec<&str> = THINGS.iter().map(|(word, ..)| *word).collect();
        format!("'{word}' cannot be taken away; there are {} and clock", words.join(", "))
    })?;
    Ok(Action::Control { socket: (*socket).to_owned(), line: lines[which].to_owned() })
}

/// A name that stays in its folder.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<Scenario> {
        Scenario::parse(text, Path::new("/shop/scenarios"))
    }

    fn fault(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn steps_are_read_in_order_and_short_words_become_control_lines() {
        let text = "run = \"../run\"\n[[step]]\ncard = \"jane\"\n[[step]]\nwait_stage = \"greeting\"\nwithin_s = 3\n\
            [[step]]\ncard = \"none\"\n[[step]]\nterminal = \"approve\"\n";
        let scenario = parse(text).unwrap();
        assert_eq!(scenario.run.as_deref(), Some(Path::new("/shop/scenarios/../run")));
        let line = |step: &Step| step.to_string();
        assert_eq!(line(&scenario.steps[0]), "reader.ctl: place jane, within 10 s");
        assert_eq!(line(&scenario.steps[1]), "wait_stage = \"greeting\", within 3 s");
        assert_eq!(line(&scenario.steps[2]), "reader.ctl: remove, within 10 s");
        let hands = parse("[[step]]\nhold = \"Boyd's\"\n[[step]]\ntype = \"1001\"\n").unwrap();
        assert_eq!(line(&hands.steps[0]), "hold = \"Boyd's\", within 10 s");
        assert_eq!(line(&hands.steps[1]), "type 4 keys, within 10 s", "what was typed is not shown");
        assert_eq!(line(&scenario.steps[3]), "terminal.ctl: approve, within 10 s");
    }

    #[test]
    fn a_thing_is_taken_away_and_given_back_by_name() {
        let steps =
            parse("[[step]]\ndown = \"backend\"\n[[step]]\nup = \"backend\"\n[[step]]\ndown = \"clock\"\n").unwrap().steps;
        let lines: Vec<String> = steps.iter().map(ToString::to_string).collect();
        let told = ["demo.ctl: backend down, within 10 s", "demo.ctl: backend up, within 10 s", "down = \"clock\", within 10 s"];
        assert_eq!(lines, told);
        assert!(fault("[[step]]\ndown = \"sun\"\n").contains("'sun' cannot be taken away"));
        assert!(fault("[[step]]\ntap = \"A\"\nproves = \"love\"\n").contains("'love' is no cell"));
        assert!(fault("[[step]]\ninclude = \"../x.toml\"\n").contains("not a plain name"));
    }

    #[test]
    fn a_step_does_exactly_one_thing() {
        assert!(fault("[[step]]\nwithin_s = 3\n").contains("step 1: it does nothing"));
        assert!(fault("[[step]]\ntap = \"A\"\ncard = \"jane\"\n").contains("it does two things"));
    }

    #[test]
    fn a_typo_is_told_with_its_line() {
        let told = fault("[[step]]\ntapp = \"A\"\n");
        assert!(told.contains("line 2") && told.contains("tapp"), "{told}");
        assert!(fault("[[step]]\nwait_stage = \"paid\"\n").contains("'paid' is no stage"));
    }

    #[test]
    fn names_do_not_leave_their_folder_and_waits_are_bounded() {
        assert!(fault("[[step]]\nscreenshot = \"../x\"\n").contains("not a plain name"));
        assert!(fault("[[step]]\ncontrol = { socket = \"/etc/x\", line = \"y\" }\n").contains("not a plain name"));
        assert!(fault("[[step]]\ntap = \"A\"\nwithin_s = 0\n").contains("1..=600"));
    }

    #[test]
    fn the_scenarios_that_come_with_the_product_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            assert!(!Scenario::load(&entry.unwrap().path()).unwrap().steps.is_empty());
            count += 1;
        }
        assert!(count > 10);
    }
}
