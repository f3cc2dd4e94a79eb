//! A set of numbers kept as ranges: what is settled beyond the watermark.

use std::collections::BTreeMap;

/// Disjoint, non-adjacent ranges, both ends included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a number and joins what touches it.
    pub fn insert(&mut self, number: u64) {
        self.insert_range(number, number);
    }

    /// Adds all numbers from `from` to `to`.
    pub fn insert_range(&mut self, mut from: u64, mut to: u64) {
        if from > to {
            return;
        }
        while let Some((&start, &end)) = self.0.range(..=to.saturating_add(1)).next_back() {
            if end.saturating_add(1) < from {
                break;
            }
            from = from.min(start);
            to = to.max(end);
            self.0.remove(&start);
        }
        self.0.insert(from, to);
    }

    /// Whether a number is in the set.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, &end)| end >= number)
    }

    /// Takes the range out that begins at `first` and returns its end.
    pub fn take_from(&mut self, first: u64) -> Option<u64> {
        let (&start, &end) = self.0.first_key_value()?;
        if start > first {
            return None;
        }
        self.0.remove(&start);
        (end >= first).then_some(end)
    }

    /// How many numbers the set holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from + 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn agrees_with_a_plain_set_for_any_order_of_insertion() {
        for seed in 0..200_u64 {
            let mut jitter = crate::retry::Jitter::seeded(&seed.to_string());
            let (mut ranges, mut plain) = (Ranges::default(), BTreeSet::new());
            for _ in 0..60 {
                let from = jitter.between(1, 80);
                let to = from + jitter.between(0, 6);
                ranges.insert_range(from, to);
                plain.extend(from..=to);
            }
            assert!((0..100).all(|n| ranges.contains(n) == plain.contains(&n)), "seed {seed}");
            assert_eq!(ranges.count(), plain.len() as u64);
            let touching = ranges.0.iter().zip(ranges.0.iter().skip(1)).any(|((_, end), (start, _))| end + 1 >= *start);
            assert!(!touching, "seed {seed}");
        }
    }

    #[test]
    fn the_front_is_taken_only_when_it_touches() {
        let mut ranges = Ranges::default();
        ranges.insert_range(5, 7);
        assert_eq!(ranges.take_from(4), None);
        assert_eq!(ranges.take_from(5), Some(7));
        assert_eq!(ranges.take_from(8), None);
    }
}
