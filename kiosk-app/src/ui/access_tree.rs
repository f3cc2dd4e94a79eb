// SPDX-License-Identifier: GPL-3.0-only
//! What is on the screen as a person hears it: roles, words and places, read from the same tree that is drawn.
//!
//! The key pad moves over it, speech reads it out, scenarios touch it. It is Slint's own accessibility tree, walked without
//! a desktop's accessibility service, which a kiosk does not have.

use i_slint_core::{
    accessibility::{AccessibilityAction, AccessibleStringProperty, accessible_descendents},
    item_tree::{ItemRc, ParentItemTraversalMode},
    items::{AccessibleRole, Flickable},
    lengths::{LogicalLength, LogicalRect},
    window::WindowInner,
};
use slint::{LogicalPosition, LogicalSize, Window};

/// The most nodes that are read: a view has a few hundred.
const NODES_MAX: usize = 10_000;

/// What a thing on the screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Does something when touched.
    Button,
    /// One of several, of which one is chosen.
    Choice,
    /// Words.
    Text,
    /// A picture that says something.
    Picture,
    /// A part of the screen: the view itself, the bar, a sheet.
    Region,
}

/// A thing on the screen.
#[derive(Clone)]
pub struct Node {
    /// What it is.
    pub role: Role,
    /// What is read out.
    pub label: String,
    /// What is read out after it; may be empty.
    pub description: String,
    /// On or off, where it can be either.
    pub checked: Option<bool>,
    /// False where a touch does nothing.
    pub enabled: bool,
    /// False where it must be scrolled to first.
    pub in_sight: bool,
    /// Top left corner of what can be seen of it, in logical pixels of the window; where it would be, if nothing can.
    pub position: LogicalPosition,
    /// Size of what can be seen of it.
    pub size: LogicalSize,
    /// Its size with what is scrolled out of sight.
    pub whole: LogicalSize,
    /// How deep in the tree.
    pub depth: usize,
    /// A view or page, which covers all that comes before it.
    pub view: bool,
    /// A sheet over the view, which covers all but the bar.
    pub sheet: bool,
    /// The bar at the bottom, which stays in reach below a sheet.
    pub bar: bool,
    item: ItemRc,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("role", &self.role)
            .field("label", &self.label)
            .field("position", &self.position)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// The middle of what can be seen of it.
    pub fn centre(&self) -> LogicalPosition {
        LogicalPosition::new(self.position.x + self.size.width / 2.0, self.position.y + self.size.height / 2.0)
    }

    /// True where it can be acted upon.
    pub fn is_control(&self) -> bool {
        matches!(self.role, Role::Button | Role::Choice)
    }

    /// True where both are the same thing, even if it has moved.
    pub fn is(&self, other: &Self) -> bool {
        self.item == other.item
    }

    /// Scrolls until it can be seen, as far as its surroundings can scroll.
    pub fn reveal(&self) {
        let mut ancestor = self.item.parent_item(ParentItemTraversalMode::StopAtPopups);
        while let Some(item) = ancestor {
            if let Some(flickable) = item.downcast::<Flickable>() {
                let (wanted, shown) = (placed(&self.item), placed(&item));
                let by = |low: f32, high: f32, from: f32, to: f32| if low < from { from - low } else { (to - high).min(0.0) };
                let x = by(wanted.min_x(), wanted.max_x(), shown.min_x(), shown.max_x());
                let y = by(wanted.min_y(), wanted.max_y(), shown.min_y(), shown.max_y());
                let flickable = flickable.as_pin_ref();
                let far = |at: LogicalLength, by: f32, room: f32, whole: LogicalLength| {
                    LogicalLength::new((at.get() + by).clamp((room - whole.get()).min(0.0), 0.0))
                };
                let to_x = far(flickable.content_x(), x, shown.width(), flickable.content_width());
                let to_y = far(flickable.content_y(), y, shown.height(), flickable.content_height());
                flickable.get_ref().content_x.set(to_x);
                flickable.get_ref().content_y.set(to_y);
            }
            ancestor = item.parent_item(ParentItemTraversalMode::StopAtPopups);
        }
    }

    /// Does what a touch would do.
    pub fn activate(&self) {
        self.item.accessible_action(&AccessibilityAction::Default);
    }
}

/// Everything on the screen that can be seen or scrolled to, in the order it is read out; what lies over other things comes
/// last.
pub fn nodes(window: &Window) -> Vec<Node> {
    let mut found = Vec::new();
    let window = WindowInner::from_pub(window);
    // What nobody has drawn yet is not there yet.
    window.ensure_tree_instantiated();
    if let Some(root) = window.try_component() {
        walk(&ItemRc::new_root(root), 0, &mut found);
    }
    found
}

/// The control that a person means by `label`: the whole of it, or else the beginning of exactly one. Of two that lie over
/// each other, the upper one.
pub fn control<'a>(nodes: &'a [Node], label: &str) -> Option<&'a Node> {
    let controls = || nodes.iter().rev().filter(|node| node.is_control());
    let exact = controls().find(|node| same(&node.label, label));
    exact.or_else(|| {
        let mut begins = controls().filter(|node| node.label.starts_with(label));
        begins.next().filter(|_| begins.next().is_none())
    })
}

