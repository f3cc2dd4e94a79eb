//! What the first start changes of the machine: network, time zone, clock. Through the tools that Debian has for it, which
//! ask polkit whether the kiosk's user may.

use kiosk_core::setup::{Network, SetupTrouble, Wifi};
use std::{
    fs,
    io::Write as _,
    net::{TcpStream, ToSocketAddrs as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// What a connection to the backend may take.
const REACH: Duration = Duration::from_secs(4);
/// Name of the connection that this program makes.
const CONNECTION: &str = "cem-shop";

/// A machine that can be set up.
pub trait Machine: Send {
    /// How it is connected, and whether the address of the backend, or of the proxy on the way to it, can be reached.
    fn network(&mut self, address: &str) -> Network;
    /// Joins a wireless network; an empty passphrase for an open one.
    fn join_wifi(&mut self, ssid: &str, passphrase: &str) -> Result<(), SetupTrouble>;
    /// Sets the time zone, by its name in the IANA database.
    fn set_zone(&mut self, zone: &str) -> Result<(), SetupTrouble>;
    /// Sets the clock: `2026-11-22 10:31`, local time.
    fn set_clock(&mut self, local: &str) -> Result<(), SetupTrouble>;
}

/// A Debian machine with NetworkManager and systemd. Without NetworkManager the network is [`Network::fixed`].
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkManager;

impl Machine for NetworkManager {
    fn network(&mut self, backend: &str) -> Network {
        let online = reaches(backend);
        let Some(devices) = nmcli(&["-t", "-f", "TYPE,STATE", "device", "status"]) else {
            return Network { cable: carrier(Path::new("/sys/class/net")), online, fixed: true, ..Network::default() };
        };
        let cable = devices.lines().any(|line| line.starts_with("ethernet:connected"));
        let list = nmcli(&["-t", "-f", "IN-USE,SSID,SIGNAL,SECURITY", "device", "wifi", "list", "--rescan", "auto"]);
        let (joined, wifi) = networks(&list.unwrap_or_default());
        Network { cable, joined, wifi, online, fixed: false }
    }

    fn join_wifi(&mut self, ssid: &str, passphrase: &str) -> Result<(), SetupTrouble> {
        // What was tried before under this name must not stay.
        let _ = nmcli(&["connection", "delete", CONNECTION]);
        let add = ["connection", "add", "type", "wifi", "con-name", CONNECTION, "ssid", ssid];
        nmcli(&add).ok_or(SetupTrouble::NotAllowed)?;
        if passphrase.is_empty() {
            return nmcli(&["connection", "up", CONNECTION]).map(drop).ok_or(SetupTrouble::CannotJoin);
        }
        nmcli(&["connection", "modify", CONNECTION, "wifi-sec.key-mgmt", "wpa-psk"]).ok_or(SetupTrouble::NotAllowed)?;
        // By standard input: arguments can be read by every process of the machine.
        let secret = format!("802-11-wireless-security.psk:{passphrase}\n");
        let up = run("nmcli", &["--wait", "60", "connection", "up", CONNECTION, "passwd-file", "/dev/stdin"], Some(&secret));
        match up {
            Some(out) if out.success => Ok(()),
            Some(out) if out.error.contains("Secrets were required") || out.error.contains("802-1x") => {
                Err(SetupTrouble::WrongPassphrase)
            }
            _ => Err(SetupTrouble::CannotJoin),
        }
    }

    fn set_zone(&mut self, zone: &str) -> Result<(), SetupTrouble> {
        done("timedatectl", &["set-timezone", zone])
    }

    fn set_clock(&mut self, local: &str) -> Result<(), SetupTrouble> {
        // A clock that the network keeps cannot be set; it is set again as soon as there is a network.
        let _ = done("timedatectl", &["set-ntp", "false"]);
        let set = done("timedatectl", &["set-time", local]);
        let _ = done("timedatectl", &["set-ntp", "true"]);
        set
    }
}

struct Output {
    success: bool,
    text: String,
    error: String,
}

/// Runs a program to its end; `None` where it cannot be run. Both programs bound their own waits.
fn run(program: &str, arguments: &[&str], input: Option<&str>) -> Option<Output> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        pipe.write_all(input.as_bytes()).ok()?;
    }
    let out = child.wait_with_output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Output { success: out.status.success(), text: text(&out.stdout), error: text(&out.stderr) })
}

fn nmcli(arguments: &[&str]) -> Option<String> {
    run("nmcli", arguments, None).filter(|out| out.success).map(|out| out.text)
}

