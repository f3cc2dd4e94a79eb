// SPDX-License-Identifier: GPL-3.0-only
//! A screen without a display: the very same views, drawn into memory by the very same renderer, with a clock that goes on
//! when it is told to.
//!
//! One platform a process: it is installed once, and its window is used again at every size.

use crate::ui::{App, access_tree};
use anyhow::{Context as _, Result, anyhow};
use slint::{
    ComponentHandle as _, LogicalPosition, PhysicalSize, PlatformError, Rgb8Pixel, SharedPixelBuffer,
    platform::{
        Platform, PointerEventButton, WindowAdapter, WindowEvent,
        software_renderer::{MinimalSoftwareWindow, RepaintBufferType},
    },
};
use std::{cell::Cell, fs::File, io::BufWriter, path::Path, rc::Rc, time::Duration};

/// A frame of the display.
const FRAME: Duration = Duration::from_millis(16);
/// Frames after which everything that moves has come to rest.
const SETTLE: u32 = 30;
/// How long a finger stays on the glass.
const TOUCH: Duration = Duration::from_millis(60);

/// The window and its clock.
#[derive(Clone)]
pub struct Headless {
    window: Rc<MinimalSoftwareWindow>,
    time: Rc<Cell<Duration>>,
}

impl std::fmt::Debug for Headless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Headless").field("time", &self.time.get()).finish_non_exhaustive()
    }
}

struct Memory {
    window: Rc<MinimalSoftwareWindow>,
    time: Rc<Cell<Duration>>,
}

impl Platform for Memory {
    fn create_window_adapter(&self) -> Result<Rc<dyn WindowAdapter>, PlatformError> {
        Ok(self.window.clone())
    }

    fn duration_since_start(&self) -> Duration {
        self.time.get()
    }
}

impl Headless {
    /// Installs the platform, once a process and before any window.
    ///
    /// # Errors
    /// Where another platform is installed already.
    pub fn install(width: u32, height: u32) -> Result<Self> {
        let window = MinimalSoftwareWindow::new(RepaintBufferType::NewBuffer);
        window.set_size(PhysicalSize::new(width, height));
        let time = Rc::new(Cell::new(Duration::from_millis(1)));
        let platform = Memory { window: window.clone(), time: time.clone() };
        slint::platform::set_platform(Box::new(platform)).map_err(|e| anyhow!("the screen in memory was not taken: {e}"))?;
        Ok(Self { window, time })
    }

    /// Gives the window another size.
    pub fn resize(&self, width: u32, height: u32) {
        self.window.set_size(PhysicalSize::new(width, height));
        self.settle();
    }

    /// Lets time pass for everything that moves.
    pub fn advance(&self, by: Duration) {
        self.time.set(self.time.get().saturating_add(by));
        slint::platform::update_timers_and_animations();
    }

    /// Lets everything that moves come to rest.
    pub fn settle(&self) {
        for _ in 0..SETTLE {
            self.advance(FRAME);
        }
    }

    /// Touches the control that is called `label`, in the middle of what can be seen of it; scrolls to it before, where
    /// nothing can.
    ///
    /// # Errors
    /// Where there is none, with the names of those that are there.
    pub fn tap(&self, app: &App, label: &str) -> Result<()> {
        let mut nodes = access_tree::nodes(app.window());
        if let Some(hidden) = access_tree::control(&nodes, label).filter(|node| !node.in_sight) {
            hidden.reveal();
            self.settle();
            nodes = access_tree::nodes(app.window());
        }
        let node = access_tree::control(&nodes, label).ok_or_else(|| {
            let there: Vec<&str> = nodes.iter().filter(|n| n.is_control()).map(|n| n.label.as_str()).collect();
            anyhow!("no control is called '{label}'; these are there: {}", there.join(" | "))
        })?;
        if !node.enabled {
            return Err(anyhow!("the control '{label}' is there and takes no touch now"));
        }
        self.touch(app, node.centre());
        Ok(())
    }

    /// Holds a finger on what is called `label`, a control or not.
    ///
    /// # Errors
    /// Where there is no such thing.
    pub fn hold(&self, app: &App, label: &str, by: Duration) -> Result<()> {
        let nodes = access_tree::nodes(app.window());
        let node = nodes.iter().find(|node| node.label == label).ok_or_else(|| anyhow!("nothing is called '{label}'"))?;
        self.press(app, node.centre(), by);
        Ok(())
    }

    /// Touches a place.
    pub fn touch(&self, app: &App, position: LogicalPosition) {
        self.press(app, position, TOUCH);
    }

    fn press(&self, app: &App, position: LogicalPosition, by: Duration) {
        let button = PointerEventButton::Left;
        let send = |event| app.window().dispatch_event(event);
        send(WindowEvent::PointerMoved { position });
        send(WindowEvent::PointerPressed { position, button });
        // In steps, so that what waits for a finger to stay sees it stay.
        for _ in 0..by.as_millis().div_ceil(TOUCH.as_millis()) {
            self.advance(TOUCH);
        }
        send(WindowEvent::PointerReleased { position, button });
        send(WindowEvent::PointerExited);
        self.advance(FRAME);
    }

    /// What the screen shows now.
    pub fn pixels(&self) -> SharedPixelBuffer<Rgb8Pixel> {
        let size = self.window.size();
        let mut buffer = SharedPixelBuffer::<Rgb8Pixel>::new(size.width, size.height);
        self.window.request_redraw();
        self.window.draw_if_needed(|renderer| {
            let stride = usize::try_from(size.width).unwrap_or(0);
            renderer.render(buffer.make_mut_slice(), stride);
        });
        buffer
    }

    /// Writes what the screen shows as a PNG file.
    ///
    /// # Errors
    /// What the disk says, with the file's name.
    pub fn screenshot(&self, path: &Path) -> Result<()> {
        let pixels = self.pixels();
        let named = || format!("the picture {} could not be written", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(named)?;
        }
        let file = BufWriter::new(File::create(path).with_context(named)?);
        let mut encoder = png::Encoder::new(file, pixels.width(), pixels.height());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        encoder.write_header().and_then(|mut png| png.write_image_data(pixels.as_bytes())).with_context(named)
    }
}
