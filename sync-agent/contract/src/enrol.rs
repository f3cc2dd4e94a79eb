//! How a device becomes one of ours: `POST /v1/devices/enrol`.
//!
//! A person gets a code from ops (`fleet enrol`): twelve characters, fifteen minutes, once. The device makes an Ed25519 key
//! pair whose private half never leaves it, and sends the code with the public half. What comes back is all that it needs:
//! token, certificate, the keys to believe others by, and the scoped keys to know guests by. A master key is never in it.

use crate::{VerifyingKey, hex, key_id};
use serde::{Deserialize, Serialize};

/// Characters of a code, its dashes left out: 60 bits.
pub const CODE_CHARS: usize = 12;
/// For how long a code may be used, milliseconds.
pub const CODE_VALID_MS: i64 = 15 * 60 * 1_000;
/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LINK: &str = "cem-enrol:";

/// The body of `POST /v1/devices/enrol`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The one-time code as a person typed it; dashes, spaces and case do not matter.
    pub code: String,
    /// The device's Ed25519 public key, 64 hex digits.
    pub public_key: String,
    /// What the device is.
    #[serde(default)]
    pub machine: Machine,
}

/// What tells one device from a copy of its disk. Empty where the machine does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// `/etc/machine-id`.
    pub id: String,
    /// Serial or CID of the disk.
    pub disk: String,
    /// Model as the firmware says it, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model: String,
}

impl Machine {
    /// Whether this is another machine, or another disk, than `other`. What either does not know is not compared.
    #[must_use]
    pub fn differs(&self, other: &Self) -> bool {
        let differ = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
        differ(&self.id, &other.id) || differ(&self.disk, &other.disk)
    }
}

/// The answer to an [`EnrolRequest`], 201. It is given once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolAnswer {
    /// The device token, the working credential.
    pub token: String,
    /// The device's X.509 certificate, PEM.
    pub certificate: String,
    /// Whom to believe.
    pub trust_root: TrustRoot,
    /// Scoped keys: the tenant's for pseudonyms, the one that reads a card's number and counter, the pepper of PINs.
    #[serde(default)]
    pub keys: Vec<ScopedKey>,
    /// Who the device is from now on.
    pub config: DeviceConfig,
}

impl std::fmt::Debug for EnrolAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrolAnswer").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The public keys that a device believes, and what each is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustRoot {
    /// Counts up with every change.
    #[serde(default)]
    pub version: u64,
    /// The keys; two of a use are valid at once while one takes over from the other.
    pub keys: Vec<TrustedKey>,
    /// Certificate of the authority that signs devices' certificates, PEM.
    #[serde(default)]
    pub device_ca: String,
}

/// One public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedKey {
    /// Its name: see [`crate::key_id`].
    pub id: String,
    /// Ed25519, 64 hex digits.
    pub public: String,
    /// What it may sign: [`KEY_PROFILES`], [`KEY_ROSTER`], [`KEY_COMMANDS`]. Unknown words mean nothing.
    pub uses: Vec<String>,
}

/// Guests' profiles.
pub const KEY_PROFILES: &str = "profiles";
/// The staff roster.
pub const KEY_ROSTER: &str = "roster";
/// Commands to devices.
pub const KEY_COMMANDS: &str = "commands";

impl TrustedKey {
    /// Names what a key may sign.
    #[must_use]
    pub fn new(key: &VerifyingKey, uses: &[&str]) -> Self {
        let uses = uses.iter().map(|word| (*word).to_owned()).collect();
        Self { id: key_id(key), public: hex::encode(key.as_bytes()), uses }
    }
}

impl TrustRoot {
    /// The keys for one use. One that is not a key is left out.
    #[must_use]
    pub fn keys_for(&self, wanted: &str) -> Vec<VerifyingKey> {
        let for_it = self.keys.iter().filter(|key| key.uses.iter().any(|word| word == wanted));
        for_it.filter_map(|key| public_key(&key.public)).collect()
    }
}

