//! What is wrong with a file, in words that help: where, what, and what to do.

use crate::Limits;
use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    fmt,
};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the shop's folder, with forward slashes.
    pub file: String,
    /// Its line, from 1, where one can be named.
    pub line: Option<usize>,
    /// What is wrong: a sentence that goes on after 'file line 41: '.
    pub what: String,
    /// What to do about it, a full sentence.
    pub cure: String,
}

/// Something a guest can live with: a missing translation, a file that is not read. The shop opens all the same.
pub type Warning = Problem;

impl Problem {
    fn by_place(&self, other: &Self) -> Ordering {
        (&self.file, self.line).cmp(&(&other.file, other.line))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        write!(f, ": {} {}", self.what, self.cure)
    }
}

/// All that is wrong with a folder. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// Sorted by file and line, at most [`crate::Limits::problems`].
    pub list: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

/// Gathers problems and warnings up to a bound. Shared by reference while a folder is read.
#[derive(Debug)]
pub(crate) struct Report {
    bound: usize,
    problems: RefCell<Vec<Problem>>,
    more_problems: Cell<usize>,
    warnings: RefCell<Vec<Warning>>,
    more_warnings: Cell<usize>,
}

impl Report {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            bound: limits.problems.max(1),
            problems: RefCell::default(),
            more_problems: Cell::new(0),
            warnings: RefCell::default(),
            more_warnings: Cell::new(0),
        }
    }

    pub(crate) fn has_problems(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// Takes a problem, or only counts it: `make` is called where it will be told, because finding its line costs a walk
    /// through the file.
    pub(crate) fn problem(&self, make: impl FnOnce() -> Problem) {
        Self::take(self.bound, &self.problems, &self.more_problems, make);
    }

    /// Takes a warning, or only counts it.
    pub(crate) fn warning(&self, make: impl FnOnce() -> Warning) {
        Self::take(self.bound, &self.warnings, &self.more_warnings, make);
    }

    fn take(bound: usize, list: &RefCell<Vec<Problem>>, more: &Cell<usize>, make: impl FnOnce() -> Problem) {
        if list.borrow().len() >= bound {
            more.set(more.get().saturating_add(1));
        } else {
            let problem = make();
            list.borrow_mut().push(problem);
        }
    }

    /// The value with its warnings, or all that is wrong. `None` without a problem cannot be: whoever gives up says why.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<(T, Vec<Warning>), Problems> {
        let mut problems = self.problems.into_inner();
        let mut warnings = self.warnings.into_inner();
        problems.sort_by(Problem::by_place);
        warnings.sort_by(Problem::by_place);
        let more = self.more_warnings.get();
        if more > 0 {
            let what = format!("there are {more} more warnings.");
            warnings.push(Warning {
                file: "menu".to_owned(),
                line: None,
                what,
                cure: "Settle the first to see them.".to_owned(),
            });
        }
        match value {
            Some(value) if problems.is_empty() => Ok((value, warnings)),
            _ => Err(Problems { list: problems, more: self.more_problems.get() }),
        }
    }
}

/// A piece of a file as it may be repeated in a message: short, and without what would disturb a terminal or a log.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 48;
    let mut out: String = text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

/// The known word nearest to `word`, as a sentence with a leading space, or nothing where none is near.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    const LONGEST: usize = 64;
    let near = (word.chars().count() / 3).clamp(1, 4);
    if word.is_empty() || word.len() > LONGEST {
        return String::new();
    }
    known
        .into_iter()
        .filter(|k| !k.is_empty() && k.len() <= LONGEST && k.len().abs_diff(word.len()) <= near * 2)
        .map(|k| (distance(word, k), k))
        .filter(|(d, _)| *d <= near)
        .min()
        .map(|(_, k)| format!(" Did you mean \"{k}\"?"))
        .unwrap_or_default()
}

/// Edits between two words (optimal string alignment: letters put in, left out, changed, or swapped with their neighbour),
/// upper and lower case alike.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut older = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let changed = last[j] + usize::from(a[i] != b[j]);
            row[j + 1] = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(older[j - 1] + 1);
            }
        }
        older = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_near_word_is_offered_and_a_far_one_is_not() {
        assert_eq!(did_you_mean("extrs", ["milk", "extras"]), " Did you mean \"extras\"?");
        assert_eq!(did_you_mean("Extras", ["extras"]), " Did you mean \"extras\"?");
        assert_eq!(did_you_mean("nmae", ["name"]), " Did you mean \"name\"?");
        assert_eq!(did_you_mean("sauce", ["milk", "extras"]), "");
        assert_eq!(did_you_mean("", ["milk"]), "");
    }

    #[test]
    fn a_repeated_text_is_short_and_without_controls() {
        let long = format!("\u{1b}[2J{}", "x".repeat(3_000_000));
        let out = shown(&long);
        assert_eq!(out.chars().count(), 49);
        assert!(!out.contains('\u{1b}'));
    }

    #[test]
    fn problems_beyond_the_bound_are_counted_and_the_rest_sorted() {
        let report = Report::new(&Limits { problems: 2, ..Limits::default() });
        for line in [9, 3, 5] {
            report.problem(|| Problem { file: "a".into(), line: Some(line), what: "w.".into(), cure: "C.".into() });
        }
        assert!(report.has_problems());
        let problems = report.finish(Some(())).unwrap_err();
        assert_eq!(problems.to_string(), "a line 3: w. C.\na line 9: w. C.\nand 1 more");
    }
}