/// What can be acted upon where a sheet or a page lies over other things: all that comes after the uppermost of them, and, below a
/// sheet, the bar.
#[derive(Clone, Debug)]
pub struct Reach {
    top: Option<usize>,
    bar: std::ops::Range<usize>,
}

impl Reach {
    /// Of these nodes.
    pub fn of(nodes: &[Node]) -> Self {
        let top = nodes.iter().rposition(|node| node.sheet || node.view);
        let below = top.filter(|at| nodes[*at].sheet).unwrap_or(0);
        let bar = nodes.iter().position(|node| node.bar).map_or(0..0, |bar| bar..below);
        Self { top, bar }
    }

    /// The uppermost sheet or view.
    pub fn top(&self) -> Option<usize> {
        self.top
    }

    /// True of what stays in reach below a sheet.
    pub fn in_bar(&self, at: usize) -> bool {
        self.bar.contains(&at)
    }

    /// True of what can be acted upon.
    pub fn has(&self, at: usize) -> bool {
        self.top.is_none_or(|top| at > top) || self.in_bar(at)
    }
}

/// True where the control that is meant by `label` takes a touch now: it is enabled, and nothing lies over it.
pub fn takes_a_touch(nodes: &[Node], label: &str) -> bool {
    let meant = control(nodes, label).filter(|node| node.enabled);
    let at = meant.and_then(|node| nodes.iter().position(|other| std::ptr::eq(other, node)));
    at.is_some_and(|at| Reach::of(nodes).has(at))
}

/// True where some words on the screen contain `text`.
pub fn says(nodes: &[Node], text: &str) -> bool {
    let text = plain(text);
    nodes.iter().any(|node| plain(&node.label).contains(&text))
}

fn walk(parent: &ItemRc, depth: usize, found: &mut Vec<Node>) {
    for item in accessible_descendents(parent) {
        if found.len() >= NODES_MAX {
            return;
        }
        if let Some(node) = node(&item, depth) {
            found.push(node);
        }
        walk(&item, depth + 1, found);
    }
}

fn node(item: &ItemRc, depth: usize) -> Option<Node> {
    let role = match item.accessible_role() {
        AccessibleRole::Button => Role::Button,
        AccessibleRole::RadioButton | AccessibleRole::Checkbox | AccessibleRole::Switch | AccessibleRole::Tab => Role::Choice,
        AccessibleRole::Text => Role::Text,
        AccessibleRole::Image => Role::Picture,
        AccessibleRole::Main | AccessibleRole::Navigation | AccessibleRole::Region => Role::Region,
        _ => return None,
    };
    let text = |what| item.accessible_string_property(what).map(String::from).unwrap_or_default();
    let label = text(AccessibleStringProperty::Label);
    let (seen, in_sight) = seen(item)?;
    // A control without words is shown as the fault that it is; a picture or a text without any says nothing.
    if label.is_empty() && matches!(role, Role::Text | Role::Picture) {
        return None;
    }
    let whole = item.geometry().size;
    let checkable = text(AccessibleStringProperty::Checkable) == "true";
    Some(Node {
        role,
        label,
        description: text(AccessibleStringProperty::Description),
        checked: checkable.then(|| text(AccessibleStringProperty::Checked) == "true"),
        enabled: text(AccessibleStringProperty::Enabled) != "false",
        in_sight,
        position: LogicalPosition::new(seen.origin.x, seen.origin.y),
        size: LogicalSize::new(seen.size.width, seen.size.height),
        whole: LogicalSize::new(whole.width, whole.height),
        depth,
        view: item.accessible_role() == AccessibleRole::Main,
        sheet: item.accessible_role() == AccessibleRole::Region,
        bar: item.accessible_role() == AccessibleRole::Navigation,
        item: item.clone(),
    })
}

/// What can be seen of an item, in logical pixels of the window, and whether that is anything; `None` where no scrolling
/// would show it.
fn seen(item: &ItemRc) -> Option<(LogicalRect, bool)> {
    let whole = placed(item);
    let mut rect = Some(whole);
    let mut ancestor = item.parent_item(ParentItemTraversalMode::StopAtPopups);
    while let Some(item) = ancestor {
        if item.borrow().as_ref().clips_children() {
            let clip = placed(&item);
            let scrolls = item.downcast::<Flickable>().is_some();
            if !scrolls && clip.is_empty() {
                return None;
            }
            rect = rect.and_then(|rect| rect.intersection(&clip));
        }
        ancestor = item.parent_item(ParentItemTraversalMode::StopAtPopups);
    }
    let shown = rect.filter(|rect| rect.size.width >= 1.0 && rect.size.height >= 1.0);
    (!whole.is_empty()).then(|| (shown.unwrap_or(whole), shown.is_some()))
}

fn placed(item: &ItemRc) -> LogicalRect {
    let geometry = item.geometry();
    LogicalRect::new(item.map_to_window(geometry.origin), geometry.size)
}

fn same(a: &str, b: &str) -> bool {
    a == b || plain(a) == plain(b)
}

/// Without what the eye does not see: no-break spaces, line ends.
fn plain(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c == '\u{a0}').filter(|s| !s.is_empty()).collect::<Vec<_>>().join(" ")
}
