//! The command line as a whole.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use super::agent::AgentArgs;
use super::args::{ExportArgs, Format, PlanArgs, PruneArgs, ReplayArgs};
use super::check::CheckArgs;
use super::clean::CleanArgs;
use super::conform::ConformArgs;
use super::df::DfArgs;
use super::explain::ExplainArgs;
use super::fit::args::FitArgs;
use super::registry::args::RegistryArgs;
use super::serve::ServeArgs;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 an error, 2 wrong usage, 3 a check found differences.
With --format json an error is also printed on stdout, as {\"error\":{\"class\",\"message\",\"status\"}}.";

/// What `docker image prune` deletes, before it does: which images go, why each other one stays, and how
/// many bytes come back.
#[derive(Debug, Parser)]
#[command(name = "image-prune", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a prune would delete, and why the rest stays; nothing is changed
    Plan(PlanArgs),
    /// Show the disk space that images take, as `docker system df` does, and what deleting some would free
    Df(DfArgs),
    /// Write the state of a data root to a state file
    Export(ExportArgs),
    /// Prune a state file, or a running daemon
    Prune(PruneArgs),
    /// Say whether an update fits on the disk, and what to prune if it does not
    Fit(Box<FitArgs>),
    /// Delete tags of a registry, except those to keep; a dry run unless told otherwise
    Registry(RegistryArgs),
    /// Clean up a running daemon: containers, images, logs, volumes that are named
    Clean(CleanArgs),
    /// Prune a running daemon again and again
    Agent(AgentArgs),
    /// Be a Docker daemon in memory, for tests
    Serve(ServeArgs),
    /// Answer recorded rows, one JSON line each
    Replay(ReplayArgs),
    /// Say whether what a daemon did can be moby's
    Check(CheckArgs),
    /// Try whether a daemon prunes as moby does
    Conform(ConformArgs),
    /// Print a rule of moby's behaviour, such as `D-12`, or the list of all
    Explain(ExplainArgs),
    /// Print a completion script
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

impl Command {
    /// How errors are printed.
    pub fn format(&self) -> Format {
        match self {
            Self::Plan(args) => args.format,
            Self::Df(args) => args.format,
            Self::Prune(args) => args.format,
            Self::Registry(args) => args.format,
            Self::Fit(args) => args.format,
            Self::Agent(args) => args.format,
            Self::Clean(args) => args.format,
            Self::Check(args) => args.format,
            Self::Conform(args) => args.format,
            _ => Format::Table,
        }
    }
}

/// Whether a command line that could not be read asks for JSON.
pub fn asks_for_json(arguments: &[OsString]) -> bool {
    let follows = |pair: &[OsString]| matches!(pair, [key, value] if key == "--format" && value == "json");
    arguments.iter().any(|argument| argument == "--format=json") || arguments.windows(2).any(follows)
}
