//! The demo: the whole appliance on one machine, with simulated devices.
//!
//! With a display it opens the kiosk and its control panel and prints each event as it arrives. Headless it plays
//! a known guest's visit, an anonymous customer's, one with a gift card, and a shift with all that money does, draws every view, and shows what the backend has stored.

use anyhow::{Context, Result, bail};
use cem_tests::{
    appliance::{Appliance, Parts, root},
    control,
    proc::{self, Running},
};
use clap::Parser;
use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{BufRead, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

#[derive(Parser)]
#[command(version, about = "Runs the whole appliance with simulated devices")]
struct Arguments {
    /// Plays a day's visits and draws every view, without a window.
    #[arg(long)]
    headless: bool,
    /// Draws every view into this folder, and nothing else.
    #[arg(long, value_name = "DIR")]
    screens: Option<PathBuf>,
    /// Where the demo keeps its files.
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    run: PathBuf,
}

const VISITS: [(&str, &str); 4] = [
    ("a gift card pays a part", "tests/scenarios/gift-card.toml"),
    ("a shift: approved, declined, unknown until Mia looks; a line given back; a Z that balances", "tests/scenarios/money.toml"),
    ("Jane, known by her card, orders her usual", "tests/scenarios/guest-jane.toml"),
    ("somebody anonymous orders a burger", "tests/scenarios/anonymous.toml"),
];

/// Within this time everything has to be at the backend after a visit.
const SENDING: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut appliance = Appliance::start(&arguments.run, Parts::Everything)?;
    if let Some(folder) = arguments.screens {
        draw(&appliance, &folder)?;
        return appliance.stop();
    }
    let display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    if arguments.headless || !display {
        if !arguments.headless {
            println!("There is no display here: a day is played headless instead.");
        }
        headless(&mut appliance, &arguments.run.join("screens"))?;
    } else {
        windowed(&mut appliance)?;
    }
    appliance.stop()
}

/// As a manager would hand them out on paper.
fn print_staff(appliance: &Appliance) {
    println!("The shop's people (hold the shop's name on the first screen for two seconds, or lay Mia's badge on the reader):");
    for employee in appliance.staff() {
        let (number, name, role, pin) = (employee.number, employee.name, employee.role, &employee.pin);
        println!("   {number}  {name:<5} {role:<8} first PIN {pin}; the kiosk asks for another at its first use");
    }
}

fn headless(appliance: &mut Appliance, screens: &Path) -> Result<()> {
    print_staff(appliance);
    let pictures = appliance.folder().join("visits");
    for (title, scenario) in VISITS {
        println!("\n── {title}");
        let scenario = root().join(scenario);
        let (scenario, folder) = (scenario.display().to_string(), pictures.display().to_string());
        let kiosk = appliance.kiosk(&["--headless", "--scenario", &scenario, "--screenshots", &folder])?;
        follow(kiosk, appliance)?;
    }
    appliance.stop_agent()?;
    appliance.send_all().context("after all visits nothing is left to send")?;
    println!("\n── every view, in every size and language");
    draw(appliance, screens)?;
    summary(appliance)?;
    println!("pictures   {} and {}", screens.display(), pictures.display());
    Ok(())
}

/// Prints events as the agent reports them until the kiosk has ended and everything is sent.
fn follow(mut kiosk: Running, appliance: &mut Appliance) -> Result<()> {
    let status = loop {
        print_events(appliance)?;
        match kiosk.line(Duration::from_millis(100)) {
            Ok(Some(line)) => println!("   kiosk     {line}"),
            Ok(None) => break kiosk.wait()?,
            Err(_) => {}
        }
    };
    if !status.success() {
        bail!("the visit was not played to its end ({status}); see {}/logs/kiosk-app.log", appliance.folder().display());
    }
    let end = Instant::now() + SENDING;
    while Instant::now() < end {
        print_events(appliance)?;
        if appliance.unsent()? == 0 {
            return print_events(appliance);
        }
    }
    bail!("{} events are still unsent", appliance.unsent()?)
}

