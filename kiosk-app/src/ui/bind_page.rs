// SPDX-License-Identifier: GPL-3.0-only
//! `PageState`: pages for the shop's own people.
//!
//! What is typed stays here until it is finished: neither the core nor a snapshot ever holds half a PIN.

use super::{
    App, rows,
    slint_app::{PadKind, PageAction, PageRow, PageStat, PageState, Tone as ShownTone},
    view_model::page::{Does, PadView, PageView, Said, Tone, Typing},
};
use kiosk_core::desk::{DeskIntent, SIDE, Spot, Trial};
use slint::{ComponentHandle as _, ModelRc, SharedString, VecModel};
use std::{cell::RefCell, rc::Rc};

/// Where touches on a page go.
pub type Say = Rc<dyn Fn(Said)>;

/// The keys of the text pad; shifted, the second half.
const KEYS: [[&str; 4]; 2] =
    [["1234567890", "qwertyuiop", "asdfghjkl-", "zxcvbnm.:/"], ["!@#$%&*()_", "QWERTYUIOP", "ASDFGHJKL'", "ZXCVBNM,?+"]];

/// What is being typed.
#[derive(Debug, Default)]
struct Typed {
    pad: Option<PadView>,
    text: String,
    shifted: bool,
}

impl Typed {
    /// Wipes what was typed: it may be a secret.
    fn clear(&mut self) {
        // A freed string keeps its bytes; overwritten ones are gone.
        let long = self.text.len();
        self.text.clear();
        self.text.extend(std::iter::repeat_n('0', long));
        self.text.clear();
    }
}

/// The page and what is typed on it.
pub struct PageBinding {
    stats: Rc<VecModel<PageStat>>,
    rows: Rc<VecModel<PageRow>>,
    actions: Rc<VecModel<PageAction>>,
    keys: Rc<VecModel<ModelRc<SharedString>>>,
    shown: Rc<RefCell<PageView>>,
    typed: Rc<RefCell<Typed>>,
}

impl std::fmt::Debug for PageBinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageBinding").field("title", &self.shown.borrow().title).finish_non_exhaustive()
    }
}

impl PageBinding {
    /// Nothing shown yet.
    pub fn new(app: &App, say: &Say) -> Self {
        let binding = Self {
            stats: Rc::default(),
            rows: Rc::default(),
            actions: Rc::default(),
            keys: Rc::default(),
            shown: Rc::default(),
            typed: Rc::default(),
        };
        let state = app.global::<PageState<'_>>();
        state.set_stats(binding.stats.clone().into());
        state.set_rows(binding.rows.clone().into());
        state.set_actions(binding.actions.clone().into());
        state.set_keys(binding.keys.clone().into());
        binding.wire(app, say);
        binding.wire_keys(app);
        binding
    }

    fn wire(&self, app: &App, say: &Say) {
        let state = app.global::<PageState<'_>>();
        // The page is let go before anything is said: what is said may bring the next one.
        let saying = |what: fn(&PageView, usize) -> Option<Said>| {
            let (shown, say) = (self.shown.clone(), say.clone());
            move |index: i32| {
                let said = usize::try_from(index).ok().and_then(|at| what(&shown.borrow(), at));
                if let Some(said) = said {
                    say(said);
                }
            }
        };
        state.on_row(saying(|page, at| page.rows.get(at)?.says.clone()));
        let back = saying(|page, _| page.back.clone());
        state.on_back(move || back(0));
        let leave = saying(|page, _| page.leave.clone());
        state.on_leave(move || leave(0));
        let to = say.clone();
        state.on_aimed(move |x, y| {
            // Within the screen, so nothing is cut off but the fraction.
            let part = |share: f32| (share.clamp(0.0, 1.0) * SIDE as f32) as i32;
            to(Said::Desk(DeskIntent::Try(Trial::Aim(Spot { x: part(x), y: part(y) }))));
        });
        let (shown, to) = (self.shown.clone(), say.clone());
        state.on_count(move |index, count| {
            let counted = usize::try_from(index).ok().and_then(|at| {
                let count = u16::try_from(count).ok()?;
                shown.borrow().rows.get(at)?.says.as_ref()?.counted(count)
            });
            if let Some(said) = counted {
                to(said);
            }
        });
        let (shown, typed, to, weak) = (self.shown.clone(), self.typed.clone(), say.clone(), app.as_weak());
        state.on_action(move |index| {
            let does = usize::try_from(index).ok().and_then(|at| Some(shown.borrow().actions.get(at)?.does.clone()));
            let said = match does {
                Some(Does::Say(said)) => Some(said),
                Some(Does::Enter) => {
                    let mut typed = typed.borrow_mut();
                    let said = typed.pad.as_ref().and_then(|pad| pad.entry.said(&typed.text));
                    if said.is_some() {
                        typed.clear();
                    }
                    said
                }
                None => None,
            };
            if let Some(app) = weak.upgrade() {
                show_typed(&app, &typed.borrow());
            }
            if let Some(said) = said {
                to(said);
            }
        });
    }

