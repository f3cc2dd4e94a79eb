// SPDX-License-Identifier: GPL-3.0-only
//! What acts, reasons and notices of the desk are called.

use super::*;

impl Pages<'_> {
    pub(super) fn act(&self, act: Act) -> &'static str {
        let t = self.t;
        match act {
            Act::SeeOrders => say!(t, "Orders", "Заказы"),
            Act::Reprint => say!(t, "Print again", "Повторная печать"),
            Act::TakeCash => say!(t, "Cash payment", "Оплата наличными"),
            Act::Void => say!(t, "Cancel an order", "Отмена заказа"),
            Act::Override => say!(t, "Change a price", "Изменение цены"),
            Act::Refund => say!(t, "Give money back", "Возврат денег"),
            Act::RefundInCash => say!(t, "Give back in cash", "Возврат наличными"),
            Act::Resolve => say!(t, "Settle a payment", "Решение по платежу"),
            Act::NoSale => say!(t, "Open the drawer", "Открыть ящик"),
            Act::OpenShift => say!(t, "Begin a shift", "Открыть смену"),
            Act::CloseShift => say!(t, "Close the shift", "Закрыть смену"),
            Act::PayIn => say!(t, "Cash in", "Внесение"),
            Act::PayOut => say!(t, "Cash out", "Выплата"),
            Act::SafeDrop => say!(t, "To the safe", "В сейф"),
            Act::XReport => say!(t, "X report", "X-отчёт"),
            Act::ZReport => say!(t, "Z report", "Z-отчёт"),
            Act::ManageStaff => say!(t, "Staff", "Персонал"),
            Act::Service => say!(t, "Service", "Сервис"),
            Act::IssueCards => say!(t, "Guest cards", "Карты гостей"),
            Act::BlockCards => say!(t, "Block lost cards", "Блокировка карт"),
        }
    }

    pub(super) fn reason(&self, word: &str) -> String {
        let t = self.t;
        match word {
            "wrong_article" => say!(t, "Wrong article", "Не тот товар"),
            "not_as_expected" => say!(t, "Not as expected", "Не то, что ожидали"),
            "too_late" => say!(t, "Too late", "Слишком долго"),
            "damaged" => say!(t, "Damaged or cold", "Испорчено или остыло"),
            "changed_mind" => say!(t, "Changed their mind", "Гость передумал"),
            "wrong_price" => say!(t, "Wrong price", "Неверная цена"),
            "goodwill" => say!(t, "To make it good", "В знак извинения"),
            "price_match" => say!(t, "Price match", "Цена как у других"),
            "change_money" => say!(t, "Change money", "Размен"),
            "supplies" => say!(t, "Supplies", "Покупки для магазина"),
            "too_much_cash" => say!(t, "Too much in the drawer", "Много денег в ящике"),
            "deposit" => say!(t, "Bank deposit", "Инкассация"),
            "drawer_check" => say!(t, "Check the drawer", "Проверка ящика"),
            "test" => say!(t, "Test", "Проверка"),
            other => return other.to_owned(),
        }
        .to_owned()
    }

    pub(super) fn notice(&self, notice: Notice) -> NoticeView {
        let t = self.t;
        let (tone, title) = match notice {
            Notice::NoRoster => (
                Tone::Attention,
                say!(
                    t,
                    "Nobody can sign in here yet: the list of staff comes with the network.",
                    "Пока войти нельзя: список сотрудников придёт с сетью."
                ),
            ),
            Notice::MayNot => (Tone::Bad, say!(t, "You may not do that here.", "У вас нет на это прав.")),
            Notice::OwnApproval => (
                Tone::Bad,
                say!(t, "Nobody approves their own: another person, please.", "Своё подтвердить нельзя: нужен другой человек."),
            ),
            Notice::RoleTooSmall => {
                (Tone::Bad, say!(t, "That person may not approve this.", "У этого сотрудника нет таких прав."))
            }
            Notice::EasyPin => (
                Tone::Bad,
                say!(t, "Too easy, or the old one. Choose another PIN.", "Слишком простой или прежний. Придумайте другой PIN."),
            ),
            Notice::PinChanged => (Tone::Good, say!(t, "Your PIN is changed.", "PIN изменён.")),
            Notice::CannotRecord => (
                Tone::Bad,
                say!(t, "It could not be recorded, so nothing was done.", "Записать не удалось, поэтому ничего не сделано."),
            ),
            Notice::CannotRead => (Tone::Bad, say!(t, "It could not be read. Try again.", "Прочитать не удалось. Повторите.")),
            Notice::NoOrder => (Tone::Attention, say!(t, "There is no such order.", "Такого заказа нет.")),
            Notice::NoShift => (Tone::Attention, say!(t, "Begin a shift first.", "Сначала откройте смену.")),
            Notice::ShiftOpen => (Tone::Attention, say!(t, "A shift is open already.", "Смена уже открыта.")),
            Notice::BadAmount => (Tone::Bad, say!(t, "That amount cannot be.", "Такой суммы быть не может.")),
            Notice::TooLittle => (Tone::Bad, say!(t, "That is less than is due.", "Это меньше, чем нужно.")),
            Notice::TooMuch => (Tone::Bad, say!(t, "That is more than is left of it.", "Это больше, чем осталось.")),
            Notice::NotNow => (Tone::Attention, say!(t, "That is done already.", "Это уже сделано.")),
            Notice::TerminalBusy => (
                Tone::Attention,
                say!(t, "The terminal is busy or not there. Try again.", "Терминал занят или недоступен. Повторите."),
            ),
            Notice::TerminalDeclined => (
                Tone::Bad,
                say!(
                    t,
                    "The terminal did not give it back. Nothing has moved.",
                    "Терминал отказал в возврате. Деньги не двигались."
                ),
            ),
            Notice::RefundUnknown => (
                Tone::Bad,
                say!(
                    t,
                    "Nobody knows yet whether it went back. It is on the list.",
                    "Пока неизвестно, вернулись ли деньги. Платёж в списке."
                ),
            ),
            Notice::Refunded => (Tone::Good, say!(t, "Given back.", "Деньги возвращены.")),
            Notice::Voided => (Tone::Good, say!(t, "Cancelled.", "Отменено.")),
            Notice::Overridden => (Tone::Good, say!(t, "The price is changed.", "Цена изменена.")),
            Notice::Resolved => {
                (Tone::Good, say!(t, "Taken down, until the end of day confirms it.", "Записано; итоги дня это подтвердят."))
            }
            Notice::Opened => (Tone::Good, say!(t, "The shift is open.", "Смена открыта.")),
            Notice::CashMoved => (Tone::Good, say!(t, "In the book.", "Записано.")),
            Notice::NotPrinted => (
                Tone::Attention,
                say!(
                    t,
                    "Not printed. The book has it; print again once there is paper.",
                    "Не напечатано. Запись есть; напечатайте, когда будет бумага."
                ),
            ),
            Notice::NoDrawer => {
                (Tone::Attention, say!(t, "The drawer did not open. Use its key.", "Ящик не открылся. Откройте ключом."))
            }
            Notice::CountFirst => (Tone::Attention, say!(t, "Count the drawer first.", "Сначала пересчитайте ящик.")),
            Notice::EndOfDayFirst => {
                (Tone::Attention, say!(t, "The terminal's end of day comes first.", "Сначала итоги терминала."))
            }
            Notice::UnknownLeft => (
                Tone::Attention,
                say!(t, "Settle the unknown payments, or take them over.", "Закройте неизвестные платежи или перенесите их."),
            ),
            Notice::StaffChanged => (Tone::Good, say!(t, "Done; it counts from now on.", "Готово, уже действует.")),
            Notice::StaffRefused => (
                Tone::Bad,
                say!(
                    t,
                    "That cannot be: somebody else has it, or it is no number, name or time.",
                    "Так нельзя: уже занято, либо это не номер, имя или время."
                ),
            ),
            Notice::StaffNotKept => (
                Tone::Bad,
                say!(
                    t,
                    "It could not be kept, so nothing was changed. Try again in a minute.",
                    "Сохранить не удалось, ничего не изменено. Повторите через минуту."
                ),
            ),
            Notice::Closed => (Tone::Good, say!(t, "The shift is closed.", "Смена закрыта.")),
            Notice::NoCardsHere => (
                Tone::Attention,
                say!(t, "This device makes no cards. Use another one.", "Здесь карты не делают. Возьмите другой киоск."),
            ),
            Notice::NoBackend => (
                Tone::Attention,
                say!(t, "This needs the network. Try again when it is back.", "Нужна сеть. Повторите, когда она появится."),
            ),
            Notice::CardRefused => (
                Tone::Bad,
                say!(
                    t,
                    "That was refused: the card is somebody else's, or was reported lost.",
                    "Отказано: карта чужая, или о её потере сообщили."
                ),
            ),
        };
        NoticeView { tone, title: title.to_owned(), text: String::new() }
    }
}
