//! The adapter: one HTTPS exchange a request, every wait bounded, and an attempt whose answer is lost asked for by its
//! reference.

use super::{
    http::{self, Response},
    message::{self, Fate, NexoNames, Question},
    tls::{self, Pin, Stream},
};
use crate::{
    port::{AbortFlag, FinancialRequest, PaymentTerminal, Slips},
    receipt::stamp,
};
use kiosk_core::{Command, CommandOutcome, Enquiry, Id, TerminalWord, device::Health};
use rustls::ClientConfig;
use serde_json::Value;
use std::{
    io::{Error, ErrorKind, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long each wait may last.
#[derive(Clone, Copy, Debug)]
pub struct NexoLimits {
    /// To connect and shake hands.
    pub connect: Duration,
    /// For the end of a financial command.
    pub reply: Duration,
    /// For the answer to a question that moves nothing.
    pub answer: Duration,
    /// After a lost answer: how long the terminal is asked what became of the attempt.
    pub settle: Duration,
    /// Between two looks at an attempt that is still in progress.
    pub look: Duration,
}

impl Default for NexoLimits {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self { connect: s(3), reply: s(60), answer: s(5), settle: s(15), look: s(1) }
    }
}

/// How often a wait looks at the abort flag.
const TICK: Duration = Duration::from_millis(50);

/// A terminal behind HTTPS.
#[derive(Debug)]
pub struct NexoTerminal {
    address: String,
    names: NexoNames,
    limits: NexoLimits,
    tls: Option<Arc<ClientConfig>>,
    asked: AtomicU64,
}

/// How an exchange failed.
enum Failure {
    /// Before the first byte of the request.
    NotSent,
    /// After it.
    Lost,
}

impl NexoTerminal {
    /// Connects for each request anew.
    pub fn new(address: &str, pin: Pin, names: NexoNames, limits: NexoLimits) -> Self {
        let tls = tls::config(pin).inspect_err(|error| tracing::error!(%error, "no TLS for the terminal")).ok();
        Self { address: address.to_owned(), names, limits, tls, asked: AtomicU64::new(0) }
    }

    /// A reference for a question, different from those of attempts by its first character.
    fn reference(&self) -> String {
        format!("~{:09}", self.asked.fetch_add(1, Ordering::Relaxed) % 1_000_000_000)
    }

    fn send(&self, question: &Question) -> Result<Stream, Failure> {
        let Some(tls) = &self.tls else { return Err(Failure::NotSent) };
        let mut stream = tls::open(&self.address, tls, self.limits.connect).map_err(|error| {
            tracing::debug!(%error, "terminal not reached");
            Failure::NotSent
        })?;
        let written = stream.write_all(&http::request(&self.address, &question.body)).and_then(|()| stream.flush());
        written.map(|()| stream).map_err(|_| Failure::Lost)
    }

    /// Waits for the answer; `each` is called at every tick and ends the wait by `false`.
    fn hear(&self, stream: &mut Stream, question: &Question, until: Instant, each: &mut dyn FnMut() -> bool) -> Option<Value> {
        let (mut response, mut chunk) = (Response::default(), [0; 4096]);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !each() {
                return None;
            }
            stream.sock.set_read_timeout(Some(left.min(TICK))).ok()?;
            let n = match stream.read(&mut chunk) {
                Ok(n) => n,
                Err(e) if is_pause(&e) => continue,
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => 0,
                Err(_) => return None,
            };
            match response.take(&chunk[..n]) {
                Ok(None) => {}
                Ok(Some((200, body))) => return question.answer(&body),
                Ok(Some((status, _))) => {
                    tracing::warn!(status, "the terminal refused a request");
                    return None;
                }
                Err(error) => {
                    tracing::warn!(%error, "no answer of the terminal");
                    return None;
                }
            }
        }
    }

    /// Asks something that moves nothing.
    fn ask(&self, question: &Question) -> Result<Option<Value>, Failure> {
        let mut stream = self.send(question)?;
        Ok(self.hear(&mut stream, question, Instant::now() + self.limits.answer, &mut || true))
    }

    fn fate(&self, of: &Question, request: &FinancialRequest) -> Fate {
        let question = self.names.status(Some((of.category, &of.service)), &self.reference());
        match self.ask(&question) {
            Ok(Some(response)) => message::fate(&response, request.command, request.currency),
            Ok(None) | Err(_) => Fate::Unclear,
        }
    }

    fn stop(&self, of: &Question) {
        let question = self.names.abort(of.category, &of.service, &self.reference());
        // Its answer says nothing about the command, which ends by its own response.
        if self.send(&question).is_err() {
            tracing::warn!("the terminal was not reached to stop a command");
        }
    }

    /// The answer was lost. The terminal is asked by reference until it says an end; that it knows of nothing is no end,
    /// because the request may be on its way to it.
    fn settle(&self, of: &Question, request: &FinancialRequest) -> (CommandOutcome, Slips) {
        let until = Instant::now() + self.limits.settle;
        while Instant::now() < until {
            if let Fate::Ended(outcome, slips) = self.fate(of, request) {
                return (outcome, slips);
            }
            std::thread::sleep(self.limits.look.min(until.saturating_duration_since(Instant::now())));
        }
        (CommandOutcome::Unknown, Slips::default())
    }

    /// Waits for the end. While it lasts the flag is looked at, and until the terminal is known to have taken the command it
    /// is asked whether it works on it.
    fn follow(&self, mut stream: Stream, question: &Question, run: &mut Run<'_>) -> Option<Value> {
        let until = Instant::now() + self.limits.reply;
        let (mut next_look, mut taken, mut stopped) = (Instant::now() + self.limits.look, false, false);
        loop {
            let abort = run.abort.clone();
            let (mut look, mut stop) = (false, false);
            let heard = self.hear(&mut stream, question, until, &mut || {
                (look, stop) = (!taken && Instant::now() >= next_look, !stopped && abort.is_raised());
                !look && !stop
            });
            if heard.is_some() || !(look || stop) {
                return heard;
            }
            if stop {
                stopped = true;
                self.stop(question);
            }
            if look {
                next_look = Instant::now() + self.limits.look;
                taken = self.fate(question, run.request) == Fate::InProgress;
                if taken {
                    (run.on_word)(TerminalWord::Acknowledged);
                }
            }
        }
    }
}

