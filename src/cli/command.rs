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
use super::man::{self, ManArgs};
use super::registry::args::RegistryArgs;
use super::serve::ServeArgs;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 an error, 2 wrong usage, 3 a check found differences.
With --format json an error is also printed on stdout, as {\"error\":{\"class\",\"message\",\"status\"}}.";

/// What `docker image prune` deletes, before it does: which images go, why each other one stays, and how
/// many bytes come back.
#[derive(Debug, Parser)]
#[command(name = "image-prune", version, long_version = man::version(), max_term_width = 100, after_help = EXIT_CODES)]
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
    /// Print a script that completes commands and flags in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a page of the manual, or write all into a folder
    Man(ManArgs),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::process::Command as Process;
    use std::{fs, str};

    use super::*;

    /// The words of every command line of ours in the code blocks of a text, as a shell reads them.
    fn command_lines(text: &str) -> Vec<Vec<String>> {
        let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let lines = blocks.flat_map(str::lines).filter(|line| line.starts_with("image-prune "));
        let words = |line: &str| {
            let (line, _) = line.split_once(" && ").unwrap_or((line, ""));
            let line = line.trim_end().trim_end_matches('&');
            let script = format!("printf '%s\\0' {line}");
            let said = Process::new("sh").args(["-c", &script]).output().unwrap();
            assert!(said.status.success(), "{line}");
            let words = str::from_utf8(&said.stdout).unwrap().trim_end_matches('\0');
            words.split('\0').map(str::to_owned).collect()
        };
        lines.map(words).collect()
    }

    #[test]
    fn command_lines_of_the_documents_are_understood() {
        let guides = fs::read_dir("src/docs/guide").unwrap().map(|entry| entry.unwrap().path());
        let mut seen = 0;
        for path in guides.chain(["README.md".into()]) {
            for words in command_lines(&fs::read_to_string(&path).unwrap()) {
                seen += 1;
                let refused = Args::try_parse_from(&words).err();
                assert!(refused.is_none(), "{}: {}\n{refused:?}", path.display(), words.join(" "));
            }
        }
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn the_readme_is_short() {
        let words = fs::read_to_string("README.md").unwrap().split_whitespace().count();
        assert!(words <= 1_200, "{words} words");
    }
}
