//! What devices report and what they are told.

use crate::{Envelope, EnvelopeError, EnvelopeSignature, Resend, SigningKey, Verified, VerifyingKey, enrol::Machine, time};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The body of `POST /v1/devices/{device}/status`. All members are optional on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceStatus {
    /// The active release of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_version: Option<String>,
    /// The running software.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Events not yet acknowledged.
    pub queue_depth: u64,
    /// Age of the oldest of them in seconds.
    pub oldest_unsent_s: u64,
    /// Events that the backend can never take.
    pub quarantined: u64,
    /// How far the device's clock can be trusted: `synced`, `estimated`, `unset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// Attached hardware by name, as the device describes it.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub devices: Map<String, Value>,
    /// Seconds since the program started.
    pub uptime_s: u64,
    /// Bytes free where the logs are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_free_bytes: Option<u64>,
    /// The machine that reports: on another one than was enrolled, it is a copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// Version of the staff roster that it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roster_version: Option<u64>,
    /// The newest version of the tenant's key that it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    /// Up to where each of the device's logs is settled, so that a backend that lost its last events notices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acked: Vec<Acked>,
    /// What became of commands since the last report that was answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<CommandAnswer>,
}

/// How far a log is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acked {
    /// The log.
    pub log: Uuid,
    /// Every event up to this number was answered `accepted` or `duplicate`, or is in quarantine.
    pub sequence: u64,
}

/// The answer to a status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Commands {
    /// What the device is to do, oldest first.
    #[serde(default)]
    pub commands: Vec<Command>,
    /// Numbers that the device has settled and the backend does not have: to be sent again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resend: Vec<Resend>,
}

/// One thing for a device to do, signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Its id: a device carries each out once.
    pub id: Uuid,
    /// `lock`, `unlock`, `logs`, `restart`, `screenshot`, `identify`, or one of a later version: see [`CommandKind`].
    pub kind: String,
    /// When it is no longer to be carried out, RFC 3339.
    pub expires: String,
    /// Signature by the fleet's key, base64, over the DSSE encoding of [`COMMAND_PAYLOAD_TYPE`] and
    /// `{"device":…,"expires":…,"id":…,"kind":…}` without spaces: it is good for one device only.
    pub sig: String,
}

/// The payload type that the signature of a command covers.
pub const COMMAND_PAYLOAD_TYPE: &str = "application/vnd.cem.command.v1+json";

/// What a device can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Sell nothing and show that it is locked.
    Lock,
    /// Sell again.
    Unlock,
    /// Send the last lines of its logs.
    Logs,
    /// End its programs; they are started again.
    Restart,
    /// Send what its screen shows, guests' data left out.
    Screenshot,
    /// Show which one it is.
    Identify,
    /// Stop selling, send everything, then wipe itself.
    Retire,
    /// Wipe itself at once.
    RetireNow,
}

impl CommandKind {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Lock, Self::Unlock, Self::Logs, Self::Restart, Self::Screenshot, Self::Identify, Self::Retire, Self::RetireNow];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::Logs => "logs",
            Self::Restart => "restart",
            Self::Screenshot => "screenshot",
            Self::Identify => "identify",
            Self::Retire => "retire",
            Self::RetireNow => "retire_now",
        }
    }

    /// The kind of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Why a command is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefused {
    /// Not signed for this device by a key that is trusted for commands.
    #[error("the command is not believed: {0}")]
    Envelope(#[from] EnvelopeError),
    /// Its time is over.
    #[error("the command has expired")]
    Expired,
    /// A kind of a later version.
    #[error("this version does not know the command {0:?}")]
    Unknown(String),
}

/// What is signed of a command, in this order.
#[derive(Serialize)]
struct SignedCommand<'a> {
    device: &'a str,
    expires: &'a str,
    id: Uuid,
    kind: &'a str,
}

impl Command {
    /// Signs a command for the device with this `source`.
    ///
    /// # Errors
    /// Never in practice: when it cannot be written as JSON.
    pub fn sign(id: Uuid, kind: CommandKind, source: &str, expires_ms: i64, key: &SigningKey) -> serde_json::Result<Self> {
        let mut command = Self { id, kind: kind.word().to_owned(), expires: time::rfc3339(expires_ms), sig: String::new() };
        let mut envelope = Envelope::sign(COMMAND_PAYLOAD_TYPE, &command.signed(source)?, key);
        command.sig = envelope.signatures.pop().map(|signature| signature.sig).unwrap_or_default();
        Ok(command)
    }

