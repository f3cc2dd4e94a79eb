//! UART and USB CDC-ACM: bytes in, bytes out, the two alike.

use crate::{
    Irqs,
    watch::{self, Part},
};
use embassy_rp::{
    Peri,
    peripherals::{PIN_0, PIN_1, UART0, USB},
    uart::{BufferedUart, BufferedUartRx, BufferedUartTx, Config},
    usb::Driver,
};
use embassy_sync::{blocking_mutex::raw::CriticalSectionRawMutex, channel::Channel, pipe::Pipe};
use embassy_time::with_timeout;
use embassy_usb::{
    Builder, UsbDevice,
    class::cdc_acm::{CdcAcmClass, Receiver, Sender, State},
};
use embedded_io_async::{Read, Write};
use peripheral_logic::Port;
use static_cell::StaticCell;

/// Longest USB packet at full speed.
const PACKET: usize = 64;

/// Bytes as they came.
pub(crate) struct Chunk {
    pub(crate) port: Port,
    pub(crate) bytes: [u8; PACKET],
    pub(crate) filled: usize,
}

/// From both ports to the brain. When it is full the receivers wait: USB then tells the host to wait too, and the UART's
/// ring buffer holds what 22 ms bring.
pub(crate) static INBOX: Channel<CriticalSectionRawMutex, Chunk, 4> = Channel::new();

type Out = Pipe<CriticalSectionRawMutex, 512>;
static UART_OUT: Out = Pipe::new();
static USB_OUT: Out = Pipe::new();

/// Says whole frames on a port, or nothing: a host that does not listen must not stop the board.
pub(crate) fn say(port: Port, mut frames: &[u8]) {
    let out = match port {
        Port::Uart => &UART_OUT,
        Port::Usb => &USB_OUT,
    };
    if out.free_capacity() < frames.len() {
        return;
    }
    // In two pieces where the pipe's ring turns over.
    while let (false, Ok(n)) = (frames.is_empty(), out.try_write(frames)) {
        frames = &frames[n..];
    }
}

pub(crate) fn uart(
    uart: Peri<'static, UART0>,
    tx: Peri<'static, PIN_0>,
    rx: Peri<'static, PIN_1>,
) -> (BufferedUartTx, BufferedUartRx) {
    static TX: StaticCell<[u8; 128]> = StaticCell::new();
    static RX: StaticCell<[u8; 256]> = StaticCell::new();
    BufferedUart::new(uart, tx, rx, Irqs, TX.init([0; 128]), RX.init([0; 256]), Config::default()).split()
}

#[embassy_executor::task]
pub(crate) async fn uart_in(mut uart: BufferedUartRx) -> ! {
    loop {
        let mut chunk = Chunk { port: Port::Uart, bytes: [0; PACKET], filled: 0 };
        // Noise on the line is an error here and rubbish to the decoder: it finds its place at the next zero.
        if let Ok(Ok(n)) = with_timeout(watch::SIGN_OF_LIFE, uart.read(&mut chunk.bytes)).await {
            chunk.filled = n;
            INBOX.send(chunk).await;
        }
        watch::progress(Part::Uart);
    }
}

#[embassy_executor::task]
pub(crate) async fn uart_out(mut uart: BufferedUartTx) -> ! {
    let mut bytes = [0; PACKET];
    loop {
        let n = UART_OUT.read(&mut bytes).await;
        let _ = uart.write_all(&bytes[..n]).await;
    }
}

type UsbDriver = Driver<'static, USB>;

pub(crate) struct Usb {
    pub(crate) device: UsbDevice<'static, UsbDriver>,
    pub(crate) sender: Sender<'static, UsbDriver>,
    pub(crate) receiver: Receiver<'static, UsbDriver>,
}

/// The pid.codes test id. Who sells a board puts an id of his own here.
const IDS: (u16, u16) = (0x1209, 0x0001);

pub(crate) fn usb(usb: Peri<'static, USB>) -> Usb {
    static CONFIG: StaticCell<[u8; 128]> = StaticCell::new();
    static BOS: StaticCell<[u8; 32]> = StaticCell::new();
    static CONTROL: StaticCell<[u8; 64]> = StaticCell::new();
    static STATE: StaticCell<State<'static>> = StaticCell::new();
    let mut config = embassy_usb::Config::new(IDS.0, IDS.1);
    config.manufacturer = Some("CEM kiosk");
    config.product = Some("Kiosk board");
    config.max_power = 100;
    let mut builder =
        Builder::new(Driver::new(usb, Irqs), config, CONFIG.init([0; 128]), BOS.init([0; 32]), &mut [], CONTROL.init([0; 64]));
    let class = CdcAcmClass::new(&mut builder, STATE.init(State::new()), PACKET as u16);
    let (sender, receiver) = class.split();
    Usb { device: builder.build(), sender, receiver }
}

#[embassy_executor::task]
pub(crate) async fn usb_device(mut device: UsbDevice<'static, UsbDriver>) -> ! {
    device.run().await
}

#[embassy_executor::task]
pub(crate) async fn usb_in(mut receiver: Receiver<'static, UsbDriver>) -> ! {
    loop {
        watch::progress(Part::Usb);
        if with_timeout(watch::SIGN_OF_LIFE, receiver.wait_connection()).await.is_err() {
            continue;
        }
        let mut chunk = Chunk { port: Port::Usb, bytes: [0; PACKET], filled: 0 };
        if let Ok(Ok(n)) = with_timeout(watch::SIGN_OF_LIFE, receiver.read_packet(&mut chunk.bytes)).await {
            chunk.filled = n;
            INBOX.send(chunk).await;
        }
    }
}

#[embassy_executor::task]
pub(crate) async fn usb_out(mut sender: Sender<'static, UsbDriver>) -> ! {
    let mut bytes = [0; PACKET];
    loop {
        let n = USB_OUT.read(&mut bytes).await;
        // A host that has gone away while a packet waited loses it; the next session begins with a Hello anyway.
        let _ = with_timeout(watch::SIGN_OF_LIFE, sender.write_packet(&bytes[..n])).await;
        if n == PACKET && USB_OUT.is_empty() {
            // A full packet is only a whole transfer to the host when a shorter one follows.
            let _ = with_timeout(watch::SIGN_OF_LIFE, sender.write_packet(&[])).await;
        }
    }
}