fn done(program: &str, arguments: &[&str]) -> Result<(), SetupTrouble> {
    match run(program, arguments, None) {
        Some(out) if out.success => Ok(()),
        out => {
            let error = out.map(|out| out.error).unwrap_or_default();
            tracing::warn!(program, error = error.trim(), "the machine did not take a setting");
            Err(SetupTrouble::NotAllowed)
        }
    }
}

/// `IN-USE:SSID:SIGNAL:SECURITY` lines of nmcli's terse form, best first, each name once.
fn networks(list: &str) -> (Option<String>, Vec<Wifi>) {
    let mut joined = None;
    let mut found: Vec<Wifi> = Vec::new();
    for line in list.lines() {
        let fields = fields(line);
        let [used, ssid, signal, security] = fields.as_slice() else { continue };
        if ssid.is_empty() {
            continue;
        }
        if used == "*" {
            joined = Some(ssid.clone());
        }
        let signal = signal.parse::<u8>().unwrap_or(0).min(100);
        match found.iter_mut().find(|wifi| wifi.ssid == *ssid) {
            Some(known) => known.signal = known.signal.max(signal),
            None => found.push(Wifi { ssid: ssid.clone(), signal, locked: !security.is_empty() }),
        }
    }
    found.sort_by(|a, b| b.signal.cmp(&a.signal).then_with(|| a.ssid.cmp(&b.ssid)));
    (joined, found)
}

/// Fields of a terse line: parted by colons, `\` before one that belongs to the text.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut escaped = false;
    for c in line.chars() {
        match c {
            _ if escaped => {
                escaped = false;
                fields.last_mut().into_iter().for_each(|field| field.push(c));
            }
            '\\' => escaped = true,
            ':' => fields.push(String::new()),
            c => fields.last_mut().into_iter().for_each(|field| field.push(c)),
        }
    }
    fields
}

/// True where any wire of this machine has a carrier.
fn carrier(net: &Path) -> bool {
    let entries = fs::read_dir(net).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name() != "lo")
        .any(|entry| fs::read_to_string(entry.path().join("carrier")).is_ok_and(|text| text.trim() == "1"))
}

/// True where a connection to the backend is taken. With no address yet, anything that answers names is enough.
fn reaches(backend: &str) -> bool {
    let Some((host, port)) = host_of(backend) else { return carrier(Path::new("/sys/class/net")) };
    let Ok(addresses) = (host.as_str(), port).to_socket_addrs() else { return false };
    addresses.take(4).any(|address| TcpStream::connect_timeout(&address, REACH).is_ok())
}

/// Host and port of `https://host[:port]/…`.
fn host_of(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let place = rest.split('/').next().filter(|place| !place.is_empty())?;
    // A proxy may be given with a name and a password.
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let default = if scheme == "http" { 80 } else { 443 };
    match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?)),
        _ => Some((place.trim_matches(['[', ']']).to_owned(), default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_best_first_and_once() {
        let list =
            " :Boyd's guests:61:\n*:Boyd\\: till:70:WPA2\n :Boyd's guests:88:\n ::40:WPA2\n :Harbour:22:WPA1 WPA2\ngarbage\n";
        let (joined, wifi) = networks(list);
        assert_eq!(joined.as_deref(), Some("Boyd: till"));
        let seen: Vec<(&str, u8, bool)> = wifi.iter().map(|w| (w.ssid.as_str(), w.signal, w.locked)).collect();
        assert_eq!(seen, [("Boyd's guests", 88, false), ("Boyd: till", 70, true), ("Harbour", 22, true)]);
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        assert_eq!(host_of("https://cem.example/v1"), Some(("cem.example".into(), 443)));
        assert_eq!(host_of("http://127.0.0.1:8080"), Some(("127.0.0.1".into(), 8080)));
        assert_eq!(host_of("https://[::1]:8443"), Some(("::1".into(), 8443)));
        assert_eq!(host_of("http://till:secret@proxy:3128"), Some(("proxy".into(), 3128)));
        assert_eq!(host_of("cem.example"), None);
    }

    #[test]
    fn a_backend_that_listens_is_reached_and_a_closed_port_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0");
        let port = listener.as_ref().ok().and_then(|l| l.local_addr().ok()).map_or(0, |a| a.port());
        assert!(reaches(&format!("http://127.0.0.1:{port}")));
        drop(listener);
        assert!(!reaches("http://127.0.0.1:9"));
    }
}