fn print_events(appliance: &mut Appliance) -> Result<()> {
    for line in appliance.agent()?.drain() {
        println!("   {line}");
    }
    Ok(())
}

fn draw(appliance: &Appliance, folder: &Path) -> Result<()> {
    let mut kiosk = appliance.kiosk(&["--headless", "--screenshots", &folder.display().to_string()])?;
    while let Some(line) = kiosk.line(Duration::from_secs(120))? {
        println!("   {line}");
    }
    let status = kiosk.wait()?;
    if !status.success() {
        bail!("the views were not drawn ({status}); see {}/logs/kiosk-app.log", appliance.folder().display());
    }
    Ok(())
}

fn summary(appliance: &Appliance) -> Result<()> {
    let ledger = appliance.ledger(|_| ())?;
    ledger.check_gapless()?;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &ledger.events {
        *kinds.entry(event["type"].as_str().unwrap_or("?")).or_default() += 1;
    }
    println!("\n── what the backend has stored: {} events, each once, numbers without a gap", ledger.events.len());
    for (kind, count) in kinds {
        println!("   {count:3}  {kind}");
    }
    let visits = ledger.of("cem.visit.started.v1").count();
    if visits < VISITS.len() {
        bail!("the backend knows {visits} visits, {} were made", VISITS.len());
    }
    Ok(())
}

fn windowed(appliance: &mut Appliance) -> Result<()> {
    let run = appliance.run_folder();
    let events = run.join("events.log");
    let mut log = OpenOptions::new().create(true).append(true).open(&events)?;
    let mut kiosk = appliance.kiosk(&[])?;
    let mut panel = proc::program("demo-panel")?;
    panel.arg("--run").arg(&run).current_dir(root());
    let mut panel = Some(Running::start("demo-panel", panel, &appliance.folder().join("logs"))?);
    println!("{INTERACTIVE}");
    print_staff(appliance);
    let typed = typed_lines()?;
    loop {
        for line in appliance.agent()?.drain() {
            println!("   {line}");
            writeln!(log, "{line}")?;
        }
        if let Some(status) = kiosk.ended()? {
            if !status.success() {
                bail!("the kiosk ended with {status}; see {}/logs/kiosk-app.log", appliance.folder().display());
            }
            break;
        }
        match typed.recv_timeout(Duration::from_millis(100)) {
            _ if appliance.told_to_quit() => {
                kiosk.stop(Duration::from_secs(10))?;
                break;
            }
            Ok(line) if line.trim() == "quit" => {
                kiosk.stop(Duration::from_secs(10))?;
                break;
            }
            Ok(line) => obey(&run, line.trim()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::park_timeout(Duration::from_millis(100)),
        }
    }
    panel.take().map_or(Ok(()), |panel| panel.stop(Duration::from_secs(5)).or(Ok(())))
}

const INTERACTIVE: &str = "
The kiosk is open. Use the control panel, or type here:
   reader place jane     hold Jane's card to the reader (ivan, stranger, badge, bank)      reader remove
   terminal mode decline what the terminal does next (approve, silent, manual)
   printer paper out     printer paper ok
   board presence on     board key select
   link down             unplug the network; link up
   demo backend down     stop the backend; demo backend up
   quit
";

fn obey(run: &Path, line: &str) {
    let Some((device, rest)) = line.split_once(' ') else {
        if !line.is_empty() {
            println!("{INTERACTIVE}");
        }
        return;
    };
    match control::send(&run.join(format!("{device}.ctl")), rest) {
        Ok(()) => println!("   ok        {line}"),
        Err(error) => println!("   error     {error:#}"),
    }
}

/// Lines typed at the terminal; nothing where there is no terminal.
fn typed_lines() -> Result<Receiver<String>> {
    let (sender, lines) = channel();
    thread::Builder::new().name("typed".into()).spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    })?;
    Ok(lines)
}
