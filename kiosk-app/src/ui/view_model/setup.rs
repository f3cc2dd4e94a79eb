// SPDX-License-Identifier: GPL-3.0-only
//! The pages of the first start.

use super::page::{ActionView, Entry, NoticeView, PadView, PageRowView, PageView, Said, Tone, Typing, say};
use crate::ui::words::{LocalTime, Tongue, day_clock};
use kiosk_core::{
    Lang, Now,
    device::DeviceKind,
    setup::{Joining, Network, SetupIntent, SetupTrouble, SetupView, Step, Tried, Wifi},
};

/// Languages of the first start, by their own names, and their tags; [`Lang`] counts them.
pub const LANGUAGES: [(&str, &str); 2] = [("English", "en"), ("Русский", "ru")];

/// The page of a step.
pub fn page(view: &SetupView, now: &Now) -> PageView {
    let tongue = Tongue::of(LANGUAGES.get(usize::from(view.lang.0)).map_or("", |(_, tag)| tag));
    let page = Page { view, now, t: tongue };
    let mut shown = match view.step {
        Step::Language => page.language(),
        Step::Network => page.network(),
        Step::Passphrase => page.passphrase(),
        Step::Proxy => page.proxy(),
        Step::Clock => page.clock(),
        Step::SetClock => page.set_clock(),
        Step::Zone => page.zone(),
        Step::Screen => page.screen(),
        Step::Code => page.code(),
        Step::Backend => page.backend(),
        Step::Joining => page.joining(),
        Step::Devices => page.devices(),
        Step::TestSale => page.test_sale(),
        Step::Ready => page.ready(),
    };
    shown.place = say!(tongue, "First start", "Первый запуск").to_owned();
    shown.words = words(tongue);
    if let Some(trouble) = view.trouble {
        shown.notice = Some(trouble_notice(trouble, tongue));
    } else if view.busy && shown.notice.is_none() {
        let title = say!(tongue, "One moment", "Одну минуту").to_owned();
        shown.notice = Some(NoticeView { tone: Tone::Quiet, title, text: String::new() });
    }
    let back = !matches!(view.step, Step::Language | Step::Joining | Step::Devices);
    shown.back = back.then_some(Said::Setup(SetupIntent::Back));
    for action in &mut shown.actions {
        action.enabled &= !view.busy;
    }
    shown
}

/// The words every page has.
pub(super) fn words(t: Tongue) -> [&'static str; 4] {
    say!(t, ["Sign out", "Back", "Delete", "Space"], ["Выйти", "Назад", "Стереть", "Пробел"])
}

struct Page<'a> {
    view: &'a SetupView,
    now: &'a Now,
    t: Tongue,
}

fn set(text: &str, intent: SetupIntent) -> ActionView {
    ActionView::say(text, Said::Setup(intent))
}

fn titled(title: &str, text: &str) -> PageView {
    PageView { title: title.to_owned(), text: text.to_owned(), ..PageView::default() }
}

fn pad(entry: Entry, typing: Typing, label: &str, given: &str, most: usize) -> Option<PadView> {
    Some(PadView { entry, typing, label: label.to_owned(), given: given.to_owned(), most })
}

