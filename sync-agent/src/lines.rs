//! `sync-agent enqueue`: one JSON line in, one JSON line out, the answer only once the event is durable.
//!
//! In: `{"type", "data"[, "visitid", "visitor", "consent", "time"]}`. Out, in the same order: `{"id", "sequence"}` or
//! `{"error"}`. A bad line is answered on its own line and the others are still taken.

use std::io::{self, BufRead, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use cem_contract::{Consent, NewEvent, time};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// The longest line that is looked at, in bytes: an event has 32 KiB on the wire.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// Events that may be on their way to the disk at once.
const IN_FLIGHT: usize = 512;

/// Where enqueued events go.
pub trait Sink: Sync {
    /// A commit on its way to the disk.
    type Pending: Send;
    /// Hands an event over; blocks while the writer is busy.
    ///
    /// # Errors
    /// A sentence: nothing of this event will ever be on disk.
    fn submit(&self, event: NewEvent) -> Result<Self::Pending, String>;
    /// Waits until the event is durable; its number.
    ///
    /// # Errors
    /// A sentence: the event is not, or perhaps not, on disk.
    fn wait(&self, pending: Self::Pending) -> Result<u64, String>;
}

/// Who writes the lines, where a line does not say it.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Boot id of the machine.
    pub boot: String,
    /// The stored floor under the clock.
    pub floor: crate::clock::Floor,
}

impl Origin {
    /// An event that happens now.
    #[must_use]
    pub fn event(&self, kind: &str, data: Value) -> NewEvent {
        NewEvent {
            id: Uuid::now_v7(),
            kind: kind.to_owned(),
            time_ms: self.floor.now_ms(),
            visitid: None,
            visitor: None,
            consent: Consent::None,
            clock: crate::clock::quality(&self.floor),
            boot: self.boot.clone(),
            uptime_ms: crate::clock::uptime_ms(),
            data,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    data: Value,
    visitid: Option<Uuid>,
    visitor: Option<String>,
    consent: Option<String>,
    time: Option<String>,
}

/// Reads one line as an event.
///
/// # Errors
/// A sentence that says what is wrong with the line.
pub fn parse(line: &[u8], origin: &Origin) -> Result<NewEvent, String> {
    let line: Line = serde_json::from_slice(line).map_err(|e| format!("not an event: {e}"))?;
    if line.kind.is_empty() || line.kind.len() > 200 {
        return Err("`type` must have 1 to 200 bytes".into());
    }
    let mut event = origin.event(&line.kind, line.data);
    event.visitid = line.visitid;
    event.visitor = line.visitor;
    if let Some(word) = line.consent {
        event.consent = Consent::from_word(&word).ok_or("`consent` must be none, service, personal or marketing")?;
    }
    if let Some(text) = line.time {
        event.time_ms = time::parse_rfc3339(&text).ok_or("`time` must be like 2026-11-21T10:30:00.123Z")?;
    }
    event.validate().map_err(|e| e.to_string())?;
    Ok(event)
}

/// What became of a stream of lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Durable events.
    pub taken: u64,
    /// Lines answered with an error.
    pub refused: u64,
}

enum Step<P> {
    Pending(Uuid, P),
    Refused(String),
}

/// Takes all lines of `input` and answers each on `output`, in order. Commits overlap, answers do not wait for input.
///
/// # Errors
/// Only when `input` cannot be read or `output` not be written.
pub fn pump<S: Sink>(input: impl BufRead, output: impl Write + Send, sink: &S, origin: &Origin) -> io::Result<Tally> {
    let (steps, answers) = sync_channel(IN_FLIGHT);
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || answer(answers, output, sink));
        let read = feed(input, &steps, sink, origin);
        drop(steps);
        let tally = writer.join().unwrap_or_else(|_| Err(io::Error::other("the answering thread died")))?;
        read.map(|()| tally)
    })
}

fn feed<S: Sink>(mut input: impl BufRead, steps: &SyncSender<Step<S::Pending>>, sink: &S, origin: &Origin) -> io::Result<()> {
    let mut line = Vec::new();
    while let Some(whole) = next_line(&mut input, &mut line)? {
        if whole && line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let event = if whole { parse(&line, origin) } else { Err(format!("the line is longer than {MAX_LINE_BYTES} bytes")) };
        let step = match event.and_then(|event| Ok((event.id, sink.submit(event)?))) {
            Ok((id, pending)) => Step::Pending(id, pending),
            Err(why) => Step::Refused(why),
        };
        if steps.send(step).is_err() {
            break;
        }
    }
    Ok(())
}

fn answer<S: Sink>(answers: Receiver<Step<S::Pending>>, output: impl Write, sink: &S) -> io::Result<Tally> {
    let (mut tally, mut output) = (Tally::default(), io::BufWriter::new(output));
    loop {
        let step = match answers.try_recv() {
            Ok(step) => step,
            Err(_) => {
                output.flush()?;
                let Ok(step) = answers.recv() else { return Ok(tally) };
                step
            }
        };
        let line = match step {
            Step::Pending(id, pending) => match sink.wait(pending) {
                Ok(sequence) => {
                    tally.taken += 1;
                    json!({"id": id, "sequence": time::sequence(sequence)})
                }
                Err(why) => refuse(&mut tally, &why),
            },
            Step::Refused(why) => refuse(&mut tally, &why),
        };
        writeln!(output, "{line}")?;
    }
}

