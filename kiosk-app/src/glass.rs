// SPDX-License-Identifier: GPL-3.0-only
//! Touches are felt where they are meant: what a person measured on the glass is told to libinput, which corrects each touch
//! before the screen hears of it. Only where this program reads the glass itself; a desktop corrects its own.

use kiosk_core::desk::Correction;
use kiosk_shell::Glazier;
use slint::PlatformError;

/// Corrects touches so, from the first one; to be called before any window. Gives back the way to correct them otherwise.
///
/// # Errors
/// Where the display cannot be used at all.
#[cfg(not(feature = "linuxkms"))]
pub(crate) fn install(_: Correction) -> Result<Option<Glazier>, PlatformError> {
    Ok(None)
}

#[cfg(feature = "linuxkms")]
pub(crate) use on_the_glass::install;

#[cfg(feature = "linuxkms")]
mod on_the_glass {
    use super::{Correction, Glazier, PlatformError};
    use input::{AsRaw as _, Device, Event, event::DeviceEvent, event::EventTrait as _};
    use std::{cell::RefCell, sync::Arc};

    thread_local! {
        /// What can be touched, on the screen's thread, which hears of it.
        static GLASS: RefCell<(Correction, Vec<Device>)> = RefCell::default();
    }

    /// See the other one.
    pub(crate) fn install(kept: Correction) -> Result<Option<Glazier>, PlatformError> {
        if !std::env::var("SLINT_BACKEND").is_ok_and(|name| name.starts_with("linuxkms")) {
            return Ok(None);
        }
        GLASS.with_borrow_mut(|(correction, _)| *correction = kept);
        slint::BackendSelector::new().with_libinput_event_hook(heard).select()?;
        Ok(Some(Arc::new(|correction| {
            // Fails only once the screen is gone.
            let _ = slint::invoke_from_event_loop(move || correct_all(correction));
        })))
    }

    /// Devices come and go; what they say goes on to the screen.
    fn heard(event: &Event) -> bool {
        GLASS.with_borrow_mut(|(correction, devices)| match event {
            Event::Device(DeviceEvent::Added(added)) => {
                let mut device = added.device();
                if device.config_calibration_has_matrix() {
                    correct(&mut device, *correction);
                    devices.push(device);
                }
            }
            Event::Device(DeviceEvent::Removed(removed)) => {
                let gone = removed.device();
                devices.retain(|device| device.as_raw() != gone.as_raw());
            }
            _ => {}
        });
        false
    }

    fn correct_all(now: Correction) {
        GLASS.with_borrow_mut(|(correction, devices)| {
            *correction = now;
            devices.iter_mut().for_each(|device| correct(device, now));
        });
    }

    /// After what the machine itself says of this glass: that it is mounted turned, for example.
    fn correct(device: &mut Device, correction: Correction) {
        let given = device.config_calibration_default_matrix().unwrap_or([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        let matrix = correction.after_matrix(given);
        match device.config_calibration_set_matrix(matrix) {
            Ok(()) => tracing::info!(device = %device.name(), ?matrix, "touches"),
            Err(error) => tracing::error!(device = %device.name(), ?error, "touches cannot be corrected"),
        }
    }
}
