//! How a visit begins, moves from stage to stage, and ends.

use super::{Overlay, PayView, Session, Visit, language_tag, turn::Turn, turn::Undo};
use crate::{
    basket::{Basket, Priced},
    catalogue::{CategoryId, Lang, Service},
    config::Config,
    device::{Alarm, Assurance, DeviceKind, Key},
    effect::{Signal, Who},
    event::{Event, Outcome, Problem, Progress, Stage, Trigger},
    intent::Intent,
    now::Now,
};
use alloc::{boxed::Box, string::String, vec::Vec};

impl Session {
    pub(super) fn intent(&mut self, turn: &mut Turn<'_>, intent: Intent) {
        if self.visit.is_none() {
            return self.intent_at_attract(turn, intent);
        }
        self.touch(turn);
        if !self.closes_overlay(turn, &intent) {
            self.intent_in_visit(turn, intent);
        }
    }

    /// A choice of language or service on the attract screen is taken and begins the visit: it saves a touch.
    fn intent_at_attract(&mut self, turn: &mut Turn<'_>, intent: Intent) {
        match intent {
            Intent::Begin | Intent::SeeMenu | Intent::ChooseService(_) | Intent::ChooseLanguage(_) => {
                let chosen = match &intent {
                    Intent::ChooseLanguage(lang) => Some(*lang),
                    _ => None,
                };
                if self.begin(turn, Trigger::Touch, chosen) {
                    self.touch(turn);
                    if let Intent::ChooseService(service) = intent {
                        self.choose_service(turn, service);
                    }
                    self.go(turn, Stage::Browse);
                }
            }
            Intent::CallPerson => self.call_person(turn),
            Intent::ToggleEasyAccess => {
                self.easy_access = !self.easy_access;
                self.attract_reset_ms = Some(turn.after(turn.config.idle_ms));
            }
            Intent::Dismiss | Intent::Back | Intent::StillHere => self.close_overlay(),
            _ => {}
        }
    }

    #[allow(clippy::match_same_arms)]
    fn intent_in_visit(&mut self, turn: &mut Turn<'_>, intent: Intent) {
        match intent {
            Intent::Begin | Intent::SeeMenu => self.see_menu(turn),
            Intent::ChooseService(service) => self.choose_service(turn, service),
            Intent::ChooseLanguage(lang) => self.choose_language(turn, lang),
            Intent::OrderUsual => self.order_usual(turn),
            Intent::StayAnonymous => self.stay_anonymous(turn),
            Intent::OpenCategory(category) => self.open_category(turn, category),
            Intent::QuickAdd(article) => self.quick_add(turn, article),
            Intent::OpenArticle(article) => self.open_article(turn, article),
            Intent::ChooseVariant(variant) => self.change_draft(|c, draft| draft.choose_variant(c, variant), turn),
            Intent::SetChoice { part, group, choice, count } => {
                self.change_draft(|c, draft| draft.set_choice(c, part, group, choice, count), turn);
            }
            Intent::ChoosePart { part, choice } => self.change_draft(|c, draft| draft.choose_part(c, part, choice), turn),
            Intent::SetQuantity(quantity) => self.set_quantity(turn, quantity),
            Intent::Add => self.add(turn),
            Intent::AddOpenPrice { sku, name, quantity, amount } => self.add_open_price(turn, sku, name, quantity, amount),
            Intent::Back => self.back(turn),
            Intent::OpenBasket => self.open_basket(turn),
            Intent::EditLine(line) => self.edit_line(turn, line),
            Intent::SetLineQuantity(line, 0) | Intent::RemoveLine(line) => self.remove_line(turn, line),
            Intent::SetLineQuantity(line, quantity) => self.set_line_quantity(turn, line, quantity),
            Intent::ToggleAllergen(allergen) => self.toggle_allergen(allergen),
            Intent::Checkout => self.checkout(turn),
            Intent::Tip(tip) => self.choose_tip(&turn.config.pay, tip),
            Intent::Parts(parts) => self.choose_parts(turn.config.pay.parts, parts),
            Intent::Pay(tender) => self.pay(turn, tender),
            Intent::OpenGift => self.open_gift(turn),
            Intent::GiftCode(text) => self.look_at_gift(turn, &text.0),
            Intent::UseGift(most) => self.use_gift(turn, most),
            Intent::PayAmount(amount) => self.pay_amount(turn, amount),
            Intent::CancelPayment => self.cancel_payment(turn),
            Intent::Rate(score) => self.rate(turn, score),
            Intent::PrintReceipt => self.print_again(turn),
            Intent::Finish => self.finish(turn),
            Intent::StartOver => self.start_over(turn),
            Intent::CallPerson => self.call_person(turn),
            Intent::ToggleEasyAccess => self.easy_access = !self.easy_access,
            // Stays until it is closed: it is to be read in peace.
            Intent::AskWhy => self.overlay = Some(Overlay::WhyThis),
            Intent::AskPrivacy => {
                if self.visit.as_deref().is_some_and(|v| v.guest.is_some()) {
                    self.overlay = Some(Overlay::Privacy);
                }
            }
            Intent::Ask(question) => self.ask(question),
            Intent::Agree(question) => self.agree(turn, question),
            Intent::Decline => self.decline(),
            Intent::KeepLess(level) => self.keep_less(turn, level),
            Intent::KeepDietary(keep) => self.keep_dietary(turn, keep),
            Intent::ForgetMe => self.forget_me(turn),
            Intent::StillHere | Intent::Dismiss | Intent::Touched => {}
        }
    }

