//! What the fleet has this kiosk do, as the agent passes it on: lock, name itself, show its screen, end, wipe itself.
//!
//! The agent is believed: it has checked the command's signature. A picture of the screen is refused while it could show
//! anything of a guest or of the till; it is made by whoever has the screen ([`Camera`]), at the moment it is made.

use crate::mailbox::{Message, Sender};
use edge_db::link::Answer;
use kiosk_core::{DeviceEvent, Snapshot, closed::Fleet};
use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::sync_channel,
    },
    time::Duration,
};

/// What the agent waits for a wipe, less what the answer takes.
const WIPE_PATIENCE: Duration = Duration::from_secs(9);

/// Makes a picture of what is on the screen, as PNG, in a new file that the agent's group may read.
///
/// # Errors
/// A sentence in English: why not.
pub type Camera = Arc<dyn Fn(&Path) -> Result<(), String> + Send + Sync>;

/// Whether this may be on a picture that leaves the shop: nothing of a guest, nothing of the till.
pub fn is_impersonal(snapshot: &Snapshot) -> bool {
    let alone = snapshot.guest.is_none() && !snapshot.identifying && snapshot.order.is_none() && snapshot.recovered.is_none();
    let desk = snapshot.desk.as_ref().is_none_or(|desk| desk.page.is_impersonal());
    alone && desk
}

/// What the loop says of itself, for whoever asks from outside.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// No guest is served, and no money is on its way.
    quiet: AtomicBool,
}

impl Status {
    pub(crate) fn say(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::Release);
    }
}

/// Does what the fleet says.
#[derive(Clone)]
pub(crate) struct FleetDoor {
    pub(crate) to_loop: Sender,
    pub(crate) status: Arc<Status>,
    pub(crate) camera: Arc<OnceLock<Camera>>,
    /// The only folder that pictures are written to.
    pub(crate) pictures: PathBuf,
}

impl FleetDoor {
    pub(crate) fn tell(&self, word: Fleet) -> Answer {
        match self.to_loop.device(DeviceEvent::Fleet(word)) {
            Ok(()) => Answer::Done,
            Err(_) => Answer::Unavailable,
        }
    }

    /// Done once no sale is under way; until then it is asked again.
    pub(crate) fn stop_selling(&self) -> Answer {
        match self.tell(Fleet::StopSelling) {
            Answer::Done if self.status.quiet.load(Ordering::Acquire) => Answer::Done,
            _ => Answer::Unavailable,
        }
    }

    /// The loop ends in its own time, after a payment under way; whoever has the screen ends with it.
    pub(crate) fn restart(&self) -> Answer {
        match self.to_loop.message(Message::Stop) {
            Ok(()) => Answer::Done,
            Err(_) => Answer::Unavailable,
        }
    }

    pub(crate) fn wipe(&self) -> Answer {
        let (done, wiped) = sync_channel(1);
        if self.to_loop.message(Message::Wipe(done)).is_err() {
            return Answer::Unavailable;
        }
        match wiped.recv_timeout(WIPE_PATIENCE) {
            Ok(()) => Answer::Done,
            Err(_) => Answer::Unavailable,
        }
    }

    pub(crate) fn screenshot(&self, path: &Path) -> Answer {
        let refused = |why: &str| Answer::Refused { why: why.to_owned() };
        let plain = path.parent() == Some(&self.pictures) && path.extension() == Some(OsStr::new("png"));
        if !plain {
            return refused("pictures are written beside the kiosk's socket only");
        }
        let Some(camera) = self.camera.get() else { return refused("this kiosk has no screen") };
        forget_pictures(&self.pictures);
        match camera(path) {
            Ok(()) => Answer::Done,
            Err(why) => refused(&why),
        }
    }
}

