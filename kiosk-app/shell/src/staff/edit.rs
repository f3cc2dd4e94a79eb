//! A manager's edits: made into changes that the agent signs and carries to the backend, and that count here at once.

use super::StaffDoor;
use cem_contract::{
    pin,
    staff::{StaffAction, StaffChange, StaffMember, StaffRole},
    time::rfc3339,
};
use jiff::{civil::DateTime, tz::Offset};
use kiosk_core::{
    desk::{Colleague, Edited, GivenPin, StaffEdit},
    staff::{Pin, STAFF_ID_MAX, StaffRole as Role},
};
use uuid::Uuid;

/// Characters of a name, as at the backend.
const NAME_CHARS: usize = 80;
/// Tries to draw a PIN that is not easy.
const DRAWS: usize = 64;

/// The core's word for a role; `None` for those that have no business at a desk.
pub(super) fn role(role: StaffRole) -> Option<Role> {
    match role {
        StaffRole::Staff => Some(Role::Staff),
        StaffRole::Manager => Some(Role::Manager),
        StaffRole::Service => Some(Role::Service),
        StaffRole::Ops | StaffRole::Unknown => None,
    }
}

fn wire(role: Role) -> StaffRole {
    match role {
        Role::Staff => StaffRole::Staff,
        Role::Manager => StaffRole::Manager,
        Role::Service => StaffRole::Service,
    }
}

impl StaffDoor {
    /// Who works here now, by number.
    pub(crate) fn colleagues(&self) -> Option<Vec<Colleague>> {
        let now = self.clock.now().utc_ms?;
        let mut people: Vec<Colleague> =
            self.roster()?.members.iter().filter(|member| member.check(now).is_ok()).filter_map(colleague).collect();
        people.sort_by(|a, b| a.staff.cmp(&b.staff));
        Some(people)
    }

    /// Makes an edit. Whether `by` may make it is the desk's to say, and the backend's once more.
    pub(crate) fn edit(&self, by: &str, edit: &StaffEdit) -> Edited {
        let (Some(roster), Some(utc_ms)) = (self.roster(), self.clock.now().utc_ms) else { return Edited::NotKept };
        let known = roster.members.iter().find(|member| member.staff == edit.staff() && member.check(utc_ms).is_ok());
        let mine = known.is_none_or(|member| role(member.role).is_some());
        if !mine || known.is_some() == matches!(edit, StaffEdit::Add { .. }) {
            return Edited::Refused;
        }
        let taken = |badge: &str| roster.members.iter().any(|m| m.staff != edit.staff() && m.badge.as_deref() == Some(badge));
        let mut given = None;
        let action = match edit {
            StaffEdit::Add { staff, name, role } => {
                let name = name.trim();
                let number = !staff.is_empty() && staff.len() <= STAFF_ID_MAX && staff.bytes().all(|b| b.is_ascii_alphanumeric());
                if !number || name.is_empty() || name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
                    return Edited::Refused;
                }
                let Some((pin, hash)) = self.draw_pin() else { return Edited::NotKept };
                given = Some(pin);
                let (display_name, role) = (name.to_owned(), wire(*role));
                StaffAction::Add { display_name, role, badge: None, pin: Some(hash), ends: None }
            }
            StaffEdit::Role { role, .. } => StaffAction::Role { role: wire(*role) },
            StaffEdit::Badge { badge: Some(badge), .. } if taken(badge) => return Edited::Refused,
            StaffEdit::Badge { badge, .. } => StaffAction::Badge { badge: badge.clone() },
            StaffEdit::NewPin { .. } => {
                let Some((pin, hash)) = self.draw_pin() else { return Edited::NotKept };
                given = Some(pin);
                StaffAction::Pin { pin: hash, must_reset: true }
            }
            StaffEdit::End { local: None, .. } => StaffAction::End { at: rfc3339(utc_ms) },
            StaffEdit::End { local: Some(local), .. } => match utc_of(local, self.clock.now().offset_min) {
                Some(at) if at >= utc_ms => StaffAction::End { at: rfc3339(at) },
                _ => return Edited::Refused,
            },
        };
        let (by, staff) = (by.to_owned(), edit.staff().to_owned());
        let change = StaffChange { id: Uuid::now_v7(), at: rfc3339(utc_ms), by, staff, action };
        if self.pass_on(&change) { Edited::Done(given.map(GivenPin)) } else { Edited::NotKept }
    }

    /// Six digits that nobody tries first, and their hash.
    fn draw_pin(&self) -> Option<(String, String)> {
        for _ in 0..DRAWS {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes).ok()?;
            let drawn = u32::from_be_bytes(bytes);
            let digits = format!("{:06}", drawn % 1_000_000);
            // Beyond the last whole million, digits would not be equally likely.
            if drawn < u32::MAX / 1_000_000 * 1_000_000 && pin::check(&digits).is_ok() {
                let hash = self.hashed(&Pin::new(&digits)?)?;
                return Some((digits, hash));
            }
        }
        None
    }
}

fn colleague(member: &StaffMember) -> Option<Colleague> {
    Some(Colleague {
        staff: member.staff.clone(),
        name: member.display_name.clone(),
        role: role(member.role)?,
        badge: member.badge.is_some(),
        pin: member.pin.is_some(),
        must_reset: member.must_reset,
        ends_utc_ms: member.ends.as_deref().and_then(cem_contract::time::parse_rfc3339),
    })
}

/// Twelve digits of local time, year first.
fn utc_of(local: &str, offset_min: i16) -> Option<i64> {
    let local = DateTime::strptime("%Y%m%d%H%M", local).ok()?;
    let offset = Offset::from_seconds(i32::from(offset_min) * 60).ok()?;
    Some(offset.to_timestamp(local).ok()?.as_millisecond())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_local_time_becomes_utc_and_what_is_none_does_not() {
        assert_eq!(utc_of("202611301830", 60).map(rfc3339).as_deref(), Some("2026-11-30T17:30:00.000Z"));
        for wrong in ["", "2026", "202613011830", "20261130183a"] {
            assert_eq!(utc_of(wrong, 0), None, "{wrong}");
        }
    }
}