    /// What lies over the screen closes at any intent. True where closing was all that was wanted.
    fn closes_overlay(&mut self, turn: &Turn<'_>, intent: &Intent) -> bool {
        let shown = self.shown_overlay(turn.config.ask_service);
        let only_closes = match intent {
            Intent::Dismiss | Intent::StillHere => true,
            Intent::Back => shown.is_some(),
            Intent::Touched => matches!(shown, Some(Overlay::StillThere { .. })),
            _ => false,
        };
        match (shown, intent) {
            (_, Intent::Touched) if !only_closes => {}
            (Some(Overlay::Gift), Intent::GiftCode(_) | Intent::UseGift(_) | Intent::Touched)
            | (Some(Overlay::ConfirmStartOver), Intent::StartOver)
            | (Some(Overlay::Ask(_)), Intent::Agree(_))
            | (Some(Overlay::ConfirmForget), Intent::ForgetMe) => {}
            // Whoever goes on without an answer has answered.
            (Some(Overlay::Ask(_)), _) => self.decline(),
            (Some(Overlay::Service), _) => {
                if only_closes && let Some(visit) = self.visit.as_deref_mut() {
                    visit.service = Some(turn.config.service);
                    self.reprice(turn.catalogue);
                }
            }
            _ => self.close_overlay(),
        }
        only_closes
    }

    /// Begins a visit at the attract screen. False where its beginning could not be recorded anyway.
    pub(super) fn begin(&mut self, turn: &mut Turn<'_>, trigger: Trigger, language: Option<Lang>) -> bool {
        if self.refuses(turn) {
            return false;
        }
        self.close_overlay();
        self.attract_reset_ms = None;
        self.present_since_ms = None;
        let chosen = language.filter(|lang| usize::from(lang.0) < turn.catalogue.languages.len());
        self.lang = chosen.unwrap_or(self.lang);
        let id = turn.ids.next(turn.now);
        let service = (!turn.config.ask_service).then_some(turn.config.service);
        self.visit = Some(Box::new(Visit::new(id, turn.now.mono_ms, service, turn.config.service, chosen.is_some())));
        let language = super::language_tag(turn.catalogue, self.lang);
        turn.event(Event::VisitStarted { visit: id, trigger, language });
        turn.undo = Undo::Visit;
        true
    }

    /// Ends the visit and wipes all that belonged to it.
    pub(super) fn end(&mut self, turn: &mut Turn<'_>, outcome: Outcome) {
        let who = self.who(turn.catalogue);
        let partly = self.is_partly_paid();
        // What waits for the counter is seen there, and what is with a person already is known.
        if !matches!(self.visit.as_deref().map(|visit| visit.pay), Some(PayView::AtCounter | PayView::ToStaff)) {
            self.leave_parts(turn);
        }
        let Some(visit) = self.visit.take() else { return };
        if let (Some(order), PayView::Declined { .. } | PayView::TerminalLost) = (&visit.order, visit.pay)
            && !partly
        {
            turn.event(Event::OrderProgressed { order: order.placed.order, state: Progress::Cancelled });
        }
        let duration_ms = turn.now.mono_ms.saturating_sub(visit.started_ms);
        turn.event(Event::VisitEnded { outcome, duration_ms, touches: visit.touches });
        turn.who = Some(who);
        self.wipe(turn.config.language);
        turn.signal(Signal::Idle);
    }

