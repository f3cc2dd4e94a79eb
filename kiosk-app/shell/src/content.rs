//! The shop's content: read once at start, watched from then on, the last good one kept.

use crate::{adapters::Wires, mailbox::Message, supervise::supervised};
use anyhow::{Result, anyhow};
use kiosk_content::{LastGood, Limits, Outcome, Picture, Shop, Theme};
use kiosk_core::Catalogue;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, RwLock},
    thread::JoinHandle,
    time::Duration,
};

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// What the screens draw with: one value, so that ids, pictures and colours always belong together.
#[derive(Clone, Debug)]
pub struct Content {
    /// What is sold. The ids in a snapshot are indices into it.
    pub catalogue: Arc<Catalogue>,
    /// Colours and shapes.
    pub theme: Arc<Theme>,
    /// Names, languages, attract texts, receipt.
    pub shop: Arc<Shop>,
    /// Pictures by key.
    pub pictures: Arc<BTreeMap<String, Picture>>,
}

/// The content in force, as the screen shall see it.
pub(crate) type Shown = Arc<RwLock<Arc<Content>>>;

impl Content {
    /// Reads a shop's folder, without any device and any database: for a gallery of views.
    ///
    /// # Errors
    /// Everything that is wrong in the folder: file, line, what, and what to do about it.
    pub fn load(dir: impl AsRef<Path>) -> Result<Self> {
        Ok(open(dir.as_ref())?.0)
    }
}

/// The folder's content, and what [`watch`] compares with later.
pub(crate) fn open(dir: &Path) -> Result<(Content, LastGood)> {
    let (known, warnings) = LastGood::open(dir, &Limits::default())
        .map_err(|problems| anyhow!("the content in {} cannot be used:\n{problems}", dir.display()))?;
    tell(&warnings);
    Ok(((**known.current()).clone().into(), known))
}

impl From<kiosk_content::Content> for Content {
    fn from(content: kiosk_content::Content) -> Self {
        Self {
            catalogue: Arc::new(content.menu.catalogue),
            theme: Arc::new(content.theme),
            shop: Arc::new(content.shop),
            pictures: Arc::new(content.menu.pictures),
        }
    }
}

fn tell(warnings: &[kiosk_content::Warning]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// Starts the thread `content`: it looks at the folder now and then, and sends what is new and good into the loop.
pub(crate) fn watch(mut known: LastGood, wires: Wires) -> std::io::Result<JoinHandle<()>> {
    let stopping = wires.stopping.clone();
    supervised(
        "content",
        stopping,
        || {},
        move || {
            while !wires.stopping.wait(LOOK_EVERY) {
                if let Some(content) = look(&mut known)
                    && wires.message(Message::Content(Box::new(content))).is_err()
                {
                    return;
                }
            }
        },
    )
}

/// One look at the folder.
fn look(known: &mut LastGood) -> Option<Content> {
    match known.refresh() {
        Outcome::Unchanged => None,
        Outcome::Kept { problems } => {
            tracing::error!("the changed content is not used; the last good menu stays:\n{problems}");
            None
        }
        Outcome::Replaced { warnings } => {
            tell(&warnings);
            Some((**known.current()).clone().into())
        }
    }
}
