// SPDX-License-Identifier: GPL-3.0-only
//! The key pad's focus: where it stands, how five keys move it, and the ring that is drawn around it.
//!
//! Up and down go from control to control in the order in which the screen is read out, and round at its ends; select does
//! what a touch would do. What is scrolled out of sight is scrolled to. A sheet over the view takes the focus, and leaves
//! only the bar at the bottom in reach besides. Nothing is in focus until a key is pressed, and nothing any more where the
//! next guest begins.

use super::{App, access_tree, access_tree::Node, slint_app::Chrome, view_model::View};
use kiosk_core::device::{Key, Pad};
use slint::ComponentHandle as _;

/// Where the pad stands.
#[derive(Debug, Default)]
pub(super) struct Focus {
    /// Keys that were taken so far; `None` before the first snapshot.
    seen: Option<u32>,
    /// What is in focus, and which one of all it was when it was last looked at.
    at: Option<(Node, usize)>,
    /// What the controls belonged to then: the view, and the sheet over it.
    place: Option<(View, String)>,
}

impl Focus {
    /// Takes the keys that are new, on the screen as it is now.
    pub(super) fn take(&mut self, app: &App, view: View, pad: &Pad) {
        let keys: Vec<Key> = self.seen.map(|seen| pad.since(seen).collect()).unwrap_or_default();
        self.seen = Some(pad.count());
        if view == View::Attract && keys.is_empty() && self.place.as_ref().is_some_and(|(before, _)| *before != View::Attract) {
            self.at = None;
        }
        for key in keys {
            self.key(app, view, key);
        }
        self.draw(app, view);
    }

    /// What is in focus.
    pub(super) fn label(&self) -> Option<&str> {
        self.at.as_ref().map(|(node, _)| node.label.as_str())
    }

    fn key(&mut self, app: &App, view: View, key: Key) {
        let controls = self.controls(app, view);
        let last = controls.len().saturating_sub(1);
        let at = self.find(&controls);
        let next = match (key, at) {
            (Key::Down, Some(at)) if at < last => at + 1,
            (Key::Up, Some(at)) if at > 0 => at - 1,
            (Key::Up, _) => last,
            (Key::Down, _) => 0,
            (Key::Select, Some(at)) => {
                if let Some(node) = controls.get(at) {
                    node.activate();
                }
                return;
            }
            // The first key of a guest who has not looked around yet says where everything begins.
            (Key::Select, None) => 0,
            (Key::Back | Key::Help, _) => return,
        };
        self.at = controls.get(next).map(|node| (node.clone(), next));
        if let Some((node, _)) = &self.at
            && !node.in_sight
        {
            node.reveal();
        }
    }

    /// The controls that a key can reach now, in order. Where the view or the sheet is another than before, the focus
    /// begins again.
    fn controls(&mut self, app: &App, view: View) -> Vec<Node> {
        let nodes = access_tree::nodes(app.window());
        let reach = access_tree::Reach::of(&nodes);
        let place = (view, reach.top().map(|at| nodes[at].label.clone()).unwrap_or_default());
        if self.place.as_ref() != Some(&place) {
            if self.place.is_some() && self.at.is_some() {
                // Nothing of what was there is there: the first one.
                self.at = None;
            }
            self.place = Some(place);
        }
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for (at, node) in nodes.into_iter().enumerate() {
            if node.is_control() && node.enabled && reach.has(at) {
                if reach.in_bar(at) { then.push(node) } else { first.push(node) }
            }
        }
        first.append(&mut then);
        first
    }

    /// Where the focused control is among these; the nearest of its name, or its place, where it was made anew.
    fn find(&self, controls: &[Node]) -> Option<usize> {
        let (node, index) = self.at.as_ref()?;
        let same = controls.iter().position(|other| other.is(node));
        let named = || {
            let named = controls.iter().enumerate().filter(|(_, other)| other.label == node.label);
            named.map(|(at, _)| at).min_by_key(|at| at.abs_diff(*index))
        };
        same.or_else(named).or_else(|| (!controls.is_empty()).then(|| (*index).min(controls.len() - 1)))
    }

    /// The ring, around what is in focus as it is now.
    fn draw(&mut self, app: &App, view: View) {
        let chrome = app.global::<Chrome<'_>>();
        let was_in_focus = self.at.is_some();
        if was_in_focus {
            let controls = self.controls(app, view);
            let at = self.find(&controls).or(Some(0)).filter(|at| *at < controls.len());
            self.at = at.map(|at| (controls[at].clone(), at));
        }
        match &self.at {
            Some((node, _)) => {
                chrome.set_focus_x(node.position.x);
                chrome.set_focus_y(node.position.y);
                chrome.set_focus_width(node.size.width);
                chrome.set_focus_height(node.size.height);
            }
            None if chrome.get_focus_width() > 0.0 => chrome.set_focus_width(0.0),
            None => {}
        }
    }
}
