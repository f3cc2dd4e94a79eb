//! The last look at text that comes from a terminal: no card number leaves this crate, whatever the terminal prints.

/// Card numbers have so many digits (ISO/IEC 7812: up to 19; 12 is the shortest in use).
const SHORTEST: usize = 12;
const LONGEST: usize = 19;
/// Digits at the end that may be shown.
const SHOWN: usize = 4;

/// The text with every card number masked but for its last four digits.
///
/// A card number is any 12 to 19 digits, within a longer run too, that pass Luhn's check; single spaces, dashes and dots
/// between the digits do not hide it. One digit row in ten passes by chance, so a long reference may be masked that is no
/// card number: too much masked is the safe side.
pub fn masked(text: &str) -> String {
    // As large as it will get: what grows leaves its beginnings behind.
    let mut chars: Vec<char> = Vec::with_capacity(text.len());
    chars.extend(text.chars());
    let mut hidden = vec![false; chars.len()];
    for run in runs(&chars) {
        let mut digits: Vec<(usize, u8)> = Vec::with_capacity(run.len());
        digits.extend(run.filter_map(|at| chars[at].to_digit(10).map(|d| (at, d as u8))));
        for start in 0..digits.len() {
            let longest = (digits.len() - start).min(LONGEST);
            for n in (SHORTEST..=longest).filter(|n| luhn(digits[start..start + n].iter().map(|(_, d)| *d))) {
                digits[start..start + n - SHOWN].iter().for_each(|(at, _)| hidden[*at] = true);
            }
        }
        digits.fill((0, 0));
        std::hint::black_box(&mut digits);
    }
    let shown = chars.iter().zip(hidden).map(|(c, hide)| if hide { '*' } else { *c }).collect();
    // What was read is not left behind in memory that is given back.
    chars.fill('\0');
    std::hint::black_box(&mut chars);
    shown
}

/// True if the digits, the last of them the check digit, pass Luhn's check (ISO/IEC 7812-1, annex B).
pub fn luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let doubled = |d: u32| if d > 4 { 2 * d - 9 } else { 2 * d };
    let sum = digits.rev().enumerate().map(|(i, d)| if i % 2 == 1 { doubled(d.into()) } else { d.into() }).sum::<u32>();
    sum.is_multiple_of(10)
}

/// Stretches of digits, single separators within them allowed.
fn runs(chars: &[char]) -> Vec<std::ops::Range<usize>> {
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    for at in (0..chars.len()).filter(|at| digit(*at)) {
        let joins = |end: usize| at == end || (at == end + 1 && matches!(chars[end], ' ' | '-' | '.'));
        match found.last_mut() {
            Some(run) if joins(run.end) => run.end = at + 1,
            _ => found.push(at..at + 1),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn card_numbers_are_masked_however_they_are_written() {
        for (text, shown) in [
            ("4111111111111111", "************1111"),
            ("PAN 4111 1111 1111 1111 gueltig", "PAN **** **** **** 1111 gueltig"),
            ("378282-246310-005", "******-*****0-005"),
            ("5555555555554444=2512", "************4444=2512"),
        ] {
            let result = masked(text);
            assert_eq!(result.chars().count(), text.chars().count());
            assert_eq!(result, shown);
        }
    }

    #[test]
    fn what_is_no_card_number_is_left_alone() {
        for text in
            ["", "VISA ****1234", "EUR 12,50", "Beleg-Nr. 0471", "TA-Nr. 000470", "21.11.2026 11:10 Uhr", "VU-Nr. 100123456"]
        {
            assert_eq!(masked(text), text);
        }
    }

    fn valid_number() -> impl Strategy<Value = String> {
        proptest::collection::vec(0u8..10, SHORTEST - 1..LONGEST).prop_map(|mut digits| {
            let check = (0..10).find(|c| luhn(digits.iter().copied().chain([*c]))).unwrap_or(0);
            digits.push(check);
            digits.iter().map(|d| char::from(b'0' + d)).collect()
        })
    }

    proptest! {
        #[test]
        fn no_number_that_passes_the_check_comes_through(
            before in "[a-z0-9 ]{0,12}", number in valid_number(), after in "[a-z0-9 ]{0,12}",
        ) {
            let shown = masked(&format!("{before}{number}{after}"));
            let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
            prop_assert!(!shown.contains(&number) && !digits.contains(&number));
        }

        #[test]
        fn any_text_keeps_its_length(text in "\\PC{0,80}") {
            prop_assert_eq!(masked(&text).chars().count(), text.chars().count());
        }
    }
}