/// Reads an Ed25519 public key of 64 hex digits.
#[must_use]
pub fn public_key(text: &str) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(&hex::decode(text)?.try_into().ok()?).ok()
}

/// A secret that a device holds for one purpose. Never a key from which those of others can be made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopedKey {
    /// [`PURPOSE_TENANT`], [`PURPOSE_PICC_DATA`], [`PURPOSE_PIN_PEPPER`], or one of a later version.
    pub purpose: String,
    /// Of each purpose the highest is used for what is new; older ones stay as long as they are listed.
    pub version: u32,
    /// The key in hex: 32 bytes, 16 for [`PURPOSE_PICC_DATA`].
    pub key: String,
    /// When the version goes out of use, RFC 3339; absent while it is the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires: Option<String>,
}

/// Makes pseudonyms of card ids: `<version>:<hex>`.
pub const PURPOSE_TENANT: &str = "tenant";
/// Reads number and counter out of a card's dynamic address; authenticates nothing.
pub const PURPOSE_PICC_DATA: &str = "picc-data";
/// Goes into every PIN's hash: see [`crate::pin`].
pub const PURPOSE_PIN_PEPPER: &str = "pin-pepper";

impl ScopedKey {
    /// The key's bytes; `None` when it is not hex.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        hex::decode(&self.key)
    }

    /// The newest of a purpose.
    #[must_use]
    pub fn newest<'a>(keys: &'a [Self], purpose: &str) -> Option<&'a Self> {
        keys.iter().filter(|key| key.purpose == purpose).max_by_key(|key| key.version)
    }
}

impl std::fmt::Debug for ScopedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScopedKey({} {})", self.purpose, self.version)
    }
}

/// Who a device is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceConfig {
    /// The store.
    pub store: String,
    /// The device's name within the store. A replacement has the name of the device that it replaces.
    pub device: String,
    /// `kiosk`, `counter`, `order-board`, …
    pub role: String,
    /// The CloudEvents `source` of the device: `/stores/<store>/devices/<device>`.
    pub source: String,
    /// Till number, kept by a replacement.
    pub till: u32,
    /// The letter that its order numbers begin with, kept by a replacement.
    pub order_letter: String,
}

/// What an enrolled device keeps of it in the open: everything that is not secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Enrolment {
    /// Who the device is.
    pub config: DeviceConfig,
    /// The backend's base address.
    pub backend: String,
    /// The proxy on the way to it, as it was typed when the device was set up; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub proxy: String,
    /// The device's Ed25519 public key, 64 hex digits.
    pub public_key: String,
    /// The device's certificate, PEM.
    pub certificate: String,
    /// Whom to believe.
    pub trust_root: TrustRoot,
    /// The machine that was enrolled. On another one, this is a copy.
    pub machine: Machine,
    /// When, RFC 3339.
    pub enrolled: String,
}

/// How far a device is with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EnrolmentState {
    /// It waits for a code.
    NotEnrolled,
    /// It is at it.
    Working {
        /// What it does now.
        step: EnrolStep,
    },
    /// It did not work; a person may try again.
    Refused {
        /// Why, for a program.
        reason: EnrolRefusal,
        /// Why and what to do, for a person, in English.
        text: String,
    },
    /// It is one of ours.
    Enrolled {
        /// As whom.
        enrolment: Box<Enrolment>,
    },
    /// It was one of ours and has wiped itself; a new code makes it a new device.
    Retired,
}

/// A step of an enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolStep {
    /// Makes its key pair.
    Keys,
    /// Asks the backend.
    Asking,
    /// Seals and stores what it was given.
    Storing,
    /// Starts to work with it.
    Starting,
}

/// Why an enrolment was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolRefusal {
    /// No such code was given out, or it was withdrawn.
    Wrong,
    /// The code was used already.
    Used,
    /// The code's fifteen minutes are over.
    Late,
    /// Too many wrong codes in a short time, from anywhere: wait.
    TooMany,
    /// What was sent is not a code, or not a key.
    Malformed,
    /// The backend was not reached, or did not answer as a backend does.
    Unreachable,
    /// The device could not store what it was given.
    Storage,
    /// The device is enrolled already.
    Enrolled,
}

