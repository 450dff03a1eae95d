//! The flags of `registry`, and those that say how to reach one.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};
use clap::Args as ArgGroup;

use crate::cli::args::{Format, instant};

const RULES: &str = "\
The input file has one line for each environment: its ID, and the revisions to keep. All other tags of it go.
Or a rule for other repositories: a tag goes that no clause of any matching line keeps.
Whatever no line is about stays. `#` comments out a line.

    62798b9bee0eb12322fc97e8 4 7 8
    team/* keep-last 5 keep ^release-
    ci/**  older-than 30days
    # the newest of each stream; no other tags go
    web    keep-last 3 of ^main- keep-last 1 of ^dev-
    # no tags go that `only` does not match
    api    only ^pr- older-than 14days

What `keep` or an environment keeps uses up no place of `keep-last`. Lines about one repository add up.
Passwords are read from IMAGE_PRUNE_PASSWORD, SKOPEO_PASSWORD or --password-file, never from a flag.
Nothing is deleted without --apply. What was interrupted goes on when it is run again.";

#[derive(Debug, ArgGroup)]
#[command(after_help = RULES)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct RegistryArgs {
    /// The input file: environments with the revisions to keep, and rules; `-` is stdin
    #[arg(long, value_name = "FILE", required_unless_present = "rule", visible_alias = "rules")]
    pub environments: Option<PathBuf>,
    /// A line of the input file; may be repeated
    #[arg(long, value_name = "LINE")]
    pub rule: Vec<String>,
    /// Environments have no repositories of their own, `domino-<id>:<revision>`
    #[arg(long, conflicts_with = "no_shared_repository")]
    pub no_own_repositories: bool,
    /// Environments have no common repository, `dominodatalab/environment:<id>-<revision>`
    #[arg(long)]
    pub no_shared_repository: bool,
    /// Delete; without it, only show what would go
    #[arg(long)]
    pub apply: bool,
    /// Do not read other repositories; the bytes are an upper limit then
    #[arg(long)]
    pub listed_only: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Do not shorten digests, and list tags that no rule is about
    #[arg(long)]
    pub no_trunc: bool,
    /// The time from which ages are counted [default: now]
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub now: Option<DateTime<FixedOffset>>,
    /// The registry: `https://host:port`; http without being asked only on this machine
    #[arg(long, value_name = "URL")]
    pub registry: String,
    #[command(flatten)]
    pub login: LoginArgs,
}

/// Who we are, and whom we trust.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Login")]
pub struct LoginArgs {
    /// The user [default: `IMAGE_PRUNE_USERNAME` or `SKOPEO_USERNAME`]
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// A file with the password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// A token server elsewhere that may have the password, too
    #[arg(long, value_name = "URL")]
    pub token_server: Option<String>,
    /// Certificates to trust instead of the usual ones, in PEM
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}
