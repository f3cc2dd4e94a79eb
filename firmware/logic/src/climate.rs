//! Temperature to fan, ambient light to brightness, and the watch over the 12 V supply. Readings are 12-bit ADC values.

/// Full scale of the ADC.
pub const ADC_MAX: u16 = 4095;

/// Below this supply everything that draws is switched off, millivolts.
pub const SUPPLY_LOW_MV: u16 = 10_000;

/// And above this it may draw again, millivolts.
pub const SUPPLY_GOOD_MV: u16 = 10_800;

/// Too hot: reported, hundredths of a degree Celsius.
pub const HOT: i16 = 7_500;

/// The fan begins here, hundredths of a degree Celsius, and stops [`FAN_HYSTERESIS`] below.
pub const FAN_FROM: i16 = 4_000;

/// The fan runs at full speed from here on.
pub const FAN_FULL: i16 = 6_000;

/// So that a fan does not start and stop for ever.
pub const FAN_HYSTERESIS: i16 = 300;

/// Least speed at which a fan turns, percent.
pub const FAN_LEAST: u8 = 30;

/// Speed when the temperature is not known, percent.
pub const FAN_BLIND: u8 = 60;

/// What the sensors say, made steady.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Climate {
    fan: u8,
    centi: Option<i16>,
    /// Ambient light times 256, following slowly so that a passing shadow does not dim the ring.
    ambient: u32,
    supply_mv: u16,
    lowest_mv: u16,
    low: bool,
}

impl Default for Climate {
    fn default() -> Self {
        Self { fan: 0, centi: None, ambient: 128 << 8, supply_mv: 12_000, lowest_mv: u16::MAX, low: false }
    }
}

/// What a sample changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The supply became too low.
    pub brown_out: bool,
    /// The case became too hot.
    pub overheat: bool,
}

impl Climate {
    /// Takes readings of thermistor, light sensor and supply divider.
    pub fn sample(&mut self, thermistor: u16, light: u16, supply: u16) -> Changed {
        let was = (self.low, self.is_hot());
        self.centi = celsius(thermistor);
        self.fan = fan(self.centi, self.fan);
        let target = u32::from(light.min(ADC_MAX)) << 4;
        self.ambient = (self.ambient * 127 + target) / 128;
        self.supply_mv = millivolts(supply);
        self.low = self.supply_mv < if self.low { SUPPLY_GOOD_MV } else { SUPPLY_LOW_MV };
        self.lowest_mv = if self.low { self.lowest_mv.min(self.supply_mv) } else { u16::MAX };
        Changed { brown_out: self.low && !was.0, overheat: self.is_hot() && !was.1 }
    }

    fn is_hot(&self) -> bool {
        self.centi.is_some_and(|centi| centi >= HOT)
    }

    /// Inside the case, hundredths of a degree Celsius; -27315 when the thermistor is torn off or shorted.
    pub fn centi_celsius(&self) -> i16 {
        self.centi.unwrap_or(-27_315)
    }

    /// 0 to 100.
    pub fn fan_percent(&self) -> u8 {
        self.fan
    }

    /// 0 dark to 255.
    pub fn ambient(&self) -> u8 {
        (self.ambient >> 8) as u8
    }

    /// The 12 V supply.
    pub fn supply_mv(&self) -> u16 {
        self.supply_mv
    }

    /// The supply is too low to draw from.
    pub fn is_low(&self) -> bool {
        self.low
    }

    /// The lowest supply since it became too low.
    pub fn lowest_mv(&self) -> u16 {
        self.lowest_mv
    }
}

/// Behind 100 kΩ over 22 kΩ and a reference of 3.3 V: full scale is 18.3 V.
fn millivolts(reading: u16) -> u16 {
    (u32::from(reading.min(ADC_MAX)) * 18_300 / u32::from(ADC_MAX)) as u16
}

/// A 10 kΩ thermistor with B = 3950 below a resistor of 10 kΩ, every ten degrees from -20 on.
const THERMISTOR: [u16; 13] = [3740, 3495, 3156, 2738, 2278, 1825, 1419, 1081, 815, 613, 462, 350, 267];

