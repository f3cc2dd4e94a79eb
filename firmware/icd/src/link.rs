//! Sessions: who may say what when. Pure, one for each side.

use crate::{
    DRAWER_PULSE_MS, Decoder, Drawer, Features, Firmware, FrameError, Header, NackReason, ToHost, ToMcu, VERSIONS, encode_frame,
};

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// Noise, or a message that this version does not know.
    Frame(FrameError),
    /// Of another session, or before any.
    Session,
    /// The number does not rise: a replay or an echo.
    Stale,
    /// An answer to a `Hello` that is not ours.
    Nonce,
}

/// The host's end.
#[derive(Clone, Debug)]
pub struct HostLink {
    decoder: Decoder,
    nonce: Option<u32>,
    session: Option<Session>,
}

/// What the host hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostEvent {
    /// The session is open.
    Open {
        /// Version spoken.
        version: u8,
        /// What is fitted.
        features: Features,
        /// The MCU's program.
        firmware: Firmware,
    },
    /// The MCU speaks no version of ours.
    Incompatible {
        /// Its lowest.
        min: u8,
        /// Its highest.
        max: u8,
    },
    /// Anything else.
    Message(ToHost),
}

#[derive(Clone, Copy, Debug)]
struct Session {
    id: u32,
    sent: u32,
    heard: u32,
}

impl Session {
    fn next(&mut self) -> Option<Header> {
        self.sent = self.sent.checked_add(1)?;
        Some(Header { session: self.id, sequence: self.sent })
    }
    fn accept(&mut self, header: Header) -> Result<(), LinkError> {
        if header.session != self.id {
            return Err(LinkError::Session);
        }
        if header.sequence <= self.heard {
            return Err(LinkError::Stale);
        }
        self.heard = header.sequence;
        Ok(())
    }
}

impl Default for HostLink {
    fn default() -> Self {
        Self::new()
    }
}

impl HostLink {
    /// Before any `Hello`.
    pub const fn new() -> Self {
        Self { decoder: Decoder::new(), nonce: None, session: None }
    }

    /// True while a session is open.
    pub fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// Writes a `Hello` into `out` and returns its length. Ends the session there was. `nonce` is fresh each time.
    pub fn hello(&mut self, features: Features, nonce: u32, out: &mut [u8]) -> Option<usize> {
        (self.nonce, self.session) = (Some(nonce), None);
        let hello = ToMcu::Hello { min: VERSIONS.0, max: VERSIONS.1, features, nonce };
        encode_frame(Header { session: 0, sequence: 0 }, &hello, out)
    }

    /// Writes a message of the open session into `out` and returns its length; `None` without a session.
    pub fn send(&mut self, message: &ToMcu, out: &mut [u8]) -> Option<usize> {
        encode_frame(self.session.as_mut()?.next()?, message, out)
    }

    /// Takes one byte from the MCU.
    pub fn push(&mut self, byte: u8) -> Option<Result<HostEvent, LinkError>> {
        Some(match self.decoder.push::<ToHost>(byte)? {
            Ok((header, message)) => self.accept(header, message),
            Err(error) => Err(LinkError::Frame(error)),
        })
    }

    fn accept(&mut self, header: Header, message: ToHost) -> Result<HostEvent, LinkError> {
        if let ToHost::Hello { version, min, max, features, nonce, firmware } = message {
            if self.nonce != Some(nonce) {
                return Err(LinkError::Nonce);
            }
            self.nonce = None;
            if !(VERSIONS.0..=VERSIONS.1).contains(&version) {
                return Ok(HostEvent::Incompatible { min, max });
            }
            self.session = Some(Session { id: header.session, sent: 0, heard: header.sequence });
            return Ok(HostEvent::Open { version, features, firmware });
        }
        self.session.as_mut().ok_or(LinkError::Session)?.accept(header)?;
        Ok(HostEvent::Message(message))
    }
}

/// The MCU's end.
#[derive(Clone, Debug)]
pub struct McuLink {
    decoder: Decoder,
    features: Features,
    firmware: Firmware,
    host: Features,
    session: Option<Session>,
}