    fn wire_keys(&self, app: &App) {
        let state = app.global::<PageState<'_>>();
        let typing = |change: fn(&mut Typed, &str)| {
            let (typed, actions, shown, weak) = (self.typed.clone(), self.actions.clone(), self.shown.clone(), app.as_weak());
            let keys = self.keys.clone();
            move |key: &str| {
                let mut typed = typed.borrow_mut();
                change(&mut typed, key);
                if let Some(app) = weak.upgrade() {
                    show_typed(&app, &typed);
                }
                show_keys(&keys, &typed);
                show_actions(&actions, &shown.borrow(), &typed);
            }
        };
        let key = typing(|typed, key| {
            let most = typed.pad.as_ref().map_or(0, |pad| pad.most);
            if typed.text.chars().count() + key.chars().count() <= most {
                typed.text.push_str(key);
            }
            typed.shifted = false;
        });
        state.on_key(move |text| key(&text));
        let erase = typing(|typed, _| {
            typed.text.pop();
        });
        state.on_erase(move || erase(""));
        let shift = typing(|typed, _| typed.shifted = !typed.shifted);
        state.on_shift(move || shift(""));
    }

    /// Shows a page; `None` closes it.
    pub fn apply(&self, app: &App, page: Option<&PageView>) {
        let state = app.global::<PageState<'_>>();
        let nothing = PageView::default();
        let view = page.unwrap_or(&nothing);
        state.set_open(page.is_some());
        {
            let mut typed = self.typed.borrow_mut();
            let same = match (&typed.pad, &view.pad) {
                (Some(now), Some(next)) => now.entry == next.entry && now.label == next.label,
                (None, None) => true,
                _ => false,
            };
            typed.pad.clone_from(&view.pad);
            if !same {
                typed.clear();
                let given = view.pad.as_ref().map(|pad| pad.given.clone()).unwrap_or_default();
                typed.text.push_str(&given);
                typed.shifted = false;
            }
            show_typed(app, &typed);
            show_keys(&self.keys, &typed);
            show_actions(&self.actions, view, &typed);
        }
        state.set_place(view.place.as_str().into());
        state.set_who(view.who.as_str().into());
        state.set_back_shown(view.back.is_some());
        let share = |part: i32| part as f32 / SIDE as f32;
        state.set_mark_x(view.mark.map_or(-1.0, |mark| share(mark.x)));
        state.set_mark_y(view.mark.map_or(-1.0, |mark| share(mark.y)));
        state.set_title(view.title.as_str().into());
        state.set_text(view.text.as_str().into());
        let notice = view.notice.clone().unwrap_or_default();
        state.set_notice_title(notice.title.into());
        state.set_notice_text(notice.text.into());
        state.set_notice_tone(tone(notice.tone));
        let [sign_out, back, delete, space] = view.words;
        state.set_sign_out(sign_out.into());
        state.set_back_text(back.into());
        state.set_delete_text(delete.into());
        state.set_space_text(space.into());
        let stat = |(value, name): &(String, String)| PageStat { value: value.into(), name: name.into() };
        rows::sync(&self.stats, view.stats.iter().map(stat));
        rows::sync(
            &self.rows,
            view.rows.iter().map(|row| PageRow {
                section: row.section.as_str().into(),
                title: row.title.as_str().into(),
                detail: row.detail.as_str().into(),
                value: row.value.as_str().into(),
                badge: row.badge.as_str().into(),
                tone: tone(row.tone),
                leads: row.says.is_some() && row.most == 0,
                chosen: row.chosen,
                count: row.count.into(),
                most: row.most.into(),
            }),
        );
        self.shown.replace(view.clone());
    }
}

