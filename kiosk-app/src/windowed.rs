// SPDX-License-Identifier: GPL-3.0-only
//! On a display: Slint's own window, fed by the shell.

use crate::{
    alive::{self, Watchdog},
    args::Args,
    board, camera, closed,
    feed::Feed,
    glass, stop, turned,
    ui::{Ui, said_to},
};
use anyhow::{Context as _, Result};
use kiosk_core::Now;
use kiosk_shell::{Camera, Clock, Content, KioskConfig, Shell, ShellHandle, SystemClock, kept_glass};
use sd_notify::NotifyState;
use slint::{ComponentHandle as _, PhysicalSize, Timer, TimerMode};
use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

/// Clocks and countdowns show whole seconds and minutes.
const TICK: Duration = Duration::from_secs(1);

thread_local! {
    /// The screen of this thread, for what the shell's thread posts into its event loop.
    static SCREEN: RefCell<Option<Screen>> = const { RefCell::new(None) };
}

struct Screen {
    ui: Ui,
    feed: Feed,
    handle: ShellHandle,
    content: Arc<Content>,
    clock: Arc<SystemClock>,
    watchdog: Watchdog,
}

/// Shows the kiosk until it is asked to stop.
pub(crate) fn run(config: &KioskConfig, args: &Args) -> Result<()> {
    turned::turn(config.rotation()?)?;
    let glazier = glass::install(kept_glass(&config.glass())).context("the display cannot be used")?;
    let clock = Arc::new(SystemClock::new());
    let feed = Feed::default();
    let sink = feed.clone();
    let ending = Ending;
    let started = Shell::start_with(
        config.clone(),
        clock.clone(),
        Box::new(move |snapshot| {
            let _ = &ending;
            if sink.put(snapshot) {
                // Fails only before the screen is up and after it is gone; it takes the latest when it comes up.
                let _ = slint::invoke_from_event_loop(draw_latest);
            }
        }),
    );
    let shell = match started {
        Ok(shell) => shell,
        Err(why) => return Err(closed::until_next_try(config, args, why)),
    };
    let handle = shell.handle();
    handle.set_camera(camera());
    if let Some(glazier) = glazier {
        handle.set_glazier(glazier);
    }
    let ui = open(config, args, &handle)?;
    let content = handle.content();
    SCREEN.set(Some(Screen { ui, feed, handle, content, clock, watchdog: Watchdog::of_this_process() }));
    stop::on_signal(|| {
        let _ = slint::invoke_from_event_loop(|| {
            let _ = slint::quit_event_loop();
        });
    })?;
    let tick = Timer::default();
    tick.start(TimerMode::Repeated, TICK, draw_latest_and_time);
    draw_latest();
    // The first round of the event loop draws; the second one knows that it was drawn.
    Timer::single_shot(Duration::ZERO, || Timer::single_shot(Duration::ZERO, say_ready));
    let ended = slint::run_event_loop().context("the window's event loop failed");
    alive::tell(NotifyState::Stopping);
    drop(tick);
    SCREEN.set(None);
    shell.stop();
    ended
}

/// Lives in the shell's sink: once the shell has ended (told to by the fleet, for example), the screen ends too.
struct Ending;

impl Drop for Ending {
    fn drop(&mut self) {
        // Fails where the screen has ended first.
        let _ = slint::invoke_from_event_loop(|| {
            let _ = slint::quit_event_loop();
        });
    }
}

/// The screen is photographed in its event loop.
fn camera() -> Camera {
    camera::camera(|done| {
        slint::invoke_from_event_loop(move || {
            let photograph = |screen: &Option<Screen>| screen.as_ref().map(|screen| camera::photograph(&screen.ui));
            let _ = done.send(SCREEN.with_borrow(photograph).unwrap_or_else(|| Err("the screen is not up".to_owned())));
        })
        .map_err(|_| "the screen is not up".to_owned())
    })
}

fn open(config: &KioskConfig, args: &Args, handle: &ShellHandle) -> Result<Ui> {
    let send = {
        let handle = handle.clone();
        Rc::new(move |intent| {
            // What is refused is counted and logged by the shell.
            let _ = handle.send(intent);
        })
    };
    let say = said_to(handle);
    let content = (*handle.content()).clone();
    let mut ui = Ui::new(content, board::facts(handle), send, &say).context("no window could be opened")?;
    if let Some(seconds) = config.session.still_there_s {
        ui.set_still_there_ms(u64::from(seconds) * 1000);
    }
    ui.set_reduced_motion(args.reduced_motion);
    let (width, height) = args.size.unwrap_or_else(|| board::size(handle));
    let window = ui.app().window();
    window.set_size(PhysicalSize::new(width, height));
    window.set_fullscreen(args.fullscreen);
    ui.app().show().context("the window could not be shown")?;
    Ok(ui)
}

fn say_ready() {
    tracing::info!("the screen is up");
    alive::tell(NotifyState::Ready);
}

fn draw_latest() {
    with_screen(Screen::draw_latest);
}

fn draw_latest_and_time() {
    with_screen(|screen| {
        screen.draw_latest();
        let now = screen.now();
        screen.ui.refresh(now);
        screen.watchdog.look(&screen.handle);
    });
}

fn with_screen(work: impl FnOnce(&mut Screen)) {
    SCREEN.with_borrow_mut(|screen| {
        if let Some(screen) = screen.as_mut() {
            work(screen);
        }
    });
}

impl Screen {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn draw_latest(&mut self) {
        let Some(snapshot) = self.feed.take() else { return };
        let content = self.handle.content();
        if !Arc::ptr_eq(&content, &self.content) {
            self.ui.set_content((*content).clone());
            self.content = content;
        }
        self.ui.show(snapshot, self.clock.now());
    }
}