impl EnrolRefusal {
    /// The `type` of the backend's problem+json; `None` for what only a device can find.
    #[must_use]
    pub const fn problem_type(self) -> Option<&'static str> {
        match self {
            Self::Wrong => Some("urn:cem:problem:enrol-code-wrong"),
            Self::Used => Some("urn:cem:problem:enrol-code-used"),
            Self::Late => Some("urn:cem:problem:enrol-code-late"),
            Self::TooMany => Some("urn:cem:problem:enrol-too-many"),
            Self::Malformed => Some("urn:cem:problem:enrol-malformed"),
            Self::Unreachable | Self::Storage | Self::Enrolled => None,
        }
    }

    /// The refusal that a problem's `type` names.
    #[must_use]
    pub fn of_problem_type(kind: &str) -> Option<Self> {
        [Self::Wrong, Self::Used, Self::Late, Self::TooMany, Self::Malformed]
            .into_iter()
            .find(|refusal| refusal.problem_type() == Some(kind))
    }
}

/// Makes a code of random bytes: `K7PM-2QXA-9TDE`.
#[must_use]
pub fn code(random: [u8; CODE_CHARS]) -> String {
    let chars: Vec<u8> = random.iter().map(|byte| ALPHABET[usize::from(byte & 31)]).collect();
    chars.chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-")
}

/// A code as it is compared: twelve characters without dashes. What people confuse is put right (O is 0, I and L are 1);
/// `None` for what no code looks like.
#[must_use]
pub fn normalise_code(typed: &str) -> Option<String> {
    let mut code = String::with_capacity(CODE_CHARS);
    for typed in typed.chars().filter(|c| !c.is_whitespace() && *c != '-').take(CODE_CHARS + 1) {
        let meant = match typed.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        if !meant.is_ascii() || !ALPHABET.contains(&(meant as u8)) {
            return None;
        }
        code.push(meant);
    }
    (code.len() == CODE_CHARS).then_some(code)
}

/// The body of `POST /v1/fleet/codes` (ops).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRequest {
    /// The store.
    pub store: String,
    /// The device's name within it.
    pub device: String,
    /// `kiosk`, `counter`, `order-board`, …
    pub role: String,
}

/// A code that was given out, and for whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeGiven {
    /// The code. It is given once and stored nowhere.
    pub code: String,
    /// When it ends, RFC 3339.
    pub expires: String,
    /// Who the device will be.
    pub config: DeviceConfig,
    /// For a replacement: what the backend knows that the device before it had not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsent: Option<Unsent>,
}

impl std::fmt::Debug for CodeGiven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeGiven").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What the backend knows of events that a device had not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unsent {
    /// When the device reported last, RFC 3339; absent when it never did.
    pub reported: Option<String>,
    /// Events that it had not sent then.
    pub queue_depth: u64,
    /// Age of the oldest of them then, seconds.
    pub oldest_unsent_s: u64,
    /// When its last event arrived, RFC 3339.
    pub last_event: Option<String>,
    /// What arrived of its logs.
    pub logs: Vec<LogSeen>,
}

/// What arrived of one log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSeen {
    /// The log.
    pub log: String,
    /// The highest number that arrived.
    pub last: u64,
    /// Numbers below it that did not.
    pub missing: u64,
}

/// The answer to `GET /v1/devices/{device}/keys`: what a device fetches anew when the feed says `keys`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceKeys {
    /// The scoped keys, all versions in use.
    pub keys: Vec<ScopedKey>,
    /// Whom to believe.
    pub trust_root: TrustRoot,
}

/// What the QR code of `fleet enrol` says: where, and the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolLink {
    /// The backend's base address.
    pub backend: String,
    /// The code.
    pub code: String,
}