struct Run<'a> {
    request: &'a FinancialRequest,
    abort: &'a AbortFlag,
    on_word: &'a mut dyn FnMut(TerminalWord),
}

fn is_pause(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn now() -> String {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(0));
    stamp(ms)
}

impl PaymentTerminal for NexoTerminal {
    fn run(
        &mut self,
        request: &FinancialRequest,
        abort: &AbortFlag,
        on_word: &mut dyn FnMut(TerminalWord),
    ) -> (CommandOutcome, Slips) {
        let none = Slips::default;
        let question = self.names.command(request.command, request.currency, request.attempt, &now());
        let Some(question) = question.filter(|_| !abort.is_raised()) else { return (CommandOutcome::NotSent, none()) };
        let stream = match self.send(&question) {
            Ok(stream) => stream,
            Err(Failure::NotSent) => return (CommandOutcome::NotSent, none()),
            Err(Failure::Lost) => return self.settle(&question, request),
        };
        let mut run = Run { request, abort, on_word };
        match self.follow(stream, &question, &mut run) {
            Some(response) => message::outcome(&response, request.command, request.currency),
            None => {
                if request.command != Command::EndOfDay {
                    self.stop(&question);
                }
                self.settle(&question, request)
            }
        }
    }

    fn enquire(&mut self, attempt: Id) -> Enquiry {
        let service = message::service_id(attempt);
        let mine = self.names.status(Some(("Payment", &service)), &self.reference());
        match self.ask(&mine) {
            Ok(Some(response)) => match message::enquiry(&response) {
                // It knows nothing of this attempt: then what it did last.
                Enquiry::Last(None) => {
                    let last = self.names.status(None, &self.reference());
                    let answer = self.ask(&last).ok().flatten();
                    answer.map_or(Enquiry::Failed, |response| message::enquiry(&response))
                }
                answer => answer,
            },
            Ok(None) | Err(_) => Enquiry::Failed,
        }
    }

    fn probe(&mut self) -> Health {
        let question = self.names.diagnosis(&self.reference());
        match self.ask(&question) {
            Ok(Some(response)) => message::health(&response),
            Ok(None) => Health::Blocked,
            Err(_) => Health::Lost,
        }
    }
}
