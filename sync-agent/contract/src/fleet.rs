//! What devices report and what they are told.

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
}

/// The answer to a status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Commands {
    /// What the device is to do, oldest first.
    #[serde(default)]
    pub commands: Vec<Command>,
}

/// One thing for a device to do, signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Its id: a device carries each out once.
    pub id: Uuid,
    /// `lock`, `unlock`, `logs`, `restart`, `screenshot`, `identify`, or one of a later version.
    pub kind: String,
    /// When it is no longer to be carried out, RFC 3339.
    pub expires: String,
    /// Signature by the fleet's key, base64.
    pub sig: String,
}
