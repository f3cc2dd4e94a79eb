//! What a code that was scanned means. Every kind of code that a kiosk understands stands here, and nowhere else.

/// How a code of the guest's page begins; the backend's `GUEST_CODE_PREFIX`.
pub const GUEST_CODE_PREFIX: &str = "CEMG";

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// A guest shows who they are by the code on their page.
    Guest,
    /// Nothing that this kiosk knows: an article, another shop's card.
    Other,
}

/// What `code` is for, by its beginning; whether it is genuine is for others to say.
pub fn meaning(code: &str) -> Meaning {
    if code.starts_with(GUEST_CODE_PREFIX) { Meaning::Guest } else { Meaning::Other }
}
