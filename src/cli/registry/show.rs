//! What went or would go, and what stays.

use std::io::{self, BufWriter, Write};

use image_prune::registry::{Deletion, KeepReason, KeptTag, RetentionPlan};
use serde::Serialize;

use crate::cli::error::Result;
use crate::cli::{json, render, units};

pub fn json(plan: &RetentionPlan, applied: bool) -> Result<()> {
    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        plan: &'a RetentionPlan,
        applied: bool,
    }
    let mut out = BufWriter::new(io::stdout().lock());
    json::line(&mut out, &Whole { plan, applied })?;
    Ok(out.flush()?)
}

/// What goes along with a tag, and what it follows.
fn why(deletion: &Deletion, is_whole: bool) -> String {
    let follows = deletion.follows.map(|subject| {
        let digest = render::identifier(subject.digest, is_whole);
        if subject.is_gone {
            format!("belongs to {digest}, which is gone")
        } else {
            format!("goes with {digest}")
        }
    });
    let images = match deletion.images.len() {
        0 => None,
        1 => Some("with the image that it lists".to_owned()),
        count => Some(format!("with the {count} images that it lists")),
    };
    let referrers = match deletion.referrers.len() {
        0 => None,
        1 => Some("with the untagged manifest about it".to_owned()),
        count => Some(format!("with {count} untagged manifests about it")),
    };
    [follows, images, referrers].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

pub fn table(plan: &RetentionPlan, applied: bool, is_whole: bool) -> Result<()> {
    let going = plan.delete.iter().map(|deletion| {
        let why = why(deletion, is_whole);
        let digest = render::identifier(deletion.digest, is_whole);
        let size = units::short_size(deletion.size.into());
        [deletion.repository.clone(), deletion.tag.clone(), digest, size, why]
    });
    let is_shown = |kept: &&KeptTag| is_whole || kept.reason != KeepReason::NoRule;
    let kept = plan.keep.iter().filter(is_shown).map(|kept| {
        let digest = kept.digest.map(|digest| render::identifier(digest, is_whole));
        let digest = digest.unwrap_or_else(|| "<unknown>".to_owned());
        [kept.repository.clone(), kept.tag.clone(), digest, String::new(), kept.reason.to_string()]
    });
    let header = ["REPOSITORY", "TAG", "DIGEST", "SIZE", "WHY"];
    let mut lines = render::table(header, going.chain(kept)).into_iter();

    let mut out = BufWriter::new(anstream::stdout().lock());
    let head = lines.next().unwrap_or_default();
    let shown = plan.keep.iter().filter(is_shown).count();
    let hidden = plan.keep.len() - shown;
    if !plan.delete.is_empty() || shown > 0 {
        writeln!(out, "{head}\n")?;
    }
    let title = if applied { "Deleted" } else { "To delete" };
    for (title, count, hidden) in [(title, plan.delete.len(), 0), ("Kept", shown, hidden)] {
        if count + hidden == 0 {
            continue;
        }
        writeln!(out, "{}", render::bold(format_args!("{title} ({}):", count + hidden)))?;
        for line in lines.by_ref().take(count) {
            writeln!(out, "{line}")?;
        }
        if hidden > 0 {
            writeln!(out, "… {hidden} that no rule is about; --no-trunc lists them")?;
        }
        writeln!(out)?;
    }
    let limit = if plan.bytes_exact { "" } else { "at most " };
    let bytes = units::human_size(plan.bytes.into());
    writeln!(out, "Total space that the registry's garbage collection frees: {limit}{bytes}")?;
    Ok(out.flush()?)
}
