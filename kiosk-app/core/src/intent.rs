//! What the guest wants. The screen sends these and nothing else.

use crate::{
    basket::LineId,
    catalogue::{Allergen, ArticleId, CategoryId, Lang, Service},
    consent::Question,
    device::Consent,
    money::Minor,
    payments::Tender,
};
use alloc::string::String;

/// Typed text that is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What the guest wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// The attract screen was touched.
    Begin,
    /// Eat in or takeaway, on the way into the menu and at any time later.
    ChooseService(Service),
    /// Switch the language, at any moment.
    ChooseLanguage(Lang),
    /// Show the menu (from greeting or attract).
    SeeMenu,
    /// Put the usual of the greeted guest into the basket and go to checkout.
    OrderUsual,
    /// Forget who this is for the rest of the visit.
    StayAnonymous,
    /// Show a category.
    OpenCategory(CategoryId),
    /// The '+' of a card: adds a plain article at once, opens any other.
    QuickAdd(ArticleId),
    /// Open an article to look at or configure.
    OpenArticle(ArticleId),
    /// In the open article: choose a size.
    ChooseVariant(u8),
    /// In the open article: set how many of a choice. `part` is the combo part it belongs to, `None` for the article itself.
    SetChoice {
        /// Combo part.
        part: Option<u8>,
        /// Index into the article's groups.
        group: u8,
        /// Index into the group's choices.
        choice: u8,
        /// How many; in a choose-one group 1 replaces the other.
        count: u8,
    },
    /// In the open combo: fill a part.
    ChoosePart {
        /// Index of the part.
        part: u8,
        /// Index into the part's choices.
        choice: u8,
    },
    /// In the open article: how many of the whole.
    SetQuantity(u16),
    /// Put the open article into the basket, or its change back into its line.
    Add,
    /// A line of open price (weighed goods, counter keys, replayed baskets): `amount` is for the whole line.
    AddOpenPrice {
        /// Its SKU, which need not be in the catalogue.
        sku: String,
        /// Shown and printed name.
        name: String,
        /// How many.
        quantity: u16,
        /// Whole line.
        amount: Minor,
    },
    /// Close the open article without adding. Nothing in the basket changes.
    Back,
    /// Show the basket.
    OpenBasket,
    /// Open a basket line for change.
    EditLine(LineId),
    /// How many of a line; 0 removes it.
    SetLineQuantity(LineId, u16),
    /// Remove a line.
    RemoveLine(LineId),
    /// Hide articles that contain (or may contain, or are silent about) this.
    ToggleAllergen(Allergen),
    /// Go on to paying.
    Checkout,
    /// Choose one of the tips that are offered, by its place; `None` for no tip.
    Tip(Option<u8>),
    /// Pay in so many equal parts, one after another; 1 for all at once.
    Parts(u8),
    /// Choose how to pay.
    Pay(Tender),
    /// Pay with a gift card: asks for its number.
    OpenGift,
    /// The number of a gift card, as it was typed or scanned: asks what is on it. Shown nowhere.
    GiftCode(Secret),
    /// Pay with the gift card that was looked at, as much as it holds and is open; at most so much where a sum is named.
    UseGift(Option<Minor>),
    /// Pay so much of what is open by card, the rest otherwise.
    PayAmount(Minor),
    /// Stop a payment that the terminal has not approved.
    CancelPayment,
    /// One touch of feedback: 1 (bad) to 5 (excellent).
    Rate(u8),
    /// Print the receipt.
    PrintReceipt,
    /// The guest is finished.
    Finish,
    /// Give the visit up and wipe the basket, after confirmation.
    StartOver,
    /// Ask for a person.
    CallPerson,
    /// Ask why the greeting, the usual and offers are shown.
    AskWhy,
    /// See what is kept, and change it.
    AskPrivacy,
    /// Be asked this.
    Ask(Question),
    /// Yes, to the question that is on the screen.
    Agree(Question),
    /// No, to the question that is on the screen; it is not asked again in this visit.
    Decline,
    /// A lower level, at once.
    KeepLess(Consent),
    /// Keep what is avoided for the next time, or no longer.
    KeepDietary(bool),
    /// Forget me: asked first, done when it is said again.
    ForgetMe,
    /// The answer to 'still there?'.
    StillHere,
    /// Close what lies over the screen.
    Dismiss,
    /// Large text, high contrast, controls within reach.
    ToggleEasyAccess,
    /// A touch that hit no control; counted, and keeps the visit alive.
    Touched,
}
