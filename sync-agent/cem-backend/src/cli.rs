//! The command line.

use crate::{backup, keys, seed, serve, store, tls, tokens};
use anyhow::Context;
use cem_contract::{key_id, time};
use clap::{Args, Parser, Subcommand};
use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The reference CEM backend: takes the events of shop devices and knows their visits and visitors.
#[derive(Debug, Parser)]
#[command(name = "cem-backend", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until told to stop. The first line on stdout is `listening on http://ADDRESS:PORT`, with TLS `https://…`.
    Serve(Serve),
    /// Make a token and print it; or list and revoke tokens.
    Token(Token),
    /// Print id and public key (64 hex digits, as kiosk.toml takes it) of the key that signs profiles; it is made on first use.
    ProfileKey(Data),
    /// Store the visitors of a TOML file, for demonstrations and migrations.
    Seed(Seed),
    /// Copy the database, as it is at one moment, to a file that must not be there yet; also while the backend is running.
    ///
    /// The keys beside it (`*.key`) are not in it: keep a copy of those apart, or devices refuse what a rebuilt backend signs.
    /// The copy holds personal data: encrypt it, and do not keep it longer than your erasure deadline allows.
    Backup(Backup),
    /// Put a backup in the place of the database, which is kept beside it. A backend that is running does it itself: it answers
    /// nobody for a moment and goes on with the restored one. Run this as the backend's own user.
    ///
    /// Events that were taken since the backup come again from the devices, which keep them for 35 days: each is asked
    /// for them when it sends its next one. Tokens, revocations, erasures, and consent given at a console since
    /// then are taken over from the replaced database, if it can be read; otherwise do those again by hand.
    Restore(Restore),
}

#[derive(Debug, Args)]
struct Data {
    /// The backend's data folder; made when it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    data: Data,
    /// Address and port; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Serve TLS with this certificate chain (PEM), the server's own first. SIGHUP reads chain and key again.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Take static staff tokens (with `CEM-Staff: <id>`). For tests and demonstrations only.
    #[arg(long)]
    allow_static_staff: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Token {
    #[command(subcommand)]
    command: Option<TokenCommand>,
    /// The backend's data folder; made when it is not there.
    #[arg(long, value_name = "DIR", required = true)]
    data: Option<PathBuf>,
    /// What the token may be used for.
    #[arg(long, required = true)]
    scope: Option<tokens::Scope>,
    /// Whose events it may write: /stores/STORE/devices/DEVICE, /stores/STORE, /channels/CHANNEL.
    #[arg(long, default_value = "")]
    source: String,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// List all tokens: id, scope, source, when made, when revoked.
    List(Data),
    /// Revoke a token by its id.
    Revoke {
        #[command(flatten)]
        data: Data,
        /// The id in the list.
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Debug, Args)]
struct Seed {
    #[command(flatten)]
    data: Data,
    /// The visitors.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
struct Backup {
    #[command(flatten)]
    data: Data,
    /// Where the copy goes.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Debug, Args)]
struct Restore {
    #[command(flatten)]
    data: Data,
    /// The backup.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
}

/// Does what the command line says.
pub(crate) fn run() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve(Serve { data, listen, tls_cert, tls_key, allow_static_staff }) => {
            let tls = tls::files(tls_cert.as_deref(), tls_key.as_deref());
            serve::run(&data.data, serve::Options { listen, tls, allow_static_staff })
        }
        Command::Token(Token { command: Some(TokenCommand::List(data)), .. }) => list(&data),
        Command::Token(Token { command: Some(TokenCommand::Revoke { data, id }), .. }) => {
            tokens::revoke(&store::open(&data.data)?, &id, store::now_ms())
        }
        Command::Token(Token { data: Some(data), scope: Some(scope), source, .. }) => {
            print(&tokens::create(&store::open(&data)?, scope, &source, store::now_ms())?)
        }
        Command::Token(_) => anyhow::bail!("--data and --scope are needed to make a token"),
        Command::ProfileKey(data) => {
            drop(store::open(&data.data)?);
            let public = keys::profile_key(&data.data)?.verifying_key();
            let digits: String = public.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            print(&format!("{} {digits}", key_id(&public)))
        }
        Command::Seed(Seed { data, file }) => {
            let count = seed::run(&data.data, &file, store::now_ms())?;
            print(&format!("{count} visitors stored"))
        }
        Command::Backup(Backup { data, to }) => {
            backup::backup(&data.data, &to)?;
            print(&format!("copied to {}", to.display()))
        }
        Command::Restore(Restore { data, from }) => restore(&data, &from),
    }
}

fn restore(data: &Data, from: &Path) -> anyhow::Result<()> {
    let restored = backup::restore(&data.data, from, store::now_ms())?;
    print(&format!("{} events restored; devices send again what came later", restored.events))?;
    if let Some(kept) = restored.kept {
        print(&format!("the replaced database is {}: delete it when it is not needed any more", kept.display()))?;
    }
    match restored.unreadable {
        None => Ok(()),
        Some(why) => {
            print(&format!("nothing was taken over from it ({why}): revoke tokens, erase persons and set consent again"))
        }
    }
}

fn list(data: &Data) -> anyhow::Result<()> {
    for known in tokens::list(&store::open(&data.data)?)? {
        let revoked = known.revoked_ms.map_or_else(|| "-".to_owned(), time::rfc3339);
        let source = if known.source.is_empty() { "-" } else { &known.source };
        let created = time::rfc3339(known.created_ms);
        print(&format!("{}\t{}\t{source}\t{created}\t{revoked}", known.id, known.scope.word()))?;
    }
    Ok(())
}

/// Prints a line for whoever called; a closed pipe is an error, not a panic.
fn print(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to stdout")
}
