//! The loop: the reader is opened, cards come, are asked, and go, until the kiosk is gone.

use crate::{
    card::{self, Found},
    kiosk::{Closed, Kiosk},
    port::{Port, Reader},
    watchdog::Watchdog,
};
use anyhow::Result;
use kiosk_devices::{ReaderLine, reader::Request};
use nfc1::Error;
use std::time::{Duration, Instant};

/// Between two looks for a card: a tap is noticed at once, and the field rests.
const PAUSE: Duration = Duration::from_millis(10);
/// Between two looks whether the card is still there; its requests are served at once.
const STAY: Duration = Duration::from_millis(100);
/// Before a reader that was lost is opened again.
const REOPEN: Duration = Duration::from_millis(150);
/// Errors in a row until the reader is opened anew: one may be a bad frame.
const ERRORS: u32 = 3;
/// Each open, good or not, leaks one KiB in libnfc's binding: after so many this process ends and is started again.
const OPENS: u32 = 4000;

/// Serves the kiosk until it is gone.
pub(crate) fn serve(kiosk: Kiosk, port: &Port, mut watchdog: Watchdog) -> Result<()> {
    watchdog.ready();
    let mut sidecar = Sidecar { kiosk, watchdog, taps: 0, told: None };
    for _ in 0..OPENS {
        let why = match port.open() {
            Ok(mut reader) => match sidecar.with(&mut reader, port.driver()) {
                Ok(why) => why,
                Err(Closed) => return Ok(()),
            },
            Err(why) => why,
        };
        if sidecar.down(why).is_err() {
            return Ok(());
        }
    }
    tracing::info!(opens = OPENS, "ending to be started afresh");
    Ok(())
}

struct Sidecar {
    kiosk: Kiosk,
    watchdog: Watchdog,
    taps: u32,
    /// Why there is no reader, as the kiosk was last told.
    told: Option<String>,
}

impl Sidecar {
    /// Says so, once for each reason, and waits a little.
    fn down(&mut self, why: String) -> Result<(), Closed> {
        if self.told.as_ref() != Some(&why) {
            tracing::warn!(why, "the reader is down");
            self.kiosk.say(&ReaderLine::Down { why: why.clone() })?;
            self.told = Some(why);
        }
        let until = Instant::now() + REOPEN;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.watchdog.feed();
            if let Some(request) = self.kiosk.listen_for(left)? {
                self.refuse(&request, "the reader is down")?;
            }
        }
        Ok(())
    }

    /// Works with an open reader until it fails; gives the reason.
    fn with(&mut self, reader: &mut Reader, driver: &str) -> Result<String, Closed> {
        self.told = None;
        tracing::info!(driver, "the reader works");
        self.kiosk.say(&ReaderLine::Up { reader: driver.to_owned() })?;
        let mut errors = 0;
        loop {
            self.watchdog.feed();
            match card::find(&mut reader.device) {
                Ok(None) => {
                    errors = 0;
                    if let Some(request) = self.kiosk.listen_for(PAUSE)? {
                        self.refuse(&request, "no card is there")?;
                    }
                    continue;
                }
                Ok(Some(card)) => {
                    errors = 0;
                    if self.tap(reader, &card)?.is_ok() {
                        continue;
                    }
                }
                Err(error) => tracing::debug!(%error, "looking for a card failed"),
            }
            errors += 1;
            if reader.is_gone() {
                return Ok("the reader was unplugged".into());
            }
            if errors >= ERRORS {
                // Said before the reader is closed, which takes a while with a chip that says nothing.
                self.kiosk.say(&ReaderLine::Down { why: "the reader does not answer".into() })?;
                self.told = Some("the reader does not answer".into());
                return Ok("the reader does not answer".into());
            }
            if let Some(request) = self.kiosk.listen_for(PAUSE)? {
                self.refuse(&request, "no card is there")?;
            }
        }
    }

    /// A card has come: it is read, served and watched until it is gone.
    fn tap(&mut self, reader: &mut Reader, card: &Found) -> Result<Result<(), Error>, Closed> {
        let line = match card::read(&mut reader.device, card, self.taps.wrapping_add(1)) {
            Ok(line) => line,
            Err(Error::RfTransmissionError | Error::TargetReleased | Error::Chip) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        self.taps = self.taps.wrapping_add(1);
        self.kiosk.say(&line)?;
        let outcome = loop {
            self.watchdog.feed();
            match self.kiosk.listen_for(STAY)? {
                Some(request) if request.tap == self.taps && line != ReaderLine::BankCard => self.relay(reader, &request)?,
                Some(request) => self.refuse(&request, "another card, or none, is there")?,
                None => match card::is_there(&mut reader.device, card) {
                    Ok(true) => {}
                    Ok(false) => break Ok(()),
                    Err(error) => break Err(error),
                },
            }
        };
        self.kiosk.say(&ReaderLine::Gone)?;
        Ok(outcome)
    }

    fn relay(&mut self, reader: &mut Reader, request: &Request) -> Result<(), Closed> {
        let outcome = card::exchange(&mut reader.device, &request.apdu).map_err(|error| error.to_string());
        self.kiosk.say(&ReaderLine::Answer { number: request.number, outcome })
    }

    fn refuse(&mut self, request: &Request, why: &str) -> Result<(), Closed> {
        self.kiosk.say(&ReaderLine::Answer { number: request.number, outcome: Err(why.to_owned()) })
    }
}