impl Page<'_> {
    fn language(&self) -> PageView {
        let rows = LANGUAGES.iter().zip(0..).map(|((name, _), at)| PageRowView {
            chosen: self.view.lang == Lang(at),
            ..PageRowView::leading(*name, "", Said::Setup(SetupIntent::ChooseLanguage(Lang(at))))
        });
        PageView {
            rows: rows.collect(),
            actions: vec![set(say!(self.t, "Go on", "Дальше"), SetupIntent::Next)],
            ..titled(
                say!(self.t, "Welcome. Which language do you speak?", "Здравствуйте. На каком языке будем говорить?"),
                say!(
                    self.t,
                    "In a few minutes this kiosk takes its first order. Guests choose their own language later.",
                    "Через несколько минут киоск примет первый заказ. Гости потом выберут свой язык сами.",
                ),
            )
        }
    }

    fn network(&self) -> PageView {
        let t = self.t;
        let seen = self.view.network.as_ref();
        let mut page = titled(
            say!(t, "Connect to the network", "Подключите сеть"),
            say!(
                t,
                "A cable is best. Selling goes on without a network later; only the first start needs it.",
                "Лучше всего кабель. Потом касса работает и без сети; сеть нужна только для первого запуска.",
            ),
        );
        page.notice = Some(self.network_notice(seen));
        if let Some(network) = seen.filter(|network| !network.fixed) {
            page.rows = network.wifi.iter().zip(0..).map(|(wifi, at)| self.wifi(network, wifi, at)).collect();
        }
        if let Some(first) = page.rows.first_mut() {
            first.section = say!(t, "Wi-Fi", "Wi-Fi").to_owned();
        }
        page.actions = vec![
            set(say!(t, "Proxy", "Прокси"), SetupIntent::OpenProxy),
            set(say!(t, "Look again", "Проверить ещё раз"), SetupIntent::Again),
            set(say!(t, "Go on", "Дальше"), SetupIntent::Next).when(seen.is_some_and(|n| n.online)),
        ];
        page
    }

    fn network_notice(&self, seen: Option<&Network>) -> NoticeView {
        let t = self.t;
        let (tone, title, text) = match seen {
            None => (Tone::Quiet, say!(t, "Looking for the network…", "Ищем сеть…"), ""),
            Some(n) if n.online => {
                (Tone::Good, say!(t, "Connected", "Подключено"), say!(t, "The backend can be reached.", "Сервер доступен."))
            }
            Some(n) if n.cable || n.joined.is_some() => (
                Tone::Attention,
                say!(t, "Connected, but nothing answers", "Подключено, но никто не отвечает"),
                say!(t, "Look at the router, or enter the shop's proxy.", "Проверьте роутер или укажите прокси магазина."),
            ),
            Some(n) if n.fixed => (
                Tone::Attention,
                say!(t, "Not connected", "Нет подключения"),
                say!(t, "This machine's network is set up by its system.", "Сеть этой машины настраивается её системой."),
            ),
            Some(_) => (
                Tone::Attention,
                say!(t, "Not connected", "Нет подключения"),
                say!(t, "Plug a cable in, or choose a Wi-Fi.", "Вставьте кабель или выберите Wi-Fi."),
            ),
        };
        NoticeView { tone, title: title.to_owned(), text: text.to_owned() }
    }

    fn wifi(&self, network: &Network, wifi: &Wifi, at: u16) -> PageRowView {
        let t = self.t;
        let joined = network.joined.as_deref() == Some(wifi.ssid.as_str());
        let how = match wifi.signal {
            67.. => say!(t, "strong", "сильный сигнал"),
            34..=66 => say!(t, "fair", "средний сигнал"),
            _ => say!(t, "weak", "слабый сигнал"),
        };
        let lock = if wifi.locked { "" } else { say!(t, ", open to everybody", ", открытая") };
        PageRowView {
            chosen: joined,
            badge: if joined { say!(t, "connected", "подключено").to_owned() } else { String::new() },
            ..PageRowView::leading(&*wifi.ssid, format!("{how}{lock}"), Said::Setup(SetupIntent::ChooseWifi(at)))
        }
    }

    fn passphrase(&self) -> PageView {
        let t = self.t;
        PageView {
            pad: pad(Entry::Passphrase, Typing::Text, say!(t, "Passphrase", "Пароль"), "", 63),
            actions: vec![ActionView::enter(say!(t, "Connect", "Подключить"))],
            ..titled(
                &self.view.ssid,
                say!(t, "It stands on the router, or ask the shop.", "Он написан на роутере; или спросите в магазине."),
            )
        }
    }

    fn proxy(&self) -> PageView {
        let t = self.t;
        PageView {
            pad: pad(Entry::Proxy, Typing::Text, say!(t, "Address", "Адрес"), &self.view.proxy, 128),
            actions: vec![ActionView::enter(say!(t, "Use it", "Использовать"))],
            ..titled(
                say!(t, "The shop's proxy", "Прокси магазина"),
                say!(t, "Such as http://proxy:3128. Empty means none.", "Например http://proxy:3128. Пусто — без прокси."),
            )
        }
    }

    fn clock(&self) -> PageView {
        let t = self.t;
        let time = LocalTime::of(self.now).map(|time| day_clock(time, t));
        let unset = time.is_none();
        let shown = time.unwrap_or_else(|| say!(t, "not known", "неизвестно").to_owned());
        let mut page = titled(
            say!(t, "Is this the right time?", "Время указано верно?"),
            say!(t, "Receipts and prices go by it.", "По нему печатаются чеки и действуют цены."),
        );
        page.stats = vec![(shown, self.view.zone.replace('_', " "))];
        page.rows = vec![
            PageRowView::leading(
                say!(t, "Time zone", "Часовой пояс"),
                self.view.zone.replace('_', " "),
                Said::Setup(SetupIntent::OpenZone),
            ),
            PageRowView::leading(
                say!(t, "Set date and time", "Установить дату и время"),
                say!(t, "by hand", "вручную"),
                Said::Setup(SetupIntent::OpenClock),
            ),
        ];
        let known = self.view.clock_known;
        let said = if known { SetupIntent::Next } else { SetupIntent::ConfirmClock };
        page.actions = vec![set(say!(t, "Yes, that is right", "Да, верно"), said).when(known || !unset)];
        page
    }

    fn set_clock(&self) -> PageView {
        let t = self.t;
        PageView {
            pad: pad(
                Entry::Clock,
                Typing::DateTime,
                say!(t, "Year, month, day, hour, minute", "Год, месяц, день, час, минута"),
                "",
                12,
            ),
            actions: vec![ActionView::enter(say!(t, "Set it", "Установить"))],
            ..titled(
                say!(t, "Date and time", "Дата и время"),
                say!(t, "In the shop's own time.", "По местному времени магазина."),
            )
        }
    }

    fn zone(&self) -> PageView {
        let rows = self.view.zones.iter().zip(0..).map(|(zone, at)| PageRowView {
            chosen: *zone == self.view.zone,
            ..PageRowView::leading(zone.replace('_', " "), "", Said::Setup(SetupIntent::ChooseZone(at)))
        });
        PageView {
            rows: rows.collect(), ..titled(say!(self.t, "Where is the shop?", "Где находится магазин?"), "")
        }
    }

    fn screen(&self) -> PageView {
        let t = self.t;
        let row = |degrees: u16, title: &str| PageRowView {
            chosen: self.view.rotation == degrees,
            ..PageRowView::leading(title, format!("{degrees}°"), Said::Setup(SetupIntent::Rotate(degrees)))
        };
        PageView {
            rows: vec![
                row(0, say!(t, "As it is", "Как есть")),
                row(90, say!(t, "A quarter turn to the right", "Четверть оборота вправо")),
                row(180, say!(t, "Upside down", "Вверх ногами")),
                row(270, say!(t, "A quarter turn to the left", "Четверть оборота влево")),
            ],
            actions: vec![set(say!(t, "Go on", "Дальше"), SetupIntent::Next)],
            ..titled(
                say!(t, "Does this stand upright?", "Картинка стоит ровно?"),
                say!(
                    t,
                    "Touch where you read the words: the picture and the touch must agree.",
                    "Касайтесь там, где видите слова: картинка и касание должны совпадать."
                ),
            )
        }
    }

    fn code(&self) -> PageView {
        let t = self.t;
        PageView {
            pad: pad(Entry::Code, Typing::Text, say!(t, "One-time code", "Одноразовый код"), "", 40),
            actions: vec![
                set(say!(t, "Backend's address", "Адрес сервера"), SetupIntent::OpenBackend),
                ActionView::enter(say!(t, "Join the shop", "Подключить к магазину")),
            ],
            ..titled(
                say!(t, "Which shop is this?", "Какой это магазин?"),
                say!(
                    t,
                    "Your operations team makes a code, by fleet enrol. It is good for 15 minutes, once.",
                    "Код создаёт ваша служба эксплуатации командой fleet enrol. Он действует 15 минут, один раз.",
                ),
            )
        }
    }

    fn backend(&self) -> PageView {
        let t = self.t;
        PageView {
            pad: pad(Entry::Backend, Typing::Text, say!(t, "Address", "Адрес"), &self.view.backend, 128),
            actions: vec![ActionView::enter(say!(t, "Use it", "Использовать"))],
            ..titled(
                say!(t, "The backend's address", "Адрес сервера"),
                say!(t, "Such as https://cem.example", "Например https://cem.example"),
            )
        }
    }

    fn joining(&self) -> PageView {
        let t = self.t;
        let row = |stage: Joining, title: &str| {
            let done = self.view.joining > stage || (self.view.joining == Joining::Menu && stage == Joining::Menu);
            let badge = if done {
                "✓"
            } else if self.view.joining == stage {
                "…"
            } else {
                ""
            };
            let tone = if done { Tone::Good } else { Tone::Plain };
            PageRowView { badge: badge.to_owned(), tone, ..PageRowView::told(title, "") }
        };
        PageView {
            rows: vec![
                row(Joining::Asking, say!(t, "The code is checked", "Код проверяется")),
                row(
                    Joining::Trusted,
                    say!(t, "Keys and certificate are sealed to this device", "Ключи и сертификат привязаны к устройству"),
                ),
                row(Joining::Menu, say!(t, "The menu arrives", "Загружается меню")),
            ],
            ..titled(
                say!(t, "Joining the shop", "Подключаемся к магазину"),
                say!(t, "Please leave it switched on.", "Не выключайте, пожалуйста."),
            )
        }
    }

    fn devices(&self) -> PageView {
        let t = self.t;
        let joined = &self.view.joined;
        let mut page = titled(say!(t, "What is fitted?", "Что подключено?"), &format!("{} · {}", joined.store, joined.device));
        let fits = |tried: &[Tried]| tried.iter().all(|tried| tried.works != Some(false));
        match &self.view.devices {
            None => {
                page.notice = Some(NoticeView {
                    tone: Tone::Quiet,
                    title: say!(t, "Trying each device…", "Проверяем устройства…").to_owned(),
                    text: String::new(),
                });
            }
            Some(tried) => page.rows = tried.iter().map(|tried| self.tried(tried)).collect(),
        }
        let good = self.view.devices.as_deref().is_some_and(fits);
        page.actions = vec![set(say!(t, "Try again", "Проверить ещё раз"), SetupIntent::Again)];
        page.actions.push(if good {
            set(say!(t, "Go on", "Дальше"), SetupIntent::Next)
        } else {
            set(say!(t, "Go on without", "Дальше без этого"), SetupIntent::Skip).when(self.view.devices.is_some())
        });
        page
    }

    fn tried(&self, tried: &Tried) -> PageRowView {
        let t = self.t;
        let (badge, tone) = match tried.works {
            Some(true) => (say!(t, "works", "работает"), Tone::Good),
            Some(false) => (say!(t, "look here", "проверьте"), Tone::Bad),
            None => (say!(t, "not fitted", "не установлено"), Tone::Quiet),
        };
        PageRowView { badge: badge.to_owned(), tone, ..PageRowView::told(device(tried.kind, t), &*tried.what) }
    }

    fn test_sale(&self) -> PageView {
        let t = self.t;
        let mut page = titled(
            say!(t, "Make a test sale", "Сделайте пробную продажу"),
            say!(
                t,
                "One cent, with your own card. It is taken back at once, and a receipt is printed.",
                "Один цент, вашей картой. Он сразу возвращается, печатается чек.",
            ),
        );
        if self.view.tested {
            let title = say!(t, "Paid, taken back, printed", "Оплачено, возвращено, напечатано").to_owned();
            page.notice = Some(NoticeView { tone: Tone::Good, title, text: String::new() });
            page.actions = vec![set(say!(t, "Go on", "Дальше"), SetupIntent::Next)];
        } else {
            page.actions = vec![
                set(say!(t, "Later", "Позже"), SetupIntent::Skip),
                set(say!(t, "Make the test sale", "Провести продажу"), SetupIntent::TestSale),
            ];
        }
        page
    }

    fn ready(&self) -> PageView {
        let t = self.t;
        let joined = &self.view.joined;
        PageView {
            stats: vec![
                (joined.store.clone(), say!(t, "shop", "магазин").to_owned()),
                (joined.device.clone(), say!(t, "device", "устройство").to_owned()),
                (joined.role.clone(), say!(t, "role", "роль").to_owned()),
            ],
            actions: vec![set(say!(t, "Open for guests", "Открыть для гостей"), SetupIntent::Open)],
            ..titled(
                say!(t, "Ready for the first guest", "Готово к первому гостю"),
                say!(t, "From now on this screen starts with the menu.", "Теперь этот экран начинает с меню."),
            )
        }
    }
}

