//! Users by name: packages give each process its own user, whose number differs from machine to machine.

use std::{
    fs::{File, Permissions},
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

/// Where local users are listed: `passwd(5)`. Users of packages are always local.
const PASSWD: &str = "/etc/passwd";
/// More than this is no list of a shop device's users.
const PASSWD_BYTES: u64 = 1 << 20;

/// The number of a local user.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] with a sentence where there is none of that name.
pub fn uid_of(user: &str) -> io::Result<u32> {
    let mut text = String::new();
    File::open(PASSWD)?.take(PASSWD_BYTES).read_to_string(&mut text)?;
    find(&text, user).ok_or_else(|| {
        let why = format!("{PASSWD} knows no user '{user}'; the package of the process that asks makes it");
        io::Error::new(io::ErrorKind::NotFound, why)
    })
}

fn find(passwd: &str, user: &str) -> Option<u32> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

/// Lets the file's group connect: who of them may really ask is decided by the peer's number.
pub(super) fn open_to_group(socket: &Path) -> io::Result<()> {
    std::fs::set_permissions(socket, Permissions::from_mode(0o660))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\ncem-kiosk-old:x:7:7::/:\ncem-kiosk:x:997:995:CEM:/:/usr/sbin/nologin\nodd:x\n";
        assert_eq!(find(passwd, "cem-kiosk"), Some(997));
        assert_eq!(find(passwd, "cem"), None);
        assert_eq!(find(passwd, "odd"), None);
        assert_eq!(uid_of("root").unwrap(), 0);
        assert_eq!(uid_of("no such user").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
