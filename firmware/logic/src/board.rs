//! Everything together.

use crate::{
    Millis,
    climate::Climate,
    drawer::Drawer,
    host::{Host, Supply},
    keys::{Debounce, KeyEvent, Keypad},
    light::{self, Frame, Look, Manner},
    presence::Presence,
    sound::{self, Tone},
    update::{Intake, Next, PROVE_MS, TRIAL_MS},
    words::{TEXT, Words},
};
use peripheral_icd::{
    Contact, Drawer as DrawerState, Fault, Features, Firmware, MAX_FRAME, McuEvent, McuLink, ResetCause, SILENCE_MS, Signal,
    ToHost, ToMcu, UpdateState,
};

/// The two ways to the host. They are equals: who said `Hello` last is the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// USB CDC-ACM.
    Usb,
    /// UART, 115200 8N1.
    Uart,
}

/// What the pins say, every [`crate::SAMPLE_MS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Bit 0 first, in the order of [`crate::keys::ORDER`]; 1: down.
    pub keys: u8,
    /// The sensor sees somebody.
    pub presence: bool,
    /// A plug is in the socket.
    pub headphones: bool,
    /// The service door is open.
    pub door: bool,
    /// The tamper switch is released.
    pub tamper: bool,
    /// Thermistor, 12 bits.
    pub thermistor: u16,
    /// Light sensor, 12 bits.
    pub light: u16,
    /// Supply divider, 12 bits.
    pub supply: u16,
}

/// Why [`Board::step`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A byte came in.
    Byte(Port, u8),
    /// A sample of the pins.
    Levels(Levels),
    /// The page of the last [`FlashJob::Write`] was written, or not.
    Written(bool),
    /// What came of the last [`FlashJob::Check`].
    Checked(UpdateState),
    /// The block of session ids that [`Outputs::reserve`] asked for has been reserved in flash.
    Reserved(u32),
}

/// Something that takes flash and time. The next message of an update is only taken when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashJob {
    /// Write [`Board::page`] there; erase the sector first if this is its first page. Then [`Input::Written`].
    Write(u32),
    /// Check length, CRC-32 and [`Board::signature`] of what has arrived; if they fit, stage it. Then [`Input::Checked`].
    Check(u32, u32),
}

/// Bytes that one step can have to say.
pub const SAY: usize = 512;

/// How everything is to be from now on, and what is to be done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// Where to [`Outputs::bytes`] go.
    pub port: Port,
    said: [u8; SAY],
    filled: usize,
    /// One pulse for the drawer, milliseconds.
    pub drawer_ms: Option<u16>,
    /// The host's supply is to be cut.
    pub host_off: bool,
    /// Fan, percent.
    pub fan: u8,
    /// The buzzer.
    pub tone: Option<Tone>,
    /// Flash.
    pub job: Option<FlashJob>,
    /// A block of session ids is needed: [`Input::Reserved`].
    pub reserve: bool,
    /// The program on trial has proved itself: say so in the journal.
    pub confirm: bool,
    /// Restart, to change programs.
    pub restart: bool,
}

impl Outputs {
    fn new(port: Port) -> Self {
        Self {
            port,
            said: [0; SAY],
            filled: 0,
            drawer_ms: None,
            host_off: false,
            fan: 0,
            tone: None,
            job: None,
            reserve: false,
            confirm: false,
            restart: false,
        }
    }

    /// Whole frames.
    pub fn bytes(&self) -> &[u8] {
        &self.said[..self.filled]
    }
}

/// What is known when the board starts.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// What is fitted.
    pub features: Features,
    /// This program.
    pub firmware: Firmware,
    /// Why it starts.
    pub cause: ResetCause,
    /// How often it has started.
    pub boots: u32,
    /// A block of session ids that no earlier start has used.
    pub block: u32,
    /// What the program before said when it panicked.
    pub words: Option<Words>,
    /// How this program came to run, and the CRC-32 of the last update.
    pub standing: (UpdateState, u32),
    /// [`peripheral_icd::pins::checksum`] of the pins that the program uses.
    pub pins: u32,
}

/// Session ids in a block.
pub const BLOCK: u32 = 4096;

const CLIMATE_EVERY_MS: Millis = 10_000;
const RESTART_AFTER_MS: Millis = 100;
const PARTS: u8 = (TEXT / 32) as u8;

