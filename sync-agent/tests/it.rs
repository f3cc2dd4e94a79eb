//! The agent against backends that misbehave: exactly one effect for each event, nothing lost, nothing stuck.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "it/catch_up.rs"]
mod catch_up;
#[path = "it/cli.rs"]
mod cli;
#[path = "it/fleet.rs"]
mod fleet;
#[path = "it/ledger.rs"]
mod ledger;
#[path = "it/mirrors.rs"]
mod mirrors;
#[path = "it/orders.rs"]
mod orders;
#[path = "it/people.rs"]
mod people;
#[path = "it/proxy.rs"]
mod proxy;
#[path = "it/slow.rs"]
mod slow;
#[path = "it/storm.rs"]
mod storm;
#[path = "it/tcp.rs"]
mod tcp;
#[path = "it/wire.rs"]
mod wire;
