//! What PIO 0 does by itself: the light ring's waveform, and the drawer's pulse.

use crate::{
    Irqs,
    watch::{self, Part},
};
use embassy_rp::{
    Peri,
    clocks::clk_sys_freq,
    dma,
    peripherals::{DMA_CH0, PIN_11, PIN_13, PIO0},
    pio::{
        Common, Config, FifoJoin, LoadedProgram, Pio, ShiftConfig, ShiftDirection, StateMachine,
        program::{Program, pio_asm},
    },
};
use embassy_sync::{blocking_mutex::raw::CriticalSectionRawMutex, signal::Signal};
use embassy_time::{Timer, with_timeout};
use fixed::{FixedU32, types::extra::U8};
use peripheral_logic::light::{DARK, Frame, RING};

/// The picture to be shown next.
pub(crate) static NEXT: Signal<CriticalSectionRawMutex, Frame> = Signal::new();

/// The ring's state machine and what feeds it.
pub(crate) struct Ring {
    machine: StateMachine<'static, PIO0, 0>,
    dma: dma::Channel<'static>,
}

/// Steps of the waveform in a bit; 800,000 bits a second.
const STEPS_A_BIT: u32 = 10;

/// The ring takes a picture over when the line has been low for 50 µs, newer parts after 280 µs.
const LATCH_US: u64 = 300;

impl Ring {
    async fn write(&mut self, frame: &Frame) {
        let mut words = [0; RING];
        for (word, [r, g, b]) in words.iter_mut().zip(*frame) {
            *word = u32::from_be_bytes([g, r, b, 0]);
        }
        self.machine.tx().dma_push(&mut self.dma, &words, false).await;
        // The FIFO holds eight words when the transfer is over: 240 µs, and then the latch.
        Timer::after_micros(8 * 30 + LATCH_US).await;
    }
}

/// The coil's one-shot. A state machine of its own ends every pulse and keeps the rest after it, whatever the processor
/// does meanwhile; it cannot make one longer than 512 ms.
pub(crate) struct Drawer(StateMachine<'static, PIO0, 1>);

/// Steps of the one-shot in a millisecond.
const STEPS: u32 = 8;

impl Drawer {
    /// Starts a pulse.
    pub(crate) fn pulse(&mut self, ms: u16) {
        self.0.tx().try_push(u32::from(ms) * STEPS);
    }
}

/// Puts both programs into PIO 0.
pub(crate) fn install(
    mut pio: Pio<'static, PIO0>,
    dma: Peri<'static, DMA_CH0>,
    ring: Peri<'static, PIN_11>,
    coil: Peri<'static, PIN_13>,
) -> (Ring, Drawer) {
    // A one is high for 7 steps of 125 ns of 10, a zero for 3: 0.875 and 0.375 µs; the data sheet wants
    // 0.8 and 0.4, give or take 0.15.
    let waveform = pio_asm!(
        ".side_set 1",
        "    set pindirs, 1 side 0",
        ".wrap_target",
        "bit:",
        "    out x, 1       side 0 [2]",
        "    jmp !x zero    side 1 [2]",
        "    jmp bit        side 1 [3]",
        "zero:",
        "    nop            side 0 [3]",
        ".wrap",
    );
    let pin = pio.common.make_pio_pin(ring);
    let mut config = Config::default();
    config.use_program(&load(&mut pio.common, &waveform.program), &[&pin]);
    config.set_set_pins(&[&pin]);
    config.fifo_join = FifoJoin::TxOnly;
    config.shift_out = ShiftConfig { auto_fill: true, threshold: 24, direction: ShiftDirection::Left };
    config.clock_divider = divider(800 * STEPS_A_BIT);
    let mut machine = pio.sm0;
    machine.set_config(&config);
    machine.set_enable(true);
    let ring = Ring { machine, dma: dma::Channel::new(dma, Irqs) };

    // Twelve bits are all that is taken of a length: 4095 steps. Then 4096 steps of rest.
    let one_shot = pio_asm!(
        "    set pins, 0",
        "    set pindirs, 1",
        ".wrap_target",
        "    pull block",
        "    out x, 12",
        "    set pins, 1",
        "on:",
        "    jmp x-- on",
        "    set pins, 0",
        "    set y, 31",
        "off:",
        "    nop [31]",
        "    nop [31]",
        "    nop [31]",
        "    jmp y-- off [31]",
        ".wrap",
    );
    let pin = pio.common.make_pio_pin(coil);
    let mut config = Config::default();
    config.use_program(&load(&mut pio.common, &one_shot.program), &[]);
    config.set_set_pins(&[&pin]);
    config.shift_out.direction = ShiftDirection::Right;
    config.clock_divider = divider(STEPS);
    let mut drawer = pio.sm1;
    drawer.set_config(&config);
    drawer.set_enable(true);
    (ring, Drawer(drawer))
}

/// Both programs fit, and are all there is. Said without the machinery that formats errors, which is 1 KiB.
fn load<const SIZE: usize>(common: &mut Common<'static, PIO0>, program: &Program<SIZE>) -> LoadedProgram<'static, PIO0> {
    match common.try_load_program(program) {
        Ok(loaded) => loaded,
        Err(_) => panic!("no room in PIO 0"),
    }
}

/// From the system clock to so many thousand steps a second, in 256ths.
fn divider(khz: u32) -> FixedU32<U8> {
    FixedU32::from_bits((u64::from(clk_sys_freq()) * 256 / u64::from(khz * 1_000)) as u32)
}

/// Shows what is new at once, and what is old again now and then, so that a light that missed a bit recovers.
#[embassy_executor::task]
pub(crate) async fn run(mut ring: Ring) -> ! {
    let mut frame = DARK;
    loop {
        frame = with_timeout(watch::SIGN_OF_LIFE, NEXT.wait()).await.unwrap_or(frame);
        ring.write(&frame).await;
        watch::progress(Part::Ring);
    }
}