/// The agent takes a picture away once it is sent; one that it could not is not kept.
fn forget_pictures(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("screen-") && name.ends_with(".png") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Deletes what this kiosk recorded and was given: its file with all that lies beside it, and the files that `own` names.
/// What cannot be deleted is said in the log.
pub(crate) fn wipe_files(kiosk_db: &Path, own: &[PathBuf]) {
    let name = kiosk_db.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = fs::read_dir(kiosk_db.parent().unwrap_or(Path::new("."))).into_iter().flatten().flatten();
    let of_it = |path: &PathBuf| {
        let found = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        path.is_file() && found.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    };
    for path in beside.map(|entry| entry.path()).filter(of_it).chain(own.iter().cloned()) {
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::error!(%error, path = %path.display(), "not deleted: delete it by hand"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::mailbox::{Mailbox, mailbox};
    use kiosk_core::{Input, device::Consent, device::Guest};

    fn door(folder: &Path) -> (FleetDoor, Mailbox) {
        let (to_loop, inbox) = mailbox();
        let door = FleetDoor { to_loop, status: Arc::default(), camera: Arc::default(), pictures: folder.to_owned() };
        (door, inbox)
    }

    fn heard(inbox: &Mailbox) -> Option<Fleet> {
        match inbox.next(Duration::ZERO) {
            Some(Message::Input(Input::Device(DeviceEvent::Fleet(word)))) => Some(word),
            _ => None,
        }
    }

    #[test]
    fn a_retiring_kiosk_says_done_once_nothing_is_under_way() {
        let (door, inbox) = door(Path::new("/run"));
        assert_eq!(door.stop_selling(), Answer::Unavailable);
        assert_eq!(heard(&inbox), Some(Fleet::StopSelling));
        door.status.say(true);
        assert_eq!(door.stop_selling(), Answer::Done);
        assert_eq!(door.tell(Fleet::Lock(true)), Answer::Done);
        assert_eq!((heard(&inbox), heard(&inbox)), (Some(Fleet::StopSelling), Some(Fleet::Lock(true))));
        assert_eq!(door.restart(), Answer::Done);
        assert!(matches!(inbox.next(Duration::ZERO), Some(Message::Stop)));
    }

    #[test]
    fn a_picture_is_written_beside_the_socket_and_an_old_one_does_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (door, _inbox) = door(dir.path());
        let path = dir.path().join("screen-2.png");
        assert!(matches!(door.screenshot(&path), Answer::Refused { .. }), "no screen");
        let camera: Camera = Arc::new(|path| fs::write(path, b"PNG").map_err(|error| error.to_string()));
        assert!(door.camera.set(camera).is_ok());
        fs::write(dir.path().join("screen-1.png"), b"old").unwrap();
        assert_eq!(door.screenshot(&path), Answer::Done);
        assert!(path.exists() && !dir.path().join("screen-1.png").exists());
        for elsewhere in [dir.path().join("deeper/screen.png"), dir.path().join("kiosk.db"), "/etc/screen.png".into()] {
            assert!(matches!(door.screenshot(&elsewhere), Answer::Refused { .. }), "{}", elsewhere.display());
        }
    }

    #[test]
    fn nothing_of_a_guest_is_on_a_picture() {
        assert!(is_impersonal(&Snapshot::default()));
        let guest = Guest {
            visitor: "v_1".into(),
            display_name: String::new(),
            language: String::new(),
            consent: Consent::Service,
            usual: Vec::new(),
            usual_because: None,
            dietary: Vec::new(),
            points: 0,
            visits_before: 0,
            as_of_ms: None,
        };
        assert!(!is_impersonal(&Snapshot { guest: Some(guest), ..Snapshot::default() }));
        assert!(!is_impersonal(&Snapshot { identifying: true, ..Snapshot::default() }));
        let desk = Box::new(kiosk_core::desk::DeskView { page: kiosk_core::desk::DeskPage::Order, ..Default::default() });
        assert!(!is_impersonal(&Snapshot { desk: Some(desk), ..Snapshot::default() }));
    }

    #[test]
    fn a_wipe_takes_the_file_all_beside_it_and_what_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["kiosk.db", "kiosk.db-wal", "kiosk.db.damaged-1", "kiosk.dbx", "tenant.key", "kiosk.toml", "menu.toml"] {
            fs::write(at(name), "x").unwrap();
        }
        wipe_files(&at("kiosk.db"), &[at("tenant.key"), at("kiosk.toml"), at("not-there")]);
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["kiosk.dbx", "menu.toml"]);
    }
}