fn refuse(tally: &mut Tally, why: &str) -> Value {
    tally.refused += 1;
    json!({ "error": why })
}

/// The next line without its end; false when it is longer than allowed (its rest is skipped); `None` at the end.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let mut whole = true;
    let mut any = false;
    loop {
        let piece = input.fill_buf()?;
        if piece.is_empty() {
            return Ok(any.then_some(whole));
        }
        any = true;
        let end = piece.iter().position(|b| *b == b'\n');
        let taken = end.unwrap_or(piece.len());
        if whole && line.len() + taken <= MAX_LINE_BYTES {
            line.extend_from_slice(&piece[..taken]);
        } else {
            whole = false;
            line.clear();
        }
        input.consume(end.map_or(taken, |at| at + 1));
        if end.is_some() {
            return Ok(Some(whole));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Gives numbers; refuses what says so.
    #[derive(Default)]
    struct Numbers(AtomicU64);

    impl Sink for Numbers {
        type Pending = u64;
        fn submit(&self, event: NewEvent) -> Result<u64, String> {
            if event.data["full"] == true {
                Err("the disk is full".into())
            } else {
                Ok(self.0.fetch_add(1, Ordering::SeqCst) + 1)
            }
        }
        fn wait(&self, pending: u64) -> Result<u64, String> {
            Ok(pending)
        }
    }

    fn origin() -> Origin {
        Origin { boot: "b".into(), floor: crate::clock::Floor::default() }
    }

    fn run(input: &[u8]) -> (Tally, Vec<Value>) {
        let mut output = Vec::new();
        let tally = pump(input, &mut output, &Numbers::default(), &origin()).unwrap();
        let lines = String::from_utf8(output).unwrap();
        (tally, lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect())
    }

    #[test]
    fn each_line_is_answered_in_order_and_a_bad_one_stops_nobody() {
        let (tally, lines) = run(b"{\"type\":\"x.y\",\"data\":{}}\nnonsense\n\n{\"type\":\"x.y\",\"data\":{\"full\":true}}\n{\"type\":\"x.y\",\"data\":{}}");
        assert_eq!(tally, Tally { taken: 2, refused: 2 });
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0]["sequence"], "00000000000000000001");
        assert!(lines[1]["error"].as_str().unwrap().contains("not an event"));
        assert_eq!(lines[2]["error"], "the disk is full");
        assert_eq!(lines[3]["sequence"], "00000000000000000002");
    }

    #[test]
    fn ten_thousand_lines_keep_their_order() {
        let (tally, lines) = run("{\"type\":\"x\",\"data\":{}}\n".repeat(10_000).as_bytes());
        assert_eq!(tally.taken, 10_000);
        assert!(lines.iter().enumerate().all(|(n, l)| l["sequence"] == time::sequence(n as u64 + 1)));
    }

    #[test]
    fn what_the_backend_would_refuse_is_refused_here_with_its_field() {
        let bad = |text: &str| parse(text.as_bytes(), &origin()).unwrap_err();
        assert!(bad(r#"{"type":"cem.visit.started.v1","data":{"trigger":"touch"}}"#).contains("data."));
        assert!(bad(r#"{"type":"x","data":{},"consent":"maybe"}"#).contains("consent"));
        assert!(bad(r#"{"type":"x","data":{},"time":"yesterday"}"#).contains("time"));
        assert!(bad(r#"{"type":"x","data":{},"visitId":"a"}"#).contains("visitId"));
        assert!(bad(r#"{"type":"","data":{}}"#).contains("type"));
        assert!(bad("\u{fffd}").contains("not an event"));
    }

    #[test]
    fn all_optional_members_are_carried() {
        let visit = Uuid::from_u128(7);
        let text = format!(
            r#"{{"type":"x","data":{{"a":1}},"visitid":"{visit}","visitor":"v_1","consent":"personal","time":"2026-11-21T10:30:00.123Z"}}"#
        );
        let event = parse(text.as_bytes(), &origin()).unwrap();
        assert_eq!((event.visitid, event.visitor.as_deref(), event.consent), (Some(visit), Some("v_1"), Consent::Personal));
        assert_eq!((event.time_ms, event.data["a"].as_i64()), (1_795_257_000_123, Some(1)));
    }

    #[test]
    fn a_line_without_end_is_refused_in_bounded_memory_and_the_next_one_taken() {
        let mut input = vec![b'x'; 3_000_000];
        input.extend_from_slice(b"\n{\"type\":\"x\",\"data\":{}}\n");
        let (tally, lines) = run(&input);
        assert_eq!(tally, Tally { taken: 1, refused: 1 });
        assert!(lines[0]["error"].as_str().unwrap().contains("longer than"));
    }
}