impl EnrolLink {
    /// `cem-enrol:https://cem.example#K7PM-2QXA-9TDE`.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{LINK}{}#{}", self.backend, self.code)
    }

    /// Reads a link; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (backend, code) = text.trim().strip_prefix(LINK)?.rsplit_once('#')?;
        let is_address = backend.starts_with("https://") || backend.starts_with("http://");
        (is_address && normalise_code(code).is_some()).then(|| Self { backend: backend.to_owned(), code: code.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::SigningKey;

    #[test]
    fn a_code_is_read_however_a_person_types_it() {
        let made = code([0, 1, 2, 3, 28, 29, 30, 31, 32, 33, 255, 200]);
        assert_eq!(made, "0123-WXYZ-01Z8");
        for typed in ["0123-WXYZ-01Z8", "o1 23wx yz0lz8", " oi23-wxyz-0Iz8\n"] {
            assert_eq!(normalise_code(typed).as_deref(), Some("0123WXYZ01Z8"), "{typed}");
        }
        for wrong in ["", "0123-WXYZ-01Z", "0123-WXYZ-01Z88", "0123-WXYU-01Z8", "0123-WXYé-01Z8"] {
            assert_eq!(normalise_code(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_link_says_where_and_which_code() {
        let link = EnrolLink { backend: "https://cem.example/shop".into(), code: "K7PM-2QXA-9TDE".into() };
        assert_eq!(link.text(), "cem-enrol:https://cem.example/shop#K7PM-2QXA-9TDE");
        assert_eq!(EnrolLink::parse(&link.text()), Some(link));
        for other in ["https://cem.example#K7PM-2QXA-9TDE", "cem-enrol:ftp://x#K7PM-2QXA-9TDE", "cem-enrol:https://x#K7PM"] {
            assert_eq!(EnrolLink::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_is_believed_for_its_uses_only() {
        let (a, b) = (SigningKey::from_bytes(&[1; 32]).verifying_key(), SigningKey::from_bytes(&[2; 32]).verifying_key());
        let mut root = TrustRoot {
            version: 1,
            keys: vec![TrustedKey::new(&a, &[KEY_PROFILES]), TrustedKey::new(&b, &[KEY_ROSTER, KEY_COMMANDS])],
            device_ca: String::new(),
        };
        assert_eq!((root.keys_for(KEY_PROFILES), root.keys_for(KEY_COMMANDS)), (vec![a], vec![b]));
        root.keys[0].public = "rubbish".into();
        assert_eq!(root.keys_for(KEY_PROFILES), vec![]);
    }

    #[test]
    fn a_machine_is_another_one_when_anything_known_differs() {
        let here = Machine { id: "a".into(), disk: "1".into(), model: "x".into() };
        let other = |id: &str, disk: &str| Machine { id: id.into(), disk: disk.into(), model: "y".into() };
        assert!(!here.differs(&other("a", "1")) && !here.differs(&other("", "1")) && !here.differs(&other("a", "")));
        assert!(here.differs(&other("b", "1")) && here.differs(&other("a", "2")));
    }

    #[test]
    fn secrets_are_not_shown() {
        let key = ScopedKey { purpose: PURPOSE_TENANT.into(), version: 2, key: "abcdef".into(), retires: None };
        assert_eq!(format!("{key:?}"), "ScopedKey(tenant 2)");
        let answer = EnrolAnswer {
            token: "cem_device_secret".into(),
            certificate: String::new(),
            trust_root: TrustRoot::default(),
            keys: vec![key],
            config: DeviceConfig::default(),
        };
        assert!(!format!("{answer:?}").contains("secret") && !format!("{answer:?}").contains("abcdef"));
    }

    #[test]
    fn every_refusal_of_the_backend_has_a_type_of_its_own() {
        for refusal in
            [EnrolRefusal::Wrong, EnrolRefusal::Used, EnrolRefusal::Late, EnrolRefusal::TooMany, EnrolRefusal::Malformed]
        {
            assert_eq!(EnrolRefusal::of_problem_type(refusal.problem_type().unwrap()), Some(refusal));
        }
        assert_eq!(EnrolRefusal::of_problem_type("about:blank"), None);
    }
}
