//! The command. It knows the terminal, the clock and files; the library knows none of them.
//!
//! Results go to stdout, words for people to stderr. Nothing that a name or a label holds reaches a
//! terminal as it is: see [`render::escape`].

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

mod agent;
mod args;
mod check;
mod clean;
mod command;
mod confirm;
mod conform;
mod containerd;
mod df;
mod error;
mod estimate;
mod explain;
mod export;
mod fit;
mod host;
mod json;
mod keep;
mod logs;
mod man;
mod plan;
mod progress;
mod prune;
mod read;
mod registry;
mod render;
mod replay;
mod request;
mod serve;
mod signals;
mod source;
mod units;
mod why;
mod write;

use command::{Args, Command};
use error::Result;

/// Runs the command line `arguments`, program name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let args = match Args::try_parse_from(&arguments) {
        Ok(args) => args,
        Err(error) => return error::refused_arguments(&error, command::asks_for_json(&arguments)),
    };
    let format = args.command.format();
    match dispatch(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(format),
    }
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Plan(args) => plan::run(&args),
        Command::Df(args) => df::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Prune(args) => prune::run(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Registry(args) => registry::run(&args),
        Command::Serve(args) => serve::run(args),
        Command::Clean(args) => clean::run(&args),
        Command::Agent(args) => agent::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Conform(args) => conform::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Completions { shell } => man::completions(shell),
        Command::Man(args) => man::run(&args),
    }
}