    /// Back to an attract screen that remembers nobody.
    pub(crate) fn wipe(&mut self, language: Lang) {
        self.visit = None;
        self.stage = Stage::Attract;
        self.lang = language;
        self.easy_access = false;
        self.pad_moved = false;
        self.close_overlay();
    }

    pub(super) fn go(&mut self, turn: &mut Turn<'_>, to: Stage) {
        let Some(visit) = self.visit.as_deref_mut() else { return };
        if self.stage == to {
            return;
        }
        let touches = core::mem::take(&mut visit.stage_touches);
        turn.event(Event::StageChanged { from: self.stage, to, touches });
        self.stage = to;
    }

    pub(super) fn touch(&mut self, turn: &Turn<'_>) {
        if let Some(visit) = self.visit.as_deref_mut() {
            visit.touches = visit.touches.saturating_add(1);
            visit.stage_touches = visit.stage_touches.saturating_add(1);
        }
        self.alive(turn);
    }

    /// A sign of life.
    pub(super) fn alive(&mut self, turn: &Turn<'_>) {
        if let Some(visit) = self.visit.as_deref_mut() {
            visit.last_input_ms = turn.now.mono_ms;
        }
    }

    pub(super) fn key(&mut self, turn: &mut Turn<'_>, key: Key) {
        let asks = matches!(self.overlay, Some(Overlay::StillThere { .. }));
        match key {
            Key::Help => self.intent(turn, Intent::CallPerson),
            Key::Back => self.intent(turn, Intent::Back),
            // Any key is the answer, and does nothing else.
            _ if asks => self.intent(turn, Intent::StillHere),
            Key::Select if self.visit.is_none() && !self.pad_moved => self.intent(turn, Intent::Begin),
            // Where the focus stands is the screen's business. What is selected comes back as an intent, and counts then.
            Key::Select => {
                self.alive(turn);
                self.pad.push(key);
            }
            Key::Up | Key::Down => {
                self.pad_moved |= self.visit.is_none();
                self.intent(turn, Intent::Touched);
                self.pad.push(key);
            }
        }
    }

    /// Up and down go on while they are held. That is one touch.
    pub(super) fn key_held(&mut self, turn: &Turn<'_>, key: Key) {
        if matches!(key, Key::Up | Key::Down) {
            self.alive(turn);
            self.pad.push(key);
        }
    }

    /// Belongs to the device and not to the guest in front of it.
    pub(super) fn alarm(&mut self, turn: &mut Turn<'_>, alarm: Alarm, detail: String) {
        if turn.events.is_empty() {
            turn.who = Some(Who { language: language_tag(turn.catalogue, turn.config.language), ..Who::default() });
            turn.event(Event::AlarmRaised { alarm, detail });
        }
    }

    pub(super) fn presence(&mut self, turn: &mut Turn<'_>, near: bool) {
        if near {
            if self.visit.is_none() && self.present_since_ms.is_none() {
                self.present_since_ms = Some(turn.now.mono_ms);
            }
        } else if let Some(since) = self.present_since_ms.take() {
            let seconds = turn.now.mono_ms.saturating_sub(since) / 1000;
            turn.event(Event::PresenceSeen { seconds: u32::try_from(seconds).unwrap_or(u32::MAX) });
        }
    }

    pub(super) fn call_person(&mut self, turn: &mut Turn<'_>) {
        turn.event(Event::HelpCalled { stage: self.stage });
        turn.signal(Signal::CallStaff);
        self.show(turn.now, turn.config, Overlay::PersonCalled);
    }

    /// Shows something over the screen for a while.
    pub(crate) fn show(&mut self, now: Now, config: &Config, overlay: Overlay) {
        self.overlay = Some(overlay);
        self.notice_until_ms = Some(now.mono_ms.saturating_add(config.notice_ms));
    }

    /// Shows a problem over the screen and records that it was shown, where anything can be recorded.
    pub(super) fn notice(&mut self, turn: &mut Turn<'_>, problem: Problem) {
        self.show(turn.now, turn.config, Overlay::Problem(problem));
        self.problem_shown(turn, problem);
    }