/// Hundredths of a degree, straight lines between the table's values; `None` if the wire is broken or shorted.
fn celsius(reading: u16) -> Option<i16> {
    const NOTHING: u16 = 4000;
    const SHORT: u16 = 100;
    if !(SHORT..=NOTHING).contains(&reading) {
        return None;
    }
    let step = THERMISTOR.iter().skip(1).position(|&below| reading >= below).unwrap_or(THERMISTOR.len() - 2);
    let (cold, warm) = (i32::from(THERMISTOR[step]), i32::from(THERMISTOR[step + 1]));
    let centi = -2_000 + step as i32 * 1_000 + (cold - i32::from(reading)) * 1_000 / (cold - warm);
    Some(centi as i16)
}

fn fan(centi: Option<i16>, before: u8) -> u8 {
    let Some(centi) = centi else { return FAN_BLIND };
    let from = if before == 0 { FAN_FROM } else { FAN_FROM - FAN_HYSTERESIS };
    if centi < from {
        return 0;
    }
    let above = i32::from(centi.max(FAN_FROM) - FAN_FROM);
    let span = i32::from(FAN_FULL - FAN_FROM);
    (i32::from(FAN_LEAST) + above * i32::from(100 - FAN_LEAST) / span).min(100) as u8
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    const MILD: u16 = 1825;

    #[test]
    fn the_thermistor_is_read_to_a_tenth_of_a_degree_where_its_table_stands() {
        for (i, reading) in THERMISTOR.into_iter().enumerate() {
            assert_eq!(celsius(reading), Some(-2_000 + 1_000 * i as i16));
        }
        assert_eq!((celsius(ADC_MAX), celsius(0)), (None, None));
    }

    #[test]
    fn the_fan_starts_at_40_degrees_and_stops_at_37() {
        assert_eq!(fan(Some(3_999), 0), 0);
        assert_eq!(fan(Some(4_000), 0), 30);
        assert_eq!(fan(Some(3_700), 30), 30);
        assert_eq!(fan(Some(3_699), 30), 0);
        assert_eq!(fan(Some(5_000), 30), 65);
        assert_eq!(fan(Some(9_000), 30), 100);
        assert_eq!(fan(None, 0), FAN_BLIND);
    }

    #[test]
    fn a_dip_of_the_supply_is_told_once_and_over_when_it_is_good_again() {
        let mut climate = Climate::default();
        let at = |mv: u32| (mv * u32::from(ADC_MAX)).div_ceil(18_300) as u16;
        assert_eq!(climate.sample(MILD, 0, at(12_000)), Changed::default());
        assert!(climate.sample(MILD, 0, at(9_000)).brown_out);
        assert!(!climate.sample(MILD, 0, at(9_500)).brown_out && climate.is_low());
        assert_eq!(climate.lowest_mv(), 9_000);
        climate.sample(MILD, 0, at(10_500));
        assert!(climate.is_low());
        climate.sample(MILD, 0, at(11_000));
        assert!(!climate.is_low());
    }

    #[test]
    fn light_follows_slowly_and_arrives() {
        let mut climate = Climate::default();
        climate.sample(MILD, 4095, 2700);
        assert!(climate.ambient() < 135);
        assert!((0..2_000).all(|_| climate.sample(MILD, 4095, 2700) == Changed::default()));
        assert!(climate.ambient() > 250);
    }

    proptest! {
        #[test]
        fn no_reading_panics_and_hotter_never_means_slower(a in any::<u16>(), b in any::<u16>(), light in any::<u16>()) {
            let mut climate = Climate::default();
            climate.sample(a, light, b);
            prop_assert!(climate.fan_percent() <= 100);
            if let (Some(x), Some(y)) = (celsius(a), celsius(b)) && x <= y {
                prop_assert!(fan(Some(x), 50) <= fan(Some(y), 50));
            }
        }
    }
}
