//! The boot program: decides by `peripheral_logic::update` which program runs, copies it where it runs if need be, and
//! starts it with a watchdog that it must take over. It has no interrupts and no link, so that there is little in it that
//! could go wrong; it is never updated over the link.
#![no_std]
#![no_main]

#[path = "../store.rs"]
mod store;

use embassy_rp::{
    peripherals::{FLASH, WATCHDOG},
    rom_data,
    watchdog::Watchdog,
};
use embassy_time::Duration;
use peripheral_logic::{flash, update};

/// The chip runs from its ring oscillator here, about 6.5 MHz, and so does the watchdog's clock after division by this.
const OSCILLATOR_MHZ: u8 = 6;

/// A program must take the watchdog over within this time, give or take the oscillator's tolerance.
const PATIENCE: Duration = Duration::from_secs(4);

#[cortex_m_rt::entry]
fn main() -> ! {
    // SAFETY: this is the only code that runs, and it takes each of the two once.
    let (chip, watchdog) = unsafe { (FLASH::steal(), WATCHDOG::steal()) };
    let mut watchdog = Watchdog::new(watchdog);
    watchdog.stop();
    let mut store = store::Store::new(chip);
    // After an error there is nothing better than what lies there.
    let _ = update::boot(&mut store);
    let start = 0x1000_0000 + flash::RUNNING;
    // SAFETY: aligned, and flash is always readable.
    let [stack, entry] = unsafe { core::ptr::read_volatile(start as *const [u32; 2]) };
    let sound = (0x2000_0000..=0x2004_2000).contains(&stack) && (start..start + flash::SLOT).contains(&entry);
    if !sound {
        // No program: the chip's own boot loader can take one over USB.
        rom_data::reset_to_usb_boot(0, 0);
    }
    watchdog.enable_tick_generation(OSCILLATOR_MHZ);
    watchdog.start(PATIENCE);
    // SAFETY: a sound vector table; nothing of this program is used any more.
    unsafe {
        (*cortex_m::peripheral::SCB::PTR).vtor.write(start);
        cortex_m::asm::bootload(start as *const u32)
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: nothing else runs any more.
    let mut watchdog = Watchdog::new(unsafe { WATCHDOG::steal() });
    loop {
        watchdog.trigger_reset();
    }
}
