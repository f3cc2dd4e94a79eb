//! Running other programs, with the minutes that each step took.

use std::{
    cell::RefCell,
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

/// Why a command did not succeed, as a sentence for the person at the keyboard.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl<T: std::error::Error> From<T> for Failed {
    fn from(error: T) -> Self {
        Self(error.to_string())
    }
}

/// One invocation: where the project is and what was done so far.
pub(crate) struct Run {
    root: PathBuf,
    steps: RefCell<Vec<(String, f64)>>,
    tests: RefCell<Counts>,
}

/// Tests seen in the closing lines of test runners.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Run {
    /// In the project's root, wherever cargo was called from.
    pub(crate) fn at_root() -> Result<Self, Failed> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| Failed("call it as `cargo xtask`".into()))?;
        let root = Path::new(&manifest).ancestors().nth(2).ok_or_else(|| Failed("the project's root is missing".into()))?;
        env::set_current_dir(root)?;
        Ok(Self { root: root.to_path_buf(), steps: RefCell::default(), tests: RefCell::default() })
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// Does one thing under a heading and notes how long it took.
    pub(crate) fn step(&self, name: &str, work: impl FnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
        println!("\n== {name}");
        let begun = Instant::now();
        let outcome = work();
        self.steps.borrow_mut().push((name.to_owned(), begun.elapsed().as_secs_f64() / 60.0));
        outcome.map_err(|Failed(why)| Failed(format!("{name}: {why}")))
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> Result<(), Failed> {
        self.command(Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).args(arguments))
    }

    pub(crate) fn cargo_env(&self, arguments: &[&str], (name, value): (&str, &str)) -> Result<(), Failed> {
        self.command(Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).args(arguments).env(name, value))
    }

    /// Runs a program that this project built.
    pub(crate) fn program(&self, name: &str, arguments: &[&str]) -> Result<(), Failed> {
        self.command(Command::new(self.target().join("debug").join(name)).args(arguments))
    }

    /// The same, built for release.
    pub(crate) fn release_program(&self, name: &str, arguments: &[&str]) -> Result<(), Failed> {
        self.command(Command::new(self.target().join("release").join(name)).args(arguments))
    }

    pub(crate) fn command(&self, command: &mut Command) -> Result<(), Failed> {
        let name = command.get_program().to_string_lossy().into_owned();
        let status = command.status().map_err(|error| Failed(format!("cannot run {name}: {error}")))?;
        if status.success() { Ok(()) } else { Err(Failed(format!("{name} ended with {status}"))) }
    }

    /// Runs `cargo test …`, shows its output, and adds up its closing lines.
    pub(crate) fn cargo_test(&self, arguments: &[&str]) -> Result<(), Failed> {
        self.counted(Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).args(arguments))
    }

    /// Runs a test runner, cargo's or node's, shows its output, and adds up its closing lines.
    pub(crate) fn counted(&self, command: &mut Command) -> Result<(), Failed> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| Failed(format!("cannot run {name}: {error}")))?;
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).lines() {
                let line = line?;
                println!("{line}");
                self.tests.borrow_mut().add(&line);
            }
        }
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(Failed(format!("the tests of {name} ended with {status}"))) }
    }

    /// Minutes by step, then how many tests passed. The last line stands alone, so that it can be read by a machine.
    pub(crate) fn report(&self) {
        println!("\nminutes by step");
        for (name, minutes) in self.steps.borrow().iter() {
            println!("  {minutes:5.1}  {name}");
        }
        println!("  {:5.1}  in all\n", self.steps.borrow().iter().map(|(_, minutes)| minutes).sum::<f64>());
        let counts = *self.tests.borrow();
        println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.ignored);
    }
}

impl Counts {
    /// Reads `test result: ok. 12 passed; 0 failed; 1 ignored; …`, and of node `ℹ pass 12`.
    fn add(&mut self, line: &str) {
        let of_node = |word: &str| line.strip_prefix("ℹ ")?.strip_prefix(word)?.trim().parse::<u64>().ok();
        self.passed += of_node("pass ").unwrap_or(0);
        self.failed += of_node("fail ").unwrap_or(0);
        self.ignored += of_node("skipped ").unwrap_or(0);
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        let count = |word: &str| {
            let before = rest.split(';').find(|part| part.trim_end().ends_with(word))?;
            before.split_whitespace().rev().nth(1)?.parse::<u64>().ok()
        };
        self.passed += count("passed").unwrap_or(0);
        self.failed += count("failed").unwrap_or(0);
        self.ignored += count("ignored").unwrap_or(0);
    }
}

/// True where a window can be opened.
pub(crate) fn display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// The path of a program, if it is to be found.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| fs::metadata(path).is_ok())
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn closing_lines_of_test_binaries_are_added_up() {
        let mut counts = Counts::default();
        counts.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        counts.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        counts.add("running 12 tests");
        assert_eq!((counts.passed, counts.failed, counts.ignored), (15, 2, 1));
        ["ℹ tests 9", "ℹ pass 7", "ℹ fail 1", "ℹ skipped 1", "ℹ duration_ms 5.5"].iter().for_each(|line| counts.add(line));
        assert_eq!((counts.passed, counts.failed, counts.ignored), (22, 3, 2));
    }
}
