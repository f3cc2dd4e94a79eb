//! A board on the bench with a host beside it, in simulated time.

use peripheral_icd::*;
use peripheral_logic::*;

pub(super) const FIRMWARE: Firmware = Firmware { major: 1, minor: 0, patch: 0 };

/// Nothing pressed, nobody near, 20 degrees, 12 V.
pub(super) const QUIET: Levels = Levels {
    keys: 0,
    presence: false,
    headphones: false,
    door: false,
    tamper: false,
    thermistor: 2278,
    light: 2000,
    supply: 2686,
};

pub(super) fn start() -> Start {
    Start {
        features: Features::ALL,
        firmware: FIRMWARE,
        cause: ResetCause::Power,
        boots: 3,
        block: 7,
        words: None,
        standing: (UpdateState::Confirmed, 0),
        pins: pins::checksum(&pins::FIRMWARE),
    }
}

pub(super) struct Bench {
    pub(super) board: Board,
    pub(super) host: HostLink,
    pub(super) now: Millis,
    pub(super) levels: Levels,
    pub(super) port: Port,
    pub(super) last: Outputs,
    pub(super) heard: Vec<HostEvent>,
    pub(super) pulses: Vec<(Millis, u16)>,
    nonce: u32,
}

impl Bench {
    pub(super) fn new(start: Start) -> Self {
        let mut board = Board::new(0, start);
        let last = board.step(0, Input::Levels(QUIET));
        let host = HostLink::new();
        Self { board, host, now: 0, levels: QUIET, port: Port::Usb, last, heard: vec![], pulses: vec![], nonce: 0 }
    }

    pub(super) fn step(&mut self, input: Input) {
        self.last = self.board.step(self.now, input);
        self.pulses.extend(self.last.drawer_ms.map(|ms| (self.now, ms)));
        for &byte in self.last.bytes() {
            self.heard.extend(self.host.push(byte).map(Result::unwrap));
        }
    }

    /// Lets time pass, with a ping every half second if the host lives.
    pub(super) fn pass(&mut self, ms: Millis, alive: bool) {
        for _ in 0..ms / SAMPLE_MS {
            self.now += SAMPLE_MS;
            self.step(Input::Levels(self.levels));
            if alive && self.now.is_multiple_of(500) {
                self.send(&ToMcu::Ping { token: 0 });
            }
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.step(Input::Byte(self.port, b)));
    }

    pub(super) fn frame(&mut self, message: &ToMcu) -> Vec<u8> {
        let mut out = [0; MAX_FRAME + 2];
        let n = self.host.send(message, &mut out).unwrap();
        out[..n].to_vec()
    }

    pub(super) fn send(&mut self, message: &ToMcu) {
        let frame = self.frame(message);
        self.bytes(&frame);
    }

    pub(super) fn hello(&mut self, features: Features) {
        self.nonce += 1;
        let mut out = [0; MAX_FRAME + 2];
        let n = self.host.hello(features, self.nonce, &mut out).unwrap();
        self.bytes(&out[..n]);
        assert!(self.host.is_open());
    }

    /// What was heard since the last call, without pongs.
    pub(super) fn news(&mut self) -> Vec<ToHost> {
        self.heard
            .drain(..)
            .filter_map(|event| match event {
                HostEvent::Message(ToHost::Pong { .. }) => None,
                HostEvent::Message(message) => Some(message),
                _ => None,
            })
            .collect()
    }
}