    /// Checks that the command is for the device with this `source`, by a key that is trusted for commands, in time, and
    /// known. That it is carried out once is the caller's to see to, by its `id`.
    ///
    /// # Errors
    /// As [`CommandRefused`] says.
    pub fn verify(&self, source: &str, keys: &[VerifyingKey], now_ms: i64) -> Result<Verified<CommandKind>, CommandRefused> {
        let payload = self.signed(source).map_err(|error| EnvelopeError::NotReadable(error.to_string()))?;
        let envelope = Envelope {
            payload: STANDARD.encode(payload),
            payload_type: COMMAND_PAYLOAD_TYPE.to_owned(),
            signatures: vec![EnvelopeSignature { keyid: String::new(), sig: self.sig.clone() }],
        };
        let verified = envelope.verify_bytes(COMMAND_PAYLOAD_TYPE, keys)?;
        if time::parse_rfc3339(&self.expires).is_none_or(|expires| now_ms >= expires) {
            return Err(CommandRefused::Expired);
        }
        let kind = CommandKind::from_word(&self.kind).ok_or_else(|| CommandRefused::Unknown(self.kind.clone()))?;
        Ok(verified.map(|_| kind))
    }

    fn signed(&self, source: &str) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&SignedCommand { device: source, expires: &self.expires, id: self.id, kind: &self.kind })
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// The command.
    pub id: Uuid,
    /// What became of it.
    pub outcome: CommandOutcome,
    /// Why, or what a person should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When, RFC 3339.
    #[serde(default)]
    pub at: String,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandOutcome {
    /// It is done.
    Done,
    /// It was taken and takes a while.
    Started,
    /// It was tried and did not work.
    Failed,
    /// It was not tried: not believed, too late, not known.
    Refused,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SOURCE: &str = "/stores/s-001/devices/k-01";
    const NOON: i64 = 1_795_257_000_000;

    fn signed(kind: CommandKind) -> (Command, [VerifyingKey; 1]) {
        let key = SigningKey::from_bytes(&[9; 32]);
        (Command::sign(Uuid::from_u128(7), kind, SOURCE, NOON + 1_000, &key).unwrap(), [key.verifying_key()])
    }

    #[test]
    fn a_command_is_for_one_device_until_it_expires() {
        for kind in CommandKind::ALL {
            let (command, keys) = signed(kind);
            assert_eq!(command.verify(SOURCE, &keys, NOON).map(Verified::into_inner), Ok(kind));
            assert!(matches!(command.verify("/stores/s-001/devices/k-02", &keys, NOON), Err(CommandRefused::Envelope(_))));
            assert_eq!(command.verify(SOURCE, &keys, NOON + 1_000), Err(CommandRefused::Expired));
            assert!(matches!(command.verify(SOURCE, &[], NOON), Err(CommandRefused::Envelope(_))));
        }
    }

    #[test]
    fn a_command_that_was_changed_is_not_believed() {
        let (command, keys) = signed(CommandKind::Identify);
        for forged in [
            Command { id: Uuid::from_u128(8), ..command.clone() },
            Command { kind: "retire_now".into(), ..command.clone() },
            Command { expires: time::rfc3339(NOON + 9_000), ..command.clone() },
        ] {
            assert!(matches!(forged.verify(SOURCE, &keys, NOON), Err(CommandRefused::Envelope(_))));
        }
    }

    /// Frozen: devices in shops check commands by these bytes. Nobody edits this test.
    #[test]
    fn what_is_signed_of_a_command_has_these_bytes_for_ever() {
        let (command, _) = signed(CommandKind::Lock);
        let expected = r#"{"device":"/stores/s-001/devices/k-01","expires":"2026-11-21T10:30:01.000Z","id":"00000000-0000-0000-0000-000000000007","kind":"lock"}"#;
        assert_eq!(String::from_utf8(command.signed(SOURCE).unwrap()).unwrap(), expected);
    }

    #[test]
    fn a_kind_of_a_later_version_is_refused_by_name() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let mut command = signed(CommandKind::Lock).0;
        command.kind = "dance".into();
        let mut envelope = Envelope::sign(COMMAND_PAYLOAD_TYPE, &command.signed(SOURCE).unwrap(), &key);
        command.sig = envelope.signatures.pop().unwrap().sig;
        assert_eq!(command.verify(SOURCE, &[key.verifying_key()], NOON), Err(CommandRefused::Unknown("dance".into())));
    }
}
