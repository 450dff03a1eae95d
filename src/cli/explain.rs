//! `explain`: a rule of moby's behaviour, or the list of them.

use std::io::{BufWriter, Write};

use image_prune::{Error, rules};

use super::error::{Failure, Result};
use super::render::escape;

#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The rule's id, as `plan --why`, `check` and `conform` print it; all rules in one line each without it
    rule: Option<String>,
}

pub fn run(args: &ExplainArgs) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    match &args.rule {
        None => {
            for rule in rules::all() {
                writeln!(out, "{:6} {}", rule.id(), rule.summary())?;
            }
        }
        Some(id) => {
            let rule = rules::find(id).ok_or_else(|| unknown(id))?;
            writeln!(out, "{rule}")?;
        }
    }
    Ok(out.flush()?)
}

fn unknown(id: &str) -> Failure {
    let failure = Failure::from(Error::not_found(format!("no rule is called `{}`", escape(id))));
    failure.with_hint("`image-prune explain` lists all of them; an id is a letter and a number, such as D-12")
}
