//! The task that knows the board: inputs in, what `Board::step` says out.

use crate::{
    ports::{self, Chunk},
    ring::{self, Drawer},
    senses::Senses,
    store::Store,
    watch::{self, Part},
};
use embassy_futures::select::{Either, select};
use embassy_rp::{
    Peri,
    gpio::{Level, Output},
    peripherals::{PIN_12, PIN_14, PIN_15, PIN_25, PWM_SLICE6, PWM_SLICE7},
    pwm::{Config, Pwm},
};
use embassy_time::{Duration, Instant, Ticker};
use peripheral_logic::{
    Board, FlashJob, Input, Keeper, Outputs, SAMPLE_MS, Start,
    light::{DARK, FRAME_MS, Frame},
    sound::Tone,
};

/// The pins that are driven.
pub(crate) struct Hands {
    drawer: Drawer,
    host_off: Output<'static>,
    led: Output<'static>,
    fan: (Pwm<'static>, u8),
    buzzer: (Pwm<'static>, Option<Tone>),
}

/// 125 MHz over 5000 steps: 25 kHz, what four-wire fans want.
const FAN_TOP: u16 = 4_999;

/// The buzzer's PWM counts this often a second: 125 MHz through a divider of 64.
const BUZZER_HZ: u32 = 1_953_125;

impl Hands {
    pub(crate) fn new(
        drawer: Drawer,
        host: Peri<'static, PIN_14>,
        led: Peri<'static, PIN_25>,
        fan: (Peri<'static, PWM_SLICE7>, Peri<'static, PIN_15>),
        buzzer: (Peri<'static, PWM_SLICE6>, Peri<'static, PIN_12>),
    ) -> Self {
        Self {
            drawer,
            host_off: Output::new(host, Level::Low),
            led: Output::new(led, Level::Low),
            fan: (Pwm::new_output_b(fan.0, fan.1, fan_config(0)), 0),
            buzzer: (Pwm::new_output_a(buzzer.0, buzzer.1, buzzer_config(None)), None),
        }
    }

    fn obey(&mut self, out: &Outputs, open: bool) {
        self.host_off.set_level(out.host_off.into());
        self.led.set_level(open.into());
        if let Some(ms) = out.drawer_ms {
            self.drawer.pulse(ms);
        }
        if self.fan.1 != out.fan {
            self.fan.1 = out.fan;
            self.fan.0.set_config(&fan_config(out.fan));
        }
        if self.buzzer.1 != out.tone {
            self.buzzer.1 = out.tone;
            self.buzzer.0.set_config(&buzzer_config(out.tone));
        }
    }
}

fn fan_config(percent: u8) -> Config {
    let mut config = Config::default();
    config.top = FAN_TOP;
    config.compare_b = u16::from(percent.min(100)) * ((FAN_TOP + 1) / 100);
    config
}

fn buzzer_config(tone: Option<Tone>) -> Config {
    let mut config = Config::default();
    config.divider = 64u8.into();
    if let Some(Tone { hz, duty_percent }) = tone {
        let period = (BUZZER_HZ / u32::from(hz.max(100))) as u16;
        config.top = period - 1;
        config.compare_a = (u32::from(period) * u32::from(duty_percent) / 100) as u16;
    }
    config
}

struct Brain {
    board: Board,
    hands: Hands,
    keeper: Keeper<Store>,
    shown: Frame,
    frame_at: u64,
}

#[embassy_executor::task]
pub(crate) async fn run(start: Start, mut senses: Senses, hands: Hands, keeper: Keeper<Store>) -> ! {
    let board = Board::new(now(), start);
    let mut brain = Brain { board, hands, keeper, shown: DARK, frame_at: 0 };
    let mut ticker = Ticker::every(Duration::from_millis(SAMPLE_MS));
    loop {
        // The ticker first: a flood of bytes must not stop the clock.
        match select(ticker.next(), ports::INBOX.receive()).await {
            Either::First(()) => {
                brain.step(Input::Levels(senses.sample()));
                brain.show();
                watch::progress(Part::Brain);
            }
            Either::Second(Chunk { port, bytes, filled }) => {
                for &byte in &bytes[..filled] {
                    brain.step(Input::Byte(port, byte));
                }
            }
        }
    }
}

fn now() -> u64 {
    Instant::now().as_millis()
}

impl Brain {
    fn step(&mut self, input: Input) {
        let mut input = Some(input);
        while let Some(next) = input.take() {
            let out = self.board.step(now(), next);
            self.hands.obey(&out, self.board.is_open());
            ports::say(out.port, out.bytes());
            if out.confirm {
                self.keeper.confirm();
            }
            if out.restart {
                watch::restart();
            }
            if let Some(job) = out.job {
                if let FlashJob::Check(..) = job {
                    // 1.4 s in the emulator, which knows nothing of a flash cache that misses.
                    watch::allow(Duration::from_secs(6));
                }
                input = Some(self.keeper.work(job, &self.board));
            } else if out.reserve {
                input = self.keeper.reserve();
            }
        }
    }

    /// Shows a new picture if there is one.
    fn show(&mut self) {
        let now = now();
        if now < self.frame_at {
            return;
        }
        self.frame_at = now + FRAME_MS;
        let frame = self.board.ring(now);
        if frame != self.shown {
            self.shown = frame;
            ring::NEXT.signal(frame);
        }
    }
}
