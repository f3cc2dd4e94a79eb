// SPDX-License-Identifier: GPL-3.0-only
//! The first start on a display: pages instead of the menu, until this device belongs to a shop. Then the program starts
//! anew, as that kiosk.

use crate::{
    alive,
    args::Args,
    stop, turned,
    ui::{
        App,
        bind_page::PageBinding,
        slint_app::Theme,
        view_model::{page::Said, setup},
    },
};
use anyhow::{Context as _, Result, bail};
use kiosk_core::setup::SetupView;
use kiosk_shell::{
    BoardConfig, Clock as _, SystemClock,
    setup::{FirstStart, NetworkManager, SetupShell},
};
use sd_notify::NotifyState;
use slint::{ComponentHandle as _, PhysicalSize, Timer, TimerMode};
use std::{
    cell::RefCell,
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The clock on its page shows minutes, and the watchdog wants to hear more often.
const TICK: Duration = Duration::from_secs(1);

thread_local! {
    static PAGES: RefCell<Option<Pages>> = const { RefCell::new(None) };
}

struct Pages {
    app: App,
    page: PageBinding,
    latest: Arc<Mutex<Arc<SetupView>>>,
    clock: Arc<SystemClock>,
}

/// Shows the pages. Returns where a person ended the program; where the device has joined a shop, the program starts anew.
///
/// # Errors
/// Where the file cannot be used, or there is no display.
pub(crate) fn run(file: &Path, args: &Args) -> Result<()> {
    let settings = FirstStart::load(file).context("the first start cannot begin")?;
    let display = BoardConfig::load(&settings.board).context("the board-config cannot be used")?.display;
    turned::turn(display.rotation)?;
    let clock = Arc::new(SystemClock::new());
    let latest: Arc<Mutex<Arc<SetupView>>> = Arc::default();
    let opened = Arc::new(AtomicBool::new(false));
    let (sink, open) = (latest.clone(), opened.clone());
    let shell = SetupShell::start(
        settings,
        Box::new(NetworkManager),
        clock.clone(),
        Box::new(move |view| {
            *sink.lock().unwrap_or_else(PoisonError::into_inner) = view;
            // Fails only before the screen is up and after it is gone.
            let _ = slint::invoke_from_event_loop(draw);
        }),
        Box::new(move || {
            open.store(true, Ordering::Release);
            let _ = slint::invoke_from_event_loop(|| {
                let _ = slint::quit_event_loop();
            });
        }),
    )?;
    let handle = shell.handle();
    let app = App::new().context("no window could be opened")?;
    app.global::<Theme<'_>>().set_reduced_motion(args.reduced_motion);
    app.global::<Theme<'_>>().set_min_target((f32::from(u16::try_from(display.dpi).unwrap_or(96)) * 14.0 / 25.4).max(80.0));
    let page = PageBinding::new(
        &app,
        &(Rc::new(move |said| {
            if let Said::Setup(intent) = said {
                handle.send(intent);
            }
        }) as _),
    );
    let (width, height) = args.size.unwrap_or((display.width_px, display.height_px));
    app.window().set_size(PhysicalSize::new(width, height));
    app.window().set_fullscreen(args.fullscreen);
    app.show().context("the window could not be shown")?;
    PAGES.set(Some(Pages { app, page, latest, clock }));
    stop::on_signal(|| {
        let _ = slint::invoke_from_event_loop(|| {
            let _ = slint::quit_event_loop();
        });
    })?;
    let tick = Timer::default();
    tick.start(TimerMode::Repeated, TICK, || {
        draw();
        alive::tell(NotifyState::Watchdog);
    });
    draw();
    alive::tell(NotifyState::Ready);
    let ended = slint::run_event_loop().context("the window's event loop failed");
    drop(tick);
    PAGES.set(None);
    shell.stop();
    ended?;
    if opened.load(Ordering::Acquire) { again() } else { Ok(()) }
}

/// The same process, from its beginning: now there is a kiosk's own file.
fn again() -> Result<()> {
    let me = std::env::current_exe().context("where this program is")?;
    let error = Command::new(me).args(std::env::args_os().skip(1)).exec();
    bail!("the kiosk could not be started after its first start: {error}")
}

fn draw() {
    PAGES.with_borrow(|pages| {
        let Some(pages) = pages else { return };
        let view = pages.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tag = setup::LANGUAGES.get(usize::from(view.lang.0)).map_or("en", |(_, tag)| tag);
        if let Err(error) = slint::select_bundled_translation(tag) {
            tracing::error!(%error, tag, "the texts stay in the language before");
        }
        pages.page.apply(&pages.app, Some(&setup::page(&view, &pages.clock.now())));
    });
}