/// The board.
#[derive(Clone, Debug)]
pub struct Board {
    start: Start,
    links: [McuLink; 2],
    active: Option<Port>,
    heard: Millis,
    opened: Millis,
    session: u32,
    keypad: Keypad,
    presence: Presence,
    headphones: Debounce,
    door: Debounce,
    tamper: Debounce,
    climate: Climate,
    climate_at: Millis,
    drawer: Drawer,
    host: Host,
    signal: Signal,
    shown: Millis,
    reduced_motion: bool,
    volume: u8,
    intake: Intake,
    busy: bool,
    restart_at: Option<Millis>,
    last_words: u8,
    refused: u32,
    /// When a host said what time it was, and what it said.
    clock: Option<(Millis, u32)>,
}

impl Board {
    /// A board that starts now.
    pub fn new(now: Millis, start: Start) -> Self {
        Self {
            start,
            links: [McuLink::new(start.features, start.firmware), McuLink::new(start.features, start.firmware)],
            active: None,
            heard: now,
            opened: now,
            session: 0,
            keypad: Keypad::default(),
            presence: Presence::default(),
            headphones: Debounce::default(),
            door: Debounce::default(),
            tamper: Debounce::default(),
            climate: Climate::default(),
            climate_at: now,
            drawer: Drawer::new(now),
            host: Host::new(now),
            signal: Signal::Idle,
            shown: now,
            reduced_motion: false,
            volume: 60,
            intake: Intake::new(),
            busy: false,
            restart_at: None,
            last_words: PARTS,
            refused: 0,
            clock: None,
        }
    }

    /// One step.
    pub fn step(&mut self, now: Millis, input: Input) -> Outputs {
        let mut out = Outputs::new(self.active.unwrap_or(Port::Usb));
        match input {
            Input::Byte(port, byte) => self.take(now, port, byte, &mut out),
            Input::Levels(levels) => {
                self.sense(now, &levels, &mut out);
                self.pass(now, &mut out);
            }
            Input::Written(well) => {
                self.busy = false;
                let next = self.intake.written(well);
                self.go_on(next, &mut out);
            }
            Input::Checked(state) => {
                self.busy = false;
                self.restart_at = (state == UpdateState::Accepted).then_some(now + RESTART_AFTER_MS);
                self.say(&ToHost::Update { state, offset: 0 }, &mut out);
            }
            Input::Reserved(block) => (self.start.block, self.session) = (block, 0),
        }
        self.state(now, &mut out);
        out
    }

    /// The ring's picture.
    pub fn ring(&self, now: Millis) -> Frame {
        if self.climate.is_low() {
            return light::DARK;
        }
        let look = if self.active.is_some() { Look::Signal(self.signal) } else { Look::Alone };
        light::frame(look, now - self.shown, Manner { reduced_motion: self.reduced_motion, ambient: self.climate.ambient() })
    }

    /// The page to be written by [`FlashJob::Write`].
    pub fn page(&self) -> &[u8; crate::flash::PAGE] {
        self.intake.page()
    }

    /// The signature to be checked by [`FlashJob::Check`].
    pub fn signature(&self) -> &[u8; 64] {
        self.intake.signature()
    }

    /// What light and sound mean now.
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// Frames that were refused since the start.
    pub fn refused(&self) -> u32 {
        self.refused
    }

    /// True while a host has a session.
    pub fn is_open(&self) -> bool {
        self.active.is_some()
    }

    /// How the pins are to be, whatever the step was about.
    fn state(&self, now: Millis, out: &mut Outputs) {
        out.host_off = self.host.is_off();
        if !self.climate.is_low() {
            out.fan = self.climate.fan_percent();
            if self.active.is_some() {
                out.tone = sound::tone(self.signal, now - self.shown, self.volume);
            }
        }
    }

    fn take(&mut self, now: Millis, port: Port, byte: u8, out: &mut Outputs) {
        match self.links[port as usize].push(byte) {
            None => {}
            Some(Err(_)) => self.refused = self.refused.saturating_add(1),
            Some(Ok(McuEvent::Hello { min, max, nonce })) => self.welcome(now, port, (min, max), nonce, out),
            Some(Ok(event)) => {
                self.heard = now;
                self.host.hear(now);
                self.obey(now, event, out);
            }
        }
    }

    /// Opens a session, on this port alone.
    fn welcome(&mut self, now: Millis, port: Port, versions: (u8, u8), nonce: u32, out: &mut Outputs) {
        if self.session >= BLOCK {
            return;
        }
        let id = self.start.block.wrapping_mul(BLOCK).wrapping_add(self.session);
        self.session += 1;
        out.reserve = self.session == BLOCK;
        self.hush(now);
        out.port = port;
        let link = &mut self.links[port as usize];
        if let Some(n) = link.answer(versions, nonce, id, &mut out.said) {
            out.filled = n;
        }
        if !link.is_open() {
            return;
        }
        (self.active, self.heard, self.opened, self.climate_at) = (Some(port), now, now, now + CLIMATE_EVERY_MS);
        self.last_words = 0;
        self.tell_all(now, out);
    }

