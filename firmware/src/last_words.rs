//! What is said before a reset, in memory that a reset does not clear and that no program uses otherwise.

use core::{panic::PanicInfo, ptr};
use peripheral_logic::words::{SIZE, Words};

/// SRAM bank 4. See `layout/firmware.x`.
const PLACE: *mut [u8; SIZE] = 0x2004_0000 as *mut [u8; SIZE];

/// Reads the words and forgets them.
pub(crate) fn take() -> Option<Words> {
    // SAFETY: RAM that neither linker script gives away.
    let record = unsafe { ptr::read_volatile(PLACE) };
    // SAFETY: the same.
    unsafe { ptr::write_volatile(PLACE, [0; SIZE]) };
    Words::from_record(&record)
}

fn say_and_restart(words: &Words) -> ! {
    // SAFETY: the same; interrupts are off.
    unsafe { ptr::write_volatile(PLACE, words.to_record()) };
    crate::watch::restart()
}

/// Where it happened, not the message: the machinery that formats messages costs 10 KiB, and a line of source says what
/// its message would.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    let mut words = Words::default();
    match info.location() {
        Some(at) => {
            let file = at.file().as_bytes();
            words.push(&file[file.len().saturating_sub(80)..]);
            words.push(b":");
            words.push_number(at.line(), 10);
        }
        None => words.push(b"panic"),
    }
    say_and_restart(&words)
}

#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    cortex_m::interrupt::disable();
    let mut words = Words::default();
    words.push(b"hard fault pc ");
    words.push_number(frame.pc(), 16);
    words.push(b" lr ");
    words.push_number(frame.lr(), 16);
    say_and_restart(&words)
}
