//! What stays whatever the filters say: flags, and the rules that they make.

use std::env;
use std::path::PathBuf;

use clap::Args as ArgGroup;
use image_prune::Result;
use image_prune::client::KeepRules;

use super::read;

/// Rules of what to keep.
#[derive(Debug, Clone, Default, ArgGroup)]
#[command(next_help_heading = "What to keep")]
pub struct KeepArgs {
    /// Keep images with a reference like REPOSITORY or REPOSITORY:TAG; `*` is anything but a slash, `**` anything; may
    /// be repeated
    #[arg(long, value_name = "PATTERN")]
    pub keep: Vec<String>,
    /// Keep images with this label; may be repeated
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub keep_label: Vec<String>,
    /// Keep the N newest images of each repository; where dates do not say which image is newer, all in question stay
    #[arg(long, value_name = "N")]
    pub keep_last: Option<usize>,
    /// Keep the images that a compose file needs, read as `docker compose config` would (`.env` beside it, then the
    /// environment); several files to merge are A.yml:B.yml, a folder stands for compose's default names in it.
    /// Kubernetes manifests, Azure's deployment manifests for edge devices and Quadlet units are read, too; may be repeated
    #[arg(long, value_name = "FILE")]
    pub needed_by: Vec<PathBuf>,
}

impl KeepArgs {
    /// These and those: a rule is never lost. Of two counts the larger one counts.
    pub fn and(mut self, other: Self) -> Self {
        self.keep.extend(other.keep);
        self.keep_label.extend(other.keep_label);
        self.needed_by.extend(other.needed_by);
        self.keep_last = self.keep_last.max(other.keep_last);
        self
    }

    /// The rules, with the files as they are now.
    pub fn rules(&self) -> Result<KeepRules> {
        let mut rules = KeepRules::new();
        for pattern in &self.keep {
            rules = rules.pattern(pattern)?;
        }
        for label in &self.keep_label {
            rules = rules.label(label)?;
        }
        if let Some(count) = self.keep_last {
            rules = rules.last(count);
        }
        // Variables that are no text are in no name.
        let environment = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        for files in &self.needed_by {
            rules = rules.needed_by_files(files, &environment, &|file| read::text(file, read::SETTINGS))?;
        }
        Ok(rules)
    }
}