    /// Ends the session there is.
    fn hush(&mut self, now: Millis) {
        self.links.iter_mut().for_each(McuLink::close);
        self.active = None;
        (self.signal, self.shown) = (Signal::Idle, now);
    }

    /// How everything is, for a host that has just said hello.
    fn tell_all(&mut self, now: Millis, out: &mut Outputs) {
        self.say(&ToHost::Presence(self.presence.near()), out);
        self.say(&ToHost::Headphones(self.headphones.state()), out);
        self.say(&ToHost::Started { cause: self.start.cause, boots: self.start.boots }, out);
        self.say(&ToHost::Contact { contact: Contact::Door, open: self.door.state() }, out);
        self.say(&ToHost::Contact { contact: Contact::Tamper, open: self.tamper.state() }, out);
        self.say_climate(out);
        let (state, crc) = self.start.standing;
        self.say(&ToHost::Update { state, offset: 0 }, out);
        self.say(&ToHost::Layout { pins: self.start.pins }, out);
        if let Some((at, utc_s)) = self.clock {
            let age_s = ((now - at) / 1_000) as u32;
            self.say(&ToHost::Clock { utc_s: utc_s.saturating_add(age_s), age_s }, out);
        }
        match self.start.cause {
            ResetCause::Watchdog => self.fault(Fault::WatchdogReset, 0, out),
            ResetCause::Panic => self.fault(Fault::Panic, 0, out),
            ResetCause::Power | ResetCause::Own => {}
        }
        if state == UpdateState::RolledBack {
            self.fault(Fault::UpdateRolledBack, crc, out);
        }
        if self.host.in_a_row() > 0 {
            self.fault(Fault::HostPowerCycled, self.host.in_a_row().into(), out);
        }
        if self.climate.is_low() {
            self.fault(Fault::BrownOut, self.climate.lowest_mv().into(), out);
        }
    }

    fn obey(&mut self, now: Millis, event: McuEvent, out: &mut Outputs) {
        match event {
            McuEvent::Hello { .. } => {}
            McuEvent::Ping { token } => self.say(&ToHost::Pong { token, uptime_ms: now as u32 }, out),
            McuEvent::Show(signal) => self.show(now, signal),
            McuEvent::OpenDrawer { id, pulse_ms } => {
                let unpowered = self.climate.is_low();
                let state = if unpowered { DrawerState::TooSoon } else { self.drawer.pulse(now, pulse_ms) };
                out.drawer_ms = (state == DrawerState::Pulsed).then_some(pulse_ms);
                self.say(&ToHost::Drawer { id, state }, out);
            }
            McuEvent::Reply(answer) => self.say(&answer, out),
            McuEvent::Command(command) => self.command(now, &command, out),
        }
    }

    fn command(&mut self, now: Millis, command: &ToMcu, out: &mut Outputs) {
        let next = match *command {
            ToMcu::Hello { .. } | ToMcu::Ping { .. } | ToMcu::OpenDrawer { .. } => return,
            ToMcu::Show(signal) => return self.show(now, signal),
            ToMcu::AskTime(grace) => {
                let granted_ms = self.host.ask(now, grace) as u32;
                return self.say(&ToHost::Time { grace, granted_ms }, out);
            }
            ToMcu::Comfort { reduced_motion, volume } => {
                (self.reduced_motion, self.volume) = (reduced_motion, volume);
                return;
            }
            ToMcu::SetTime { utc_s } => {
                self.clock = Some((now, utc_s));
                return;
            }
            // The program before must stay where it is until the one on trial has proved itself.
            _ if self.busy || self.start.standing.0 == UpdateState::Trial => Next::Say(UpdateState::Refused, 0),
            ToMcu::UpdateBegin { length, crc } => self.intake.begin(length, crc),
            ToMcu::UpdateData { offset, bytes } => self.intake.data(offset, &bytes),
            ToMcu::UpdateSignature { half, bytes } => self.intake.sign(half, &bytes),
            ToMcu::UpdateCommit => self.intake.commit(),
        };
        self.go_on(next, out);
    }

    fn go_on(&mut self, next: Next, out: &mut Outputs) {
        let job = match next {
            Next::Say(state, offset) => return self.say(&ToHost::Update { state, offset }, out),
            Next::Write(at) => FlashJob::Write(at),
            Next::Check(length, crc) => FlashJob::Check(length, crc),
        };
        self.busy = true;
        out.job = Some(job);
    }

