//! The card reader's process ("sidecar") and this kiosk talk in JSON lines over a Unix stream: their format ([`line`](self)),
//! and the adapter that speaks it ([`SidecarReader`]).
//!
//! One object a line, at most [`MAX_LINE`] bytes, `v` is 1, `kind` one of
//!
//! ```json
//! {"v":1,"kind":"up","reader":"pn532_uart"}
//! {"v":1,"kind":"tap","n":3,"tag":"ntag424","uid":"04DE5F1EACC040","url":"https://example.org/t?picc_data=…&cmac=…"}
//! {"v":1,"kind":"tap","n":4,"tag":"hce","uid":"08A1B2C3","data":"01…9000"}
//! {"v":1,"kind":"tap","n":5,"tag":"uid","uid":"04A1B2C3D4E580"}
//! {"v":1,"kind":"gone"}
//! {"v":1,"kind":"beat"}
//! {"v":1,"kind":"bank_card"}
//! {"v":1,"kind":"answer","n":17,"data":"9000"}
//! {"v":1,"kind":"answer","n":18,"why":"the card has left the field"}
//! {"v":1,"kind":"down","why":"no such device"}
//! ```
//!
//! `up` comes first on every connection, or `down` if the sidecar runs and its reader does not. A `beat` comes every
//! 500 ms when nothing else does; a reader is lost [`LOST_AFTER`] after its last line. `uid` is upper-case hex of 4, 7 or
//! 10 bytes; a bank card is told by its application and has no uid here, because nothing may be kept of it. `n` of a tap
//! counts taps; `data` of an `hce` tap is the application's answer to SELECT. Unknown fields and kinds are ignored, so that
//! an older kiosk reads a newer sidecar.
//!
//! The kiosk may talk to the card that is there, of the tap `tap`; the sidecar knows no keys and relays:
//!
//! ```json
//! {"v":1,"kind":"apdu","n":17,"tap":3,"data":"9071000002000000"}
//! ```

mod child;
mod line;
mod sidecar;

pub use line::{LineError, ReaderLine, Request, Tag, TagKind, Uid};
pub use sidecar::SidecarReader;

use std::time::Duration;

/// A reader is lost this long after its last line.
pub const LOST_AFTER: Duration = Duration::from_millis(1500);

/// A sidecar writes a beat this often when it has nothing else to say.
pub const BEAT_EVERY: Duration = Duration::from_millis(500);

/// Longest line, bytes, newline not counted.
pub const MAX_LINE: usize = 2048;

/// Longest command to a card, bytes: more does not fit into a frame of the reader, and libnfc does not look.
pub const MAX_APDU: usize = 255;
