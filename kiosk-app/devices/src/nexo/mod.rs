//! A terminal that speaks SaleToPOI messages: JSON over HTTPS, in the shape of nexo's Sale to POI protocol 3.1.
//!
//! | Command | Message | Answer |
//! |---|---|---|
//! | Authorise | `PaymentRequest` | `PaymentResponse` |
//! | Refund | `PaymentRequest`, `PaymentType` `Refund` | `PaymentResponse` |
//! | Reverse | `ReversalRequest` with the `TransactionID` | `ReversalResponse` |
//! | End of day | `ReconciliationRequest` | `ReconciliationResponse` with totals by card brand |
//! | Enquiry | `TransactionStatusRequest` with our `ServiceID` | the repeated response, `InProgress` or `NotFound` |
//! | Abort | `AbortRequest` with our `ServiceID`, on a connection of its own | none awaited |
//! | Probe | `DiagnosisRequest` | `DiagnosisResponse` |
//!
//! Each request is one `POST /nexo` on a connection of its own. `ServiceID` is made of the attempt's id, so that an enquiry
//! asks for exactly that attempt, also after a restart. `TransactionID` is the terminal's receipt number and must be
//! decimal; a terminal that writes anything else there can be paid at but not reversed by number.
//!
//! The terminal is known by the SHA-256 of its certificate and by nothing else: such terminals sign their own. What this
//! adapter leaves out of the protocol: login, display and print requests of the terminal, encrypted message bodies.
//!
//! A card number is never kept: of `MaskedPan` only four digits are read, brand and slips are masked ([`crate::mask`]).

mod client;
mod http;
mod message;
mod tls;

pub use client::{NexoLimits, NexoTerminal};
pub use http::{HttpError, Limits as HttpLimits, Request, read_request, write_response};
pub use message::{NexoNames, service_id};
pub use tls::Pin;
