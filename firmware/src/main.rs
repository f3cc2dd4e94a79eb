//! The kiosk's microcontroller program: an RP2040 between the guest and the Pi.
//!
//! This crate is pins, tasks and flash; every decision is made by `peripheral-logic`, and what is said on the wire is
//! `peripheral-icd`. It never decides by itself when a drawer opens or the host loses its supply.
//!
//! # Pins
//!
//! | GPIO | Use | Electrically |
//! |---|---|---|
//! | 0, 1 | UART to the host: TX, RX, 115200 8N1 | 3.3 V |
//! | 2 to 6 | Keys up, down, select, back, help | to ground, pull-up inside |
//! | 7 | Presence sensor | high: somebody, pull-down inside |
//! | 8 | Headphone socket | to ground when plugged, pull-up inside |
//! | 9 | Service door | to ground when closed, pull-up inside |
//! | 10 | Tamper switch | to ground when closed, pull-up inside |
//! | 11 | Light ring, 16 x WS2812B | by PIO, through a level shifter |
//! | 12 | Buzzer | PWM 6 A, through a transistor |
//! | 13 | Drawer coil | by PIO, high: pulse; pull-down outside |
//! | 14 | Host supply | high: cut; pull-down outside, so that a dead board leaves the host on |
//! | 15 | Fan | PWM 7 B, 25 kHz |
//! | 25 | LED | on while a host has a session |
//! | 26, 27, 28 | Light sensor, thermistor, 12 V supply | ADC 0 to 2 |
//!
//! # Tasks
//!
//! | Task | Does |
//! |---|---|
//! | `brain` | Samples the pins every 5 ms, takes bytes from both ports, carries out what `Board::step` says |
//! | `ring` | Sends frames to the light ring |
//! | `uart_in`, `uart_out`, `usb_in`, `usb_out`, `usb_device` | Bytes between the ports and the brain |
//! | `watch` | Feeds the watchdog when brain, ring and both receivers have made progress |
#![no_std]
#![no_main]

mod brain;
mod last_words;
mod ports;
mod ring;
mod senses;
mod store;
mod watch;

use embassy_executor::{SpawnError, SpawnToken, Spawner};
use embassy_rp::{
    bind_interrupts,
    peripherals::{DMA_CH0, PIO0, UART0, USB},
    pio, uart, usb,
};
use peripheral_icd::{Firmware, ResetCause, pins};
use peripheral_logic::{FEATURES, Keeper, Known, Start};

bind_interrupts!(pub(crate) struct Irqs {
    UART0_IRQ => uart::BufferedInterruptHandler<UART0>;
    USBCTRL_IRQ => usb::InterruptHandler<USB>;
    PIO0_IRQ_0 => pio::InterruptHandler<PIO0>;
    DMA_IRQ_0 => embassy_rp::dma::InterruptHandler<DMA_CH0>;
});

/// This program's version. A symbol of its own, so that tools find it in the image.
#[used]
#[unsafe(no_mangle)]
static FIRMWARE_VERSION: [u8; 3] = [0, 1, 0];

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    let p = embassy_rp::init(Default::default());
    let mut watchdog = watch::start(p.WATCHDOG);
    let cause = watch::cause(&mut watchdog);
    // SAFETY: a static of initialised bytes.
    let [major, minor, patch] = unsafe { core::ptr::read_volatile(&raw const FIRMWARE_VERSION) };
    let (start, keeper) = begin(store::Store::new(p.FLASH), cause, Firmware { major, minor, patch });

    let uart = ports::uart(p.UART0, p.PIN_0, p.PIN_1);
    let usb = ports::usb(p.USB);
    let pio = pio::Pio::new(p.PIO0, Irqs);
    let (ring, drawer) = ring::install(pio, p.DMA_CH0, p.PIN_11, p.PIN_13);
    let senses = senses::Senses::new(senses::Pins {
        keys: [p.PIN_2.into(), p.PIN_3.into(), p.PIN_4.into(), p.PIN_5.into(), p.PIN_6.into()],
        presence: p.PIN_7,
        headphones: p.PIN_8,
        door: p.PIN_9,
        tamper: p.PIN_10,
        light: p.PIN_26,
        thermistor: p.PIN_27,
        supply: p.PIN_28,
        adc: p.ADC,
    });
    let hands = brain::Hands::new(drawer, p.PIN_14, p.PIN_25, (p.PWM_SLICE7, p.PIN_15), (p.PWM_SLICE6, p.PIN_12));

    run(&spawner, ring::run(ring));
    run(&spawner, ports::uart_in(uart.1));
    run(&spawner, ports::uart_out(uart.0));
    run(&spawner, ports::usb_device(usb.device));
    run(&spawner, ports::usb_in(usb.receiver));
    run(&spawner, ports::usb_out(usb.sender));
    run(&spawner, brain::run(start, senses, hands, keeper));
    run(&spawner, watch::run(watchdog));
}

/// Every task is spawned once, so there is always room for it.
fn run<S>(spawner: &Spawner, task: Result<SpawnToken<S>, SpawnError>) {
    match task {
        Ok(token) => spawner.spawn(token),
        Err(_) => panic!("a task was spawned twice"),
    }
}

/// What flash and the last words know. With flash that cannot be written the board runs all the same, in blocks of session
/// ids taken from its number of ticks since power came on.
fn begin(store: store::Store, cause: ResetCause, firmware: Firmware) -> (Start, Keeper<store::Store>) {
    let words = last_words::take();
    let cause = match (cause, &words) {
        (ResetCause::Own, Some(_)) => ResetCause::Panic,
        (cause, _) => cause,
    };
    let (keeper, Known { boots, block, standing }) = Keeper::open(store, embassy_time::Instant::now().as_ticks() as u32);
    let words = words.filter(|_| cause == ResetCause::Panic);
    let pins = pins::checksum(&pins::FIRMWARE);
    (Start { features: FEATURES, firmware, cause, boots, block, words, standing, pins }, keeper)
}
