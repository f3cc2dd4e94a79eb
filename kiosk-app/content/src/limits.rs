//! How much of what a shop's folder may hold.

/// Bounds on what is read. The defaults hold any shop a kiosk can show, and keep a hostile folder from costing more than
/// a second or a few hundred megabytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one TOML file.
    pub file_bytes: u64,
    /// Files in `menu/`.
    pub menu_files: usize,
    /// Bytes of all files in `menu/` together.
    pub menu_bytes: u64,
    /// Bytes of a name in one language.
    pub name_bytes: usize,
    /// Bytes of a description or any other sentence in one language.
    pub text_bytes: usize,
    /// Bytes of a key or SKU.
    pub key_bytes: usize,
    /// Languages.
    pub languages: usize,
    /// Articles and combos together.
    pub articles: usize,
    /// Categories.
    pub categories: usize,
    /// Modifier groups.
    pub groups: usize,
    /// Entries of any small list: choices of a group, variants, parts, choices of a part, taxes, attract parts.
    pub entries: usize,
    /// The greatest amount, in minor units.
    pub amount: i64,
    /// Files in `pictures/`.
    pub pictures: usize,
    /// Bytes of one picture.
    pub picture_bytes: u64,
    /// Width and height of one picture in pixels.
    pub picture_side: u32,
    /// Problems told, and warnings told; those beyond are counted.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 8 << 20,
            menu_files: 500,
            menu_bytes: 32 << 20,
            name_bytes: 240,
            text_bytes: 1_200,
            key_bytes: 64,
            languages: 24,
            articles: 20_000,
            categories: 200,
            groups: 4_000,
            entries: 64,
            amount: 100_000_000,
            pictures: 20_000,
            picture_bytes: 4 << 20,
            picture_side: 2_048,
            problems: 50,
        }
    }
}