/// What the MCU hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McuEvent {
    /// A host says hello: answer by [`McuLink::answer`], then say how keys, presence and headphones are.
    Hello {
        /// Its lowest version.
        min: u8,
        /// Its highest version.
        max: u8,
        /// To be echoed.
        nonce: u32,
    },
    /// Answer by `Pong`.
    Ping {
        /// To be echoed.
        token: u32,
    },
    /// Light and sound.
    Show(crate::Signal),
    /// One pulse; it is within [`DRAWER_PULSE_MS`] and has not been obeyed before.
    OpenDrawer {
        /// To be echoed.
        id: u32,
        /// How long.
        pulse_ms: u16,
    },
    /// Send this answer: the frame was intact and cannot be obeyed.
    Reply(ToHost),
    /// A message beyond version 1, of a feature that this board has.
    Command(ToMcu),
}

impl McuLink {
    /// Before any `Hello`.
    pub const fn new(features: Features, firmware: Firmware) -> Self {
        Self { decoder: Decoder::new(), features, firmware, host: Features(0), session: None }
    }

    /// True while a session is open.
    pub fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// What the host of the last `Hello` can use: nothing that needs more is to be sent to it.
    pub fn host_features(&self) -> Features {
        self.host
    }

    /// Ends the session, for instance after [`crate::SILENCE_MS`] without a frame.
    pub fn close(&mut self) {
        self.session = None;
    }

    /// Answers a `Hello` in the session `id`, which must never have been used before, also not before a reset. Without a
    /// version in common the answer says so and no session is open.
    pub fn answer(&mut self, (min, max): (u8, u8), nonce: u32, id: u32, out: &mut [u8]) -> Option<usize> {
        let highest = max.min(VERSIONS.1);
        let version = if min <= highest && VERSIONS.0 <= highest { highest } else { 0 };
        let mut session = Session { id, sent: 0, heard: 0 };
        let header = session.next()?;
        self.session = (version != 0).then_some(session);
        let (features, firmware) = (self.features, self.firmware);
        let hello = ToHost::Hello { version, min: VERSIONS.0, max: VERSIONS.1, features, nonce, firmware };
        encode_frame(header, &hello, out)
    }

    /// Writes a message of the open session into `out` and returns its length; `None` without a session.
    pub fn send(&mut self, message: &ToHost, out: &mut [u8]) -> Option<usize> {
        encode_frame(self.session.as_mut()?.next()?, message, out)
    }

    /// Takes one byte from the host.
    pub fn push(&mut self, byte: u8) -> Option<Result<McuEvent, LinkError>> {
        Some(match self.decoder.push::<ToMcu>(byte)? {
            Ok((header, message)) => self.accept(header, message),
            Err(FrameError::Unknown(header)) => self.unknown(header),
            Err(error) => Err(LinkError::Frame(error)),
        })
    }

    fn accept(&mut self, header: Header, message: ToMcu) -> Result<McuEvent, LinkError> {
        if let ToMcu::Hello { min, max, nonce, features } = message {
            // A recorded Hello ends the running session and no more: the host's next frame is refused, it says Hello
            // itself, and what was recorded after that Hello belongs to a session that is over.
            if header != (Header { session: 0, sequence: 0 }) {
                return Err(LinkError::Session);
            }
            self.host = features;
            return Ok(McuEvent::Hello { min, max, nonce });
        }
        self.session.as_mut().ok_or(LinkError::Session)?.accept(header)?;
        if !self.features.has(message.needs()) {
            let reason = NackReason::UnknownMessage;
            return Ok(McuEvent::Reply(ToHost::Nack { sequence: header.sequence, reason }));
        }
        Ok(match message {
            ToMcu::Ping { token } => McuEvent::Ping { token },
            ToMcu::Show(signal) => McuEvent::Show(signal),
            ToMcu::OpenDrawer { id, .. } if !self.features.has(Features::DRAWER) => {
                McuEvent::Reply(ToHost::Drawer { id, state: Drawer::NotFitted })
            }
            ToMcu::OpenDrawer { pulse_ms, .. } if !DRAWER_PULSE_MS.contains(&pulse_ms) => {
                McuEvent::Reply(ToHost::Nack { sequence: header.sequence, reason: NackReason::OutOfRange })
            }
            ToMcu::OpenDrawer { id, pulse_ms } => McuEvent::OpenDrawer { id, pulse_ms },
            ToMcu::Hello { .. } => return Err(LinkError::Session),
            command => McuEvent::Command(command),
        })
    }

    fn unknown(&mut self, header: Header) -> Result<McuEvent, LinkError> {
        self.session.as_mut().ok_or(LinkError::Session)?.accept(header)?;
        let reason = NackReason::UnknownMessage;
        Ok(McuEvent::Reply(ToHost::Nack { sequence: header.sequence, reason }))
    }
}