/// What a device is called.
pub(super) fn device(kind: DeviceKind, t: Tongue) -> &'static str {
    match kind {
        DeviceKind::Reader => say!(t, "Guest card reader", "Считыватель карт гостей"),
        DeviceKind::Scanner => say!(t, "Code scanner", "Сканер кодов"),
        DeviceKind::Terminal => say!(t, "Payment terminal", "Платёжный терминал"),
        DeviceKind::Printer => say!(t, "Receipt printer", "Принтер чеков"),
        DeviceKind::Peripherals => say!(t, "Light, keypad and drawer", "Подсветка, клавиши и денежный ящик"),
        DeviceKind::Backend => say!(t, "Backend", "Сервер"),
        DeviceKind::Disk => say!(t, "Disk", "Диск"),
        DeviceKind::Clock => say!(t, "Clock", "Часы"),
    }
}

fn trouble_notice(trouble: SetupTrouble, t: Tongue) -> NoticeView {
    let (title, text) = match trouble {
        SetupTrouble::WrongPassphrase => (
            say!(t, "That passphrase is not right", "Пароль не подошёл"),
            say!(t, "Mind large and small letters, and try again.", "Проверьте большие и маленькие буквы и повторите."),
        ),
        SetupTrouble::CannotJoin => (
            say!(t, "The network did not take us", "Сеть нас не приняла"),
            say!(t, "Look at the router and try again, or use a cable.", "Проверьте роутер и повторите или используйте кабель."),
        ),
        SetupTrouble::NotAllowed => (
            say!(t, "This cannot be set here", "Здесь это не настраивается"),
            say!(t, "Set it in the system of this machine, then go on.", "Настройте это в системе машины и продолжайте."),
        ),
        SetupTrouble::NoDate => (
            say!(t, "That is no date", "Такой даты нет"),
            say!(t, "Twelve digits: 2026 11 22 10 31.", "Двенадцать цифр: 2026 11 22 10 31."),
        ),
        SetupTrouble::WrongCode => (
            say!(t, "We do not know this code", "Мы не знаем такого кода"),
            say!(t, "Look at it again. Nothing has happened.", "Проверьте его ещё раз. Ничего не произошло."),
        ),
        SetupTrouble::UsedCode => (
            say!(t, "This code was used before", "Код уже использован"),
            say!(
                t,
                "Each code is good for one device. Ask for a new one.",
                "Каждый код годится для одного устройства. Попросите новый."
            ),
        ),
        SetupTrouble::LateCode => (
            say!(t, "This code is too old", "Код устарел"),
            say!(t, "It was good for 15 minutes. Ask for a new one.", "Он действовал 15 минут. Попросите новый."),
        ),
        SetupTrouble::TooManyCodes => (
            say!(t, "Too many wrong codes", "Слишком много неверных кодов"),
            say!(t, "Wait a few minutes, then try again.", "Подождите несколько минут и повторите."),
        ),
        SetupTrouble::NoBackend => (
            say!(t, "The backend does not answer", "Сервер не отвечает"),
            say!(t, "Compare its address, and look at the network.", "Проверьте его адрес и сеть."),
        ),
        SetupTrouble::NoAgent => (
            say!(t, "A part of this kiosk is not running", "Часть киоска не запущена"),
            say!(
                t,
                "Restart the machine. If it stays so: systemctl status cem-sync-agent.",
                "Перезагрузите машину. Если не поможет: systemctl status cem-sync-agent."
            ),
        ),
        SetupTrouble::NoAnswer => (
            say!(t, "No answer came", "Ответа не было"),
            say!(t, "Nothing is lost. Try again.", "Ничего не потеряно. Повторите."),
        ),
        SetupTrouble::TestFailed => (
            say!(t, "The test sale did not succeed", "Пробная продажа не удалась"),
            say!(
                t,
                "Nothing was charged, or it was taken back. Look at the terminal and try again.",
                "Деньги не списаны или возвращены. Проверьте терминал и повторите."
            ),
        ),
    };
    NoticeView { tone: Tone::Bad, title: title.to_owned(), text: text.to_owned() }
}
