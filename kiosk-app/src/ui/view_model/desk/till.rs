// SPDX-License-Identifier: GPL-3.0-only
//! The till: its shift, its reports, its closing.

use super::*;

impl Pages<'_> {
    pub(super) fn till(&self) -> PageView {
        let t = self.t;
        let till = &self.desk.till;
        if !till.open {
            return PageView {
                actions: vec![
                    ActionView::say(say!(t, "Begin a shift", "Открыть смену"), asks(Ask::Float)).when(self.may(Act::OpenShift)),
                ],
                ..titled(
                    say!(t, "No shift is open", "Смена не открыта"),
                    say!(
                        t,
                        "Card payments go on without. Cash needs a shift with a float.",
                        "Картой платить можно и так. Для наличных нужна смена с разменом."
                    ),
                )
            };
        }
        let since = self.clock(till.opened_utc_ms);
        let mut page = titled(
            &say!(t, format!("Shift {}", till.number), format!("Смена {}", till.number)),
            &say!(t, format!("since {since}, by {}", till.opened_by), format!("с {since}, открыл {}", till.opened_by)),
        );
        let mut row = |act: Act, said: Said| {
            if self.may(act) {
                page.rows.push(PageRowView::leading(self.act(act), "", said));
            }
        };
        row(Act::XReport, desk_says(DeskIntent::XReport));
        row(Act::PayIn, asks(Ask::CashMove(CashMove::PaidIn)));
        row(Act::PayOut, asks(Ask::CashMove(CashMove::PaidOut)));
        row(Act::SafeDrop, asks(Ask::CashMove(CashMove::SafeDrop)));
        row(Act::NoSale, asks(Ask::DrawerReason));
        for (at, (how, amount, reason)) in till.moves.iter().rev().enumerate() {
            page.rows.push(PageRowView {
                section: if at == 0 {
                    say!(t, "Cash in and out", "Внесения и выплаты").to_owned()
                } else {
                    String::new()
                },
                value: self.money(*amount),
                ..PageRowView::told(self.cash_move(*how), self.reason(reason))
            });
        }
        if till.overdue {
            let title = say!(t, "The shop's day has turned", "Начался новый день").to_owned();
            let text = say!(t, "Close the shift when it is quiet.", "Закройте смену, когда будет тихо.").to_owned();
            page.notice = Some(NoticeView { tone: Tone::Attention, title, text });
        }
        if !till.cash && self.may(Act::OpenShift) {
            // It began by itself with the first sale: cash is taken once somebody has counted the drawer.
            page.actions.push(ActionView::say(say!(t, "Put the float in", "Внести размен"), asks(Ask::Float)));
        }
        page.actions.push(act(say!(t, "Close the shift", "Закрыть смену"), DeskIntent::Close).when(self.may(Act::CloseShift)));
        page
    }

    pub(super) fn cash_move(&self, how: CashMove) -> &'static str {
        self.act(match how {
            CashMove::PaidIn => Act::PayIn,
            CashMove::PaidOut => Act::PayOut,
            CashMove::SafeDrop => Act::SafeDrop,
        })
    }

    pub(super) fn report(&self) -> PageView {
        let t = self.t;
        let Some(report) = self.desk.report.as_deref() else { return titled(say!(t, "Report", "Отчёт"), "") };
        let title = match (report.number, report.kind) {
            (Some(number), _) => format!("Z {number}"),
            (None, kiosk_core::paper::ReportKind::Z) => "Z".to_owned(),
            (None, kiosk_core::paper::ReportKind::X) => "X".to_owned(),
        };
        let mut page = titled(&title, &format!("{} · {}", report.till, report.business_date));
        page.stats = vec![
            (
                self.money(report.sales.amount),
                say!(t, format!("{} sales", report.sales.count), format!("продаж: {}", report.sales.count)),
            ),
            (
                self.money(report.refunds.amount),
                say!(t, format!("{} refunds", report.refunds.count), format!("возвратов: {}", report.refunds.count)),
            ),
        ];
        for (at, (tender, count)) in report.tenders.iter().enumerate() {
            page.rows.push(PageRowView {
                section: if at == 0 { say!(t, "Tenders", "Оплата").to_owned() } else { String::new() },
                value: self.money(count.amount),
                ..PageRowView::told(self.tender(*tender), format!("{} ×", count.count))
            });
        }
        for carried in &report.unresolved {
            page.rows.push(PageRowView {
                tone: Tone::Attention,
                value: self.money(carried.amount),
                badge: say!(t, "unknown", "неизвестно").to_owned(),
                ..PageRowView::told(&*carried.number, &*carried.staff)
            });
        }
        page.actions = vec![act(say!(t, "Done", "Готово"), DeskIntent::Go(DeskPage::Home))];
        page
    }

    pub(super) fn closing(&self) -> PageView {
        let t = self.t;
        let Some(closing) = &self.desk.closing else {
            return titled(say!(t, "Close the shift", "Закрытие смены"), "");
        };
        let Some(counted) = closing.counted else {
            return PageView {
                pad: self.money_pad(Entry::Counted, say!(t, "In the drawer, notes and coins", "В ящике, купюры и монеты")),
                actions: vec![ActionView::enter(say!(t, "That is all", "Это всё"))],
                ..titled(
                    say!(t, "Count the drawer", "Пересчитайте ящик"),
                    say!(t, "What should be in it is shown afterwards.", "Сколько должно быть, покажем потом."),
                )
            };
        };
        let mut page = titled(say!(t, "Close the shift", "Закрытие смены"), "");
        page.stats = vec![(self.money(counted), say!(t, "counted", "посчитано").to_owned())];
        page.stats.extend(closing.expected.map(|e| (self.money(e), say!(t, "expected", "должно быть").to_owned())));
        page.stats.extend(closing.over.map(|over| {
            let name = match over {
                over if over < Minor::ZERO => say!(t, "short", "недостача"),
                over if over > Minor::ZERO => say!(t, "over", "излишек"),
                _ => say!(t, "it fits", "сходится"),
            };
            (self.money(over), name.to_owned())
        }));
        page.notice = self.closing_notice();
        if let Some(comparison) = closing.comparison.as_deref() {
            for (at, row) in comparison.differing.iter().enumerate() {
                let fact = &row.fact;
                page.rows.push(PageRowView {
                    section: if at == 0 {
                        say!(t, "Where they differ", "В чём расхождение").to_owned()
                    } else {
                        String::new()
                    },
                    tone: Tone::Bad,
                    value: self.money(fact.amount),
                    ..PageRowView::told(&*fact.order_number, self.clock(fact.at_utc_ms))
                });
            }
        }
        for unknown in &self.desk.unknown {
            let carried = !unknown.carried_by.is_empty();
            let said = (!carried).then(|| desk_says(DeskIntent::CarryOver(unknown.attempt)));
            page.rows.push(PageRowView {
                tone: if carried { Tone::Plain } else { Tone::Attention },
                value: self.money(unknown.amount),
                says: said,
                badge: if carried { unknown.carried_by.clone() } else { String::new() },
                ..PageRowView::told(
                    &*unknown.number,
                    say!(
                        t,
                        "unknown: touch to take it over into the next shift",
                        "неизвестно: коснитесь, чтобы перенести в следующую смену"
                    ),
                )
            });
        }
        let asked = closing.comparison.is_some() || closing.no_totals;
        if !asked {
            page.actions
                .push(act(say!(t, "Terminal's end of day", "Итоги терминала"), DeskIntent::EndOfDay).when(!closing.running));
        }
        page.actions.push(act(say!(t, "Close with a Z", "Закрыть с Z"), DeskIntent::Finish).when(closing.ready));
        page
    }

    pub(super) fn closing_notice(&self) -> Option<NoticeView> {
        let t = self.t;
        let closing = self.desk.closing.as_ref()?;
        let (tone, title, text) = match closing.comparison.as_deref() {
            _ if closing.running => {
                (Tone::Quiet, say!(t, "The terminal adds up…", "Терминал подводит итоги…").to_owned(), String::new())
            }
            None if closing.no_totals => (
                Tone::Attention,
                say!(t, "The terminal gave no totals", "Терминал не дал итогов").to_owned(),
                say!(
                    t,
                    "The Z says so. Doubtful payments stay open until the next one.",
                    "Это будет в Z. Спорные платежи останутся до следующего."
                )
                .to_owned(),
            ),
            None => return None,
            Some(c) if c.difference == Minor::ZERO => {
                (Tone::Good, say!(t, "Terminal and till agree", "Терминал и касса сходятся").to_owned(), self.money(c.journal))
            }
            Some(c) => (
                Tone::Bad,
                say!(
                    t,
                    format!("They differ by {}", self.money(c.difference)),
                    format!("Расхождение {}", self.money(c.difference))
                ),
                say!(
                    t,
                    format!("terminal {}, till {}", self.money(c.totals.amount), self.money(c.journal)),
                    format!("терминал {}, касса {}", self.money(c.totals.amount), self.money(c.journal))
                ),
            ),
        };
        Some(NoticeView { tone, title, text })
    }
}
