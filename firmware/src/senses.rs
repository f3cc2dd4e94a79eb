//! The pins that are read.

use embassy_rp::{
    Peri,
    adc::{Adc, Blocking, Channel, Config},
    gpio::{AnyPin, Input, Pull},
    peripherals::{ADC, PIN_7, PIN_8, PIN_9, PIN_10, PIN_26, PIN_27, PIN_28},
};
use peripheral_logic::Levels;

pub(crate) struct Pins {
    /// Up, down, select, back, help.
    pub(crate) keys: [Peri<'static, AnyPin>; 5],
    pub(crate) presence: Peri<'static, PIN_7>,
    pub(crate) headphones: Peri<'static, PIN_8>,
    pub(crate) door: Peri<'static, PIN_9>,
    pub(crate) tamper: Peri<'static, PIN_10>,
    pub(crate) light: Peri<'static, PIN_26>,
    pub(crate) thermistor: Peri<'static, PIN_27>,
    pub(crate) supply: Peri<'static, PIN_28>,
    pub(crate) adc: Peri<'static, ADC>,
}

pub(crate) struct Senses {
    keys: [Input<'static>; 5],
    presence: Input<'static>,
    headphones: Input<'static>,
    door: Input<'static>,
    tamper: Input<'static>,
    adc: Adc<'static, Blocking>,
    light: Channel<'static>,
    thermistor: Channel<'static>,
    supply: Channel<'static>,
}

impl Senses {
    pub(crate) fn new(pins: Pins) -> Self {
        Self {
            keys: pins.keys.map(|key| Input::new(key, Pull::Up)),
            presence: Input::new(pins.presence, Pull::Down),
            headphones: Input::new(pins.headphones, Pull::Up),
            door: Input::new(pins.door, Pull::Up),
            tamper: Input::new(pins.tamper, Pull::Up),
            adc: Adc::new_blocking(pins.adc, Config::default()),
            light: Channel::new_pin(pins.light, Pull::None),
            thermistor: Channel::new_pin(pins.thermistor, Pull::None),
            supply: Channel::new_pin(pins.supply, Pull::None),
        }
    }

    /// One sample of everything, about 10 µs. A conversion that failed reads as zero: no light, no thermistor, no supply.
    pub(crate) fn sample(&mut self) -> Levels {
        let keys = self.keys.iter().enumerate().map(|(bit, key)| u8::from(key.is_low()) << bit).sum();
        Levels {
            keys,
            presence: self.presence.is_high(),
            headphones: self.headphones.is_low(),
            door: self.door.is_high(),
            tamper: self.tamper.is_high(),
            thermistor: self.adc.blocking_read(&mut self.thermistor).unwrap_or(0),
            light: self.adc.blocking_read(&mut self.light).unwrap_or(0),
            supply: self.adc.blocking_read(&mut self.supply).unwrap_or(0),
        }
    }
}
