//! `man`, `completions` and what `--version` says: what packagers take along.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clap::CommandFactory;
use image_prune::{Error, ErrorClass, Semantics};

use super::command::Args;
use super::error::Result;

#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The command whose page is printed, such as `plan` or `fit index`; the first page where none is named
    #[arg(conflicts_with = "dir")]
    command: Vec<String>,
    /// Write the pages of all commands into this folder, as `image-prune-plan.1` and so on
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(args: &ManArgs) -> Result<()> {
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    if let Some(dir) = &args.dir {
        return write_all(dir);
    }
    for name in &args.command {
        let found = command.find_subcommand(name).cloned();
        command = found.ok_or_else(|| {
            let known = command.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Error::new(
                ErrorClass::InvalidParameter,
                format!("no command is called `{name}`; there are: {known}"),
            )
        })?;
    }
    // The whole page first: a pipe that is closed early must not look like a fault of the page.
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(std::io::stdout().lock().write_all(&page)?)
}

fn write_all(dir: &Path) -> Result<()> {
    let written = clap_mangen::generate_to(Args::command(), dir);
    written.map_err(|error| Error::new(ErrorClass::System, format!("{}: {error}", dir.display())).into())
}

pub fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "image-prune", &mut script);
    Ok(std::io::stdout().lock().write_all(&script)?)
}

/// The version, the commit where the build was told one, and the stores and versions of moby that are covered.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let commit =
            option_env!("IMAGE_PRUNE_COMMIT").map(|commit| format!(" ({commit})")).unwrap_or_default();
        let names =
            |all: &[Semantics]| all.iter().map(|semantics| semantics.name).collect::<Vec<_>>().join(", ");
        format!(
            "{}{commit}\nclassic image store: {}\ncontainerd image store: {}",
            env!("CARGO_PKG_VERSION"),
            names(&Semantics::ALL),
            names(&Semantics::ALL_CONTAINERD)
        )
    });
    &VERSION
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        write_all(folder.path()).unwrap();
        for name in Args::command().get_subcommands().map(clap::Command::get_name) {
            assert!(folder.path().join(format!("image-prune-{name}.1")).is_file(), "{name}");
        }
        assert!(folder.path().join("image-prune-fit-index.1").is_file());
        let refused = write_all(&folder.path().join("nosuch"));
        assert!(refused.is_err());
    }
}