fn show_typed(app: &App, typed: &Typed) {
    let state = app.global::<PageState<'_>>();
    let Some(pad) = &typed.pad else { return state.set_pad(PadKind::None) };
    state.set_pad(match pad.typing {
        Typing::Number | Typing::DateTime => PadKind::Number,
        Typing::Secret => PadKind::Secret,
        Typing::Money { .. } => PadKind::Money,
        Typing::Text => PadKind::Text,
    });
    state.set_pad_label(pad.label.as_str().into());
    state.set_pad_shown(shown_text(pad.typing, &typed.text).into());
    state.set_shifted(typed.shifted);
}

/// What was typed, as it is read.
fn shown_text(typing: Typing, text: &str) -> String {
    match typing {
        Typing::Number | Typing::Text => text.to_owned(),
        Typing::Secret => "●".repeat(text.chars().count()),
        Typing::Money { exponent } => {
            let digits = usize::from(exponent);
            let padded = format!("{text:0>width$}", width = digits + 1);
            let (whole, part) = padded.split_at(padded.len() - digits);
            let whole = whole.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
        }
        Typing::DateTime => {
            let mut shown: String = String::new();
            for (at, c) in "____-__-__ __:__".chars().enumerate() {
                let typed_before = "____-__-__ __:__".chars().take(at).filter(|c| *c == '_').count();
                shown.push(if c == '_' { text.chars().nth(typed_before).unwrap_or('_') } else { c });
            }
            shown
        }
    }
}

fn show_keys(keys: &VecModel<ModelRc<SharedString>>, typed: &Typed) {
    let text = typed.pad.as_ref().is_some_and(|pad| pad.typing == Typing::Text);
    let lines = KEYS[usize::from(typed.shifted)];
    let line = |line: &str| {
        let letters: Vec<SharedString> = line.chars().map(|c| c.to_string().into()).collect();
        ModelRc::new(VecModel::from(letters))
    };
    keys.set_vec(if text { lines.into_iter().map(line).collect() } else { Vec::new() });
}

fn show_actions(model: &VecModel<PageAction>, page: &PageView, typed: &Typed) {
    let enough = typed.pad.as_ref().is_some_and(|pad| pad.entry.said(&typed.text).is_some());
    rows::sync(
        model,
        page.actions.iter().map(|action| PageAction {
            text: action.text.as_str().into(),
            enabled: action.enabled && (action.does != Does::Enter || enough),
            tone: tone(action.tone),
        }),
    );
}

fn tone(tone: Tone) -> ShownTone {
    match tone {
        Tone::Plain => ShownTone::Plain,
        Tone::Good => ShownTone::Good,
        Tone::Attention => ShownTone::Attention,
        Tone::Bad => ShownTone::Bad,
        Tone::Quiet => ShownTone::Quiet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_shown_as_what_it_is() {
        assert_eq!(shown_text(Typing::Secret, "1234"), "●●●●");
        let euro = Typing::Money { exponent: 2 };
        assert_eq!(
            (shown_text(euro, ""), shown_text(euro, "5"), shown_text(euro, "123456")),
            ("0.00".into(), "0.05".into(), "1234.56".into())
        );
        assert_eq!(shown_text(Typing::Money { exponent: 0 }, "500"), "500");
        assert_eq!(shown_text(Typing::DateTime, "20261122"), "2026-11-22 __:__");
        assert_eq!(shown_text(Typing::DateTime, "202611221031"), "2026-11-22 10:31");
    }
}