    pub(super) fn problem_shown(&mut self, turn: &mut Turn<'_>, problem: Problem) {
        if turn.can_record && problem != Problem::CannotRecord {
            turn.event(Event::ProblemShown { problem, stage: self.stage });
        }
    }

    pub(super) fn close_overlay(&mut self) {
        self.overlay = None;
        self.notice_until_ms = None;
    }

    /// What lies over the stage: a question about the service waits below everything else.
    pub(super) fn shown_overlay(&self, ask_service: bool) -> Option<Overlay> {
        let asks = matches!(self.stage, Stage::Browse | Stage::Item | Stage::Basket | Stage::Checkout);
        let open = ask_service && asks && self.visit.as_deref().is_some_and(|v| v.service.is_none());
        self.overlay.or(open.then_some(Overlay::Service))
    }

    fn start_over(&mut self, turn: &mut Turn<'_>) {
        let Some(visit) = self.visit.as_deref() else { return };
        if self.is_paying() {
            return;
        }
        if matches!(self.stage, Stage::Done | Stage::Feedback) {
            return self.end(turn, Outcome::Completed);
        }
        let nothing_to_lose = visit.basket.lines.is_empty() && visit.draft.is_none();
        if nothing_to_lose || self.overlay == Some(Overlay::ConfirmStartOver) {
            self.end(turn, Outcome::Abandoned);
        } else {
            self.overlay = Some(Overlay::ConfirmStartOver);
        }
    }

    fn finish(&mut self, turn: &mut Turn<'_>) {
        let unknown =
            self.visit.as_deref().is_some_and(|v| matches!(v.pay, PayView::Unknown | PayView::Checking | PayView::ToStaff));
        match self.stage {
            Stage::Done | Stage::Feedback => self.end(turn, Outcome::Completed),
            Stage::Paying if unknown => self.end(turn, Outcome::Abandoned),
            _ => {}
        }
    }

    fn choose_language(&mut self, turn: &mut Turn<'_>, lang: Lang) {
        if usize::from(lang.0) >= turn.catalogue.languages.len() {
            return;
        }
        self.lang = lang;
        if let Some(visit) = self.visit.as_deref_mut() {
            visit.lang_chosen = true;
        }
        self.reprice(turn.catalogue);
    }

    fn choose_service(&mut self, turn: &mut Turn<'_>, service: Service) {
        if matches!(self.stage, Stage::Paying | Stage::Done | Stage::Feedback) {
            return;
        }
        if let Some(visit) = self.visit.as_deref_mut() {
            visit.service = Some(service);
        }
        self.reprice(turn.catalogue);
        if self.stage == Stage::Greeting {
            self.go(turn, Stage::Browse);
        }
    }

    pub(super) fn device_failed(&mut self, turn: &mut Turn<'_>, kind: DeviceKind) {
        match kind {
            DeviceKind::Reader | DeviceKind::Backend => self.lookup_over(turn),
            DeviceKind::Printer => self.print_failed(turn),
            // A charge that was not sent comes back as an outcome; light and sound are missed by nobody's money.
            DeviceKind::Terminal | DeviceKind::Scanner | DeviceKind::Peripherals | DeviceKind::Disk | DeviceKind::Clock => {}
        }
    }
}

impl Visit {
    fn new(id: crate::Id, now_ms: u64, service: Option<Service>, assumed: Service, lang_chosen: bool) -> Self {
        Self {
            id,
            started_ms: now_ms,
            last_input_ms: now_ms,
            touches: 0,
            stage_touches: 0,
            lang_chosen,
            service,
            guest: None,
            lookup: None,
            token: None,
            assurance: Assurance::Low,
            stranger: None,
            joined: false,
            declined: false,
            usual: Vec::new(),
            usual_priced: None,
            basket: Basket { service: assumed, lines: Vec::new() },
            priced: Priced::default(),
            tip: None,
            parts: 1,
            next_line: 1,
            category: CategoryId::default(),
            deep: false,
            draft: None,
            parked: None,
            opened_from: Stage::Browse,
            avoid: Vec::new(),
            pay: PayView::None,
            order: None,
            gift: super::gift::Looking::default(),
            masked: String::new(),
            rated: None,
            prints: 0,
            receipt_printed: false,
        }
    }
}