    /// The same signal again neither restarts its picture nor sounds twice, except those that stand for an event.
    fn show(&mut self, now: Millis, signal: Signal) {
        let event = matches!(signal, Signal::Approved | Signal::Declined | Signal::CallStaff | Signal::Ready);
        if signal != self.signal || event {
            (self.signal, self.shown) = (signal, now);
        }
    }

    fn sense(&mut self, now: Millis, levels: &Levels, out: &mut Outputs) {
        let mut events = [None; crate::keys::KEYS];
        let mut free = events.iter_mut();
        self.keypad.sample(now, levels.keys, |event| {
            if let Some(place) = free.next() {
                *place = Some(event);
            }
        });
        for event in events.into_iter().flatten() {
            match event {
                KeyEvent::Edge(key, down) => self.say(&ToHost::Key { key, down }, out),
                KeyEvent::Repeat(key) => self.say(&ToHost::KeyRepeat(key), out),
                KeyEvent::Stuck(key) => self.fault(Fault::KeyStuck, key as u32, out),
            }
        }
        if self.presence.sample(levels.presence) {
            self.say(&ToHost::Presence(self.presence.near()), out);
        }
        if self.headphones.sample(levels.headphones) {
            self.say(&ToHost::Headphones(self.headphones.state()), out);
        }
        if self.door.sample(levels.door) {
            self.say(&ToHost::Contact { contact: Contact::Door, open: self.door.state() }, out);
        }
        if self.tamper.sample(levels.tamper) {
            self.say(&ToHost::Contact { contact: Contact::Tamper, open: self.tamper.state() }, out);
        }
        let changed = self.climate.sample(levels.thermistor, levels.light, levels.supply);
        if changed.brown_out {
            self.fault(Fault::BrownOut, self.climate.lowest_mv().into(), out);
        }
        if changed.overheat {
            self.fault(Fault::Overheat, self.climate.centi_celsius() as u32, out);
        }
    }

    /// What time alone brings.
    fn pass(&mut self, now: Millis, out: &mut Outputs) {
        if self.active.is_some() && now - self.heard > Millis::from(SILENCE_MS) {
            self.hush(now);
        }
        if let Some(Supply::Off(_)) = self.host.pass(now) {
            self.hush(now);
        }
        if self.active.is_some() {
            if now >= self.climate_at {
                self.climate_at = now + CLIMATE_EVERY_MS;
                self.say_climate(out);
            }
            self.say_words(out);
        }
        self.judge(now, out);
        out.restart |= self.restart_at.is_some_and(|at| now >= at);
    }

    /// A program on trial proves itself by a session without a break, or gives up.
    fn judge(&mut self, now: Millis, out: &mut Outputs) {
        if self.start.standing.0 != UpdateState::Trial {
            return;
        }
        if self.active.is_some() && now - self.opened >= PROVE_MS {
            self.start.standing.0 = UpdateState::Confirmed;
            out.confirm = true;
            self.say(&ToHost::Update { state: UpdateState::Confirmed, offset: 0 }, out);
        } else if now >= TRIAL_MS {
            out.restart = true;
        }
    }

    /// One piece a step, so that they never crowd out what is urgent.
    fn say_words(&mut self, out: &mut Outputs) {
        let Some(words) = self.start.words.filter(|_| self.last_words < PARTS) else { return };
        let part = self.last_words;
        self.last_words += 1;
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&words.text()[usize::from(part) * 32..][..32]);
        self.say(&ToHost::LastWords { part, bytes }, out);
    }

    fn say_climate(&mut self, out: &mut Outputs) {
        let climate = &self.climate;
        let message = ToHost::Climate {
            centi_celsius: climate.centi_celsius(),
            fan_percent: climate.fan_percent(),
            ambient: climate.ambient(),
            supply_mv: climate.supply_mv(),
        };
        self.say(&message, out);
    }

    fn fault(&mut self, fault: Fault, detail: u32, out: &mut Outputs) {
        self.say(&ToHost::Fault { fault, detail }, out);
    }

    /// Says it to the host there is, if it can use it.
    fn say(&mut self, message: &ToHost, out: &mut Outputs) {
        let Some(port) = self.active else { return };
        let link = &mut self.links[port as usize];
        if !link.host_features().has(message.needs()) {
            return;
        }
        out.port = port;
        let room = &mut out.said[out.filled..];
        debug_assert!(room.len() >= MAX_FRAME + 2, "one step says more than it has room for");
        out.filled += link.send(message, room).unwrap_or(0);
    }
}
