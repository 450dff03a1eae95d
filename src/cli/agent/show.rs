//! A plan of the agent's, as a table.

use std::io::{BufWriter, Write};

use image_prune::ImageId;
use image_prune::client::agent::{RunPlan, View, Why};
use image_prune::graph::store::ReferenceStore;

use crate::cli::error::Result;
use crate::cli::plan;
use crate::cli::render::{self, identifier};

pub fn plan(view: &View, plan: &RunPlan) -> Result<()> {
    for warning in &plan.warnings {
        render::line_to_stderr("warning", &render::shorten(warning));
    }
    let names = |id: ImageId| {
        let references = view.stores.references.references(id);
        references.iter().map(|reference| reference.familiar().to_owned()).collect::<Vec<_>>()
    };
    let deleted = plan.delete.iter().map(|id| (*id, names(*id), "unused".to_owned()));
    let kept = plan.kept.iter().map(|kept| (kept.id, kept.references.clone(), why(&kept.why)));
    let rows = deleted.chain(kept).map(|(id, references, why)| {
        let references = if references.is_empty() { "<none>".to_owned() } else { references.join(", ") };
        [identifier(id, false), references, why]
    });
    let mut lines = render::table(["IMAGE ID", "REFERENCES", "WHY"], rows).into_iter();
    let mut out = BufWriter::new(anstream::stdout().lock());
    writeln!(out, "{}\n", lines.next().unwrap_or_default())?;
    for (title, count) in [("Deleted", plan.delete.len()), ("Kept", plan.kept.len())] {
        if count > 0 {
            writeln!(out, "{}", render::bold(format_args!("{title} ({count}):")))?;
            for line in lines.by_ref().take(count) {
                writeln!(out, "{line}")?;
            }
            writeln!(out)?;
        }
    }
    writeln!(out, "Total reclaimable space: {}", super::bytes(plan.bytes_at_least, plan.bytes_foretold))?;
    Ok(out.flush()?)
}

fn why(why: &Why) -> String {
    match why {
        Why::Rule(reason) => reason.to_string(),
        Why::Prune(reason) => plan::reason(reason),
    }
}
