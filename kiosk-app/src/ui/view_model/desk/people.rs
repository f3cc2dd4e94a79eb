// SPDX-License-Identifier: GPL-3.0-only
//! Who works here: the list, one of them, and what is asked before somebody is hired or leaves.

use super::*;
use kiosk_core::desk::{Colleague, StaffEdit};

/// What can be given.
const ROLES: [StaffRole; 3] = [StaffRole::Staff, StaffRole::Manager, StaffRole::Service];

impl Pages<'_> {
    pub(super) fn role(&self, role: StaffRole) -> &'static str {
        let t = self.t;
        match role {
            StaffRole::Staff => say!(t, "Staff", "Сотрудник"),
            StaffRole::Manager => say!(t, "Manager", "Менеджер"),
            StaffRole::Service => say!(t, "Service technician", "Сервисный техник"),
        }
    }

    pub(super) fn people(&self) -> PageView {
        let t = self.t;
        let mut page = titled(
            say!(t, "Who works here", "Кто здесь работает"),
            say!(
                t,
                "A change counts here at once, and reaches the shop's other devices by the network.",
                "Изменение действует здесь сразу, а на другие устройства приходит по сети."
            ),
        );
        for colleague in &self.desk.people {
            let open = DeskIntent::OpenColleague(colleague.staff.clone());
            let name = if colleague.name.is_empty() { &colleague.staff } else { &colleague.name };
            page.rows.push(PageRowView {
                badge: if colleague.must_reset { say!(t, "new PIN", "новый PIN").to_owned() } else { String::new() },
                value: colleague.staff.clone(),
                ..PageRowView::leading(name.clone(), self.told_of(colleague), desk_says(open))
            });
        }
        page.actions = vec![ActionView::say(say!(t, "Somebody new", "Новый сотрудник"), asks(Ask::NewNumber))];
        page
    }

    fn told_of(&self, colleague: &Colleague) -> String {
        let t = self.t;
        let badge = if colleague.badge { say!(t, "badge and PIN", "бейдж и PIN") } else { say!(t, "PIN", "PIN") };
        let mut parts = vec![self.role(colleague.role).to_owned(), badge.to_owned()];
        if let Some(ends) = colleague.ends_utc_ms {
            let until = LocalTime::at(ends, self.scene.now.offset_min).day_and_clock();
            parts.push(say!(t, format!("until {until}"), format!("до {until}")));
        }
        parts.join(" · ")
    }

    fn open_colleague(&self) -> Option<&Colleague> {
        let number = self.desk.colleague.as_deref()?;
        self.desk.people.iter().find(|colleague| colleague.staff == number)
    }

    pub(super) fn colleague(&self) -> PageView {
        let t = self.t;
        let number = self.desk.colleague.clone().unwrap_or_default();
        let Some(colleague) = self.open_colleague() else {
            return titled(&number, say!(t, "No longer on the list.", "Больше не в списке."));
        };
        let name = if colleague.name.is_empty() { &number } else { &colleague.name };
        let mut page = titled(name, &format!("{number} · {}", self.told_of(colleague)));
        if let Some(pin) = &self.desk.given_pin {
            page.stats = vec![(pin.0.clone(), say!(t, "first PIN", "первый PIN").to_owned())];
            page.notice = Some(NoticeView {
                tone: Tone::Attention,
                title: say!(
                    t,
                    "Hand this PIN over now: it is shown once.",
                    "Передайте этот PIN сейчас: он показывается один раз."
                )
                .to_owned(),
                text: say!(t, "At its first use the kiosk asks for another.", "При первом входе киоск попросит другой.")
                    .to_owned(),
            });
        } else if self.desk.wants_new_badge {
            page.notice = Some(NoticeView {
                tone: Tone::Attention,
                title: say!(t, "Lay the badge on the reader.", "Приложите бейдж к считывателю.").to_owned(),
                text: String::new(),
            });
        }
        let edit = |edit| desk_says(DeskIntent::EditStaff(edit));
        let mut rows = vec![
            PageRowView::leading(
                say!(t, "New PIN", "Новый PIN"),
                say!(t, "if it is forgotten, or known to others", "если забыт или стал известен"),
                edit(StaffEdit::NewPin { staff: number.clone() }),
            ),
            PageRowView::leading(
                say!(t, "Another badge", "Другой бейдж"),
                say!(t, "the next card at the reader", "следующая карта у считывателя"),
                desk_says(DeskIntent::NewBadge),
            ),
        ];
        if colleague.badge {
            rows.push(PageRowView::leading(
                say!(t, "Take the badge away", "Отобрать бейдж"),
                say!(t, "it is lost, or given back", "потерян или возвращён"),
                edit(StaffEdit::Badge { staff: number.clone(), badge: None }),
            ));
        }
        rows.push(PageRowView::leading(
            say!(t, "Another role", "Другая роль"),
            self.role(colleague.role),
            asks(Ask::RoleOf(number.clone())),
        ));
        rows.push(PageRowView {
            tone: Tone::Bad,
            ..PageRowView::leading(
                say!(t, "Leaves the shop", "Увольняется"),
                say!(t, "now, or at a time", "сейчас или в указанное время"),
                asks(Ask::EndOf(number)),
            )
        });
        page.rows = rows;
        page
    }

    pub(super) fn ask_of_people(&self, ask: &Ask) -> PageView {
        let t = self.t;
        let pad = |entry, typing, label: &str, most| {
            Some(PadView { entry, typing, label: label.to_owned(), given: String::new(), most })
        };
        let go_on = || vec![ActionView::enter(say!(t, "Go on", "Дальше"))];
        match ask {
            Ask::NewNumber => PageView {
                pad: pad(Entry::NewNumber, Typing::Number, say!(t, "Staff number", "Табельный номер"), 16),
                actions: go_on(),
                ..titled(
                    say!(t, "A number for somebody new", "Номер нового сотрудника"),
                    say!(t, "One that nobody has yet.", "Такой, какого ещё ни у кого нет."),
                )
            },
            Ask::NewName(number) => PageView {
                pad: pad(Entry::NewName(number.clone()), Typing::Text, say!(t, "Name", "Имя"), 40),
                actions: go_on(),
                ..titled(
                    say!(t, "What are they called?", "Как зовут?"),
                    say!(
                        t,
                        "As colleagues say it; it stands on the screen and on reports.",
                        "Как принято среди коллег; имя видно на экране и в отчётах."
                    ),
                )
            },
            Ask::NewRole(number, name) => {
                self.roles(name, |role| StaffEdit::Add { staff: number.clone(), name: name.clone(), role })
            }
            Ask::RoleOf(number) => self.roles(number, |role| StaffEdit::Role { staff: number.clone(), role }),
            Ask::EndOf(number) => PageView {
                rows: vec![
                    PageRowView {
                        tone: Tone::Bad,
                        ..PageRowView::leading(
                            say!(t, "Now", "Сейчас"),
                            say!(
                                t,
                                "out at once here, within a minute at the other devices",
                                "здесь сразу, на других устройствах в течение минуты"
                            ),
                            desk_says(DeskIntent::EditStaff(StaffEdit::End { staff: number.clone(), local: None })),
                        )
                    },
                    PageRowView::leading(say!(t, "At a time", "В указанное время"), "", asks(Ask::EndDate(number.clone()))),
                ],
                ..titled(say!(t, "When do they leave?", "Когда увольняется?"), number)
            },
            Ask::EndDate(number) => PageView {
                pad: pad(Entry::EndDate(number.clone()), Typing::DateTime, say!(t, "Last moment", "Последний момент"), 12),
                actions: go_on(),
                ..titled(
                    say!(t, "The last moment", "Последний момент"),
                    say!(t, "Year, month, day, hour, minute.", "Год, месяц, день, час, минута."),
                )
            },
            _ => PageView::default(),
        }
    }

    fn roles(&self, about: &str, edit: impl Fn(StaffRole) -> StaffEdit) -> PageView {
        let t = self.t;
        let row = |role| {
            let what = match role {
                StaffRole::Staff => say!(
                    t,
                    "serves guests; a manager approves what is beyond that",
                    "обслуживает гостей; остальное подтверждает менеджер"
                ),
                StaffRole::Manager => {
                    say!(t, "approves, closes the till, edits this list", "подтверждает, закрывает кассу, ведёт этот список")
                }
                StaffRole::Service => {
                    say!(t, "mends the kiosk; sees neither guests nor the till", "чинит киоск; не видит ни гостей, ни кассы")
                }
            };
            PageRowView::leading(self.role(role), what, desk_says(DeskIntent::EditStaff(edit(role))))
        };
        PageView { rows: ROLES.map(row).into(), ..titled(say!(t, "What may they do?", "Что разрешено?"), about) }
    }
}
