//! `plan --why IMAGE`: one image, in full.

use std::io::{self, Write};

use image_prune::graph::plan::{ImagePlan, Plan, Reason, Verdict};
use image_prune::graph::store::{ImageStore, ReferenceStore, Stores};
use image_prune::reference::AnyReference;
use image_prune::{Error, ImageId, Semantics, rules};

use super::args::Format;
use super::error::{Failure, Result};
use super::json;
use super::render::{escape, identifier};
use super::units;

/// The image that `text` names, as a daemon finds it (G-1).
pub fn find(text: &str, stores: &Stores, semantics: &Semantics) -> Result<ImageId> {
    let missing = || {
        let failure = Failure::from(Error::not_found(format!("No such image: {text}")));
        failure.with_hint("--why takes a reference, an ID, or enough digits of one to name a single image")
    };
    let by_digits = || stores.images.search(text).ok();
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let mut same: Vec<ImageId> = stores.images.ids(false);
    same.retain(|id| !digits.is_empty() && id.hex().starts_with(digits));
    same.sort_unstable();
    // A reference of that name comes first (G-1).
    let ambiguous = || match same.as_slice() {
        [_, _, ..] => {
            const SHOWN: usize = 5;
            let names: Vec<String> = same.iter().take(SHOWN).map(|id| identifier(id, false)).collect();
            let more = if same.len() > SHOWN { ", …" } else { "" };
            let (count, names) = (same.len(), names.join(", "));
            let problem = format!("`{text}` is ambiguous: {count} image IDs begin with it ({names}{more})");
            Failure::from(Error::invalid_parameter(problem)).with_hint("give more digits, or a reference")
        }
        _ => missing(),
    };
    let found = match image_prune::Reference::parse_any(text, semantics) {
        Ok(AnyReference::Digest(digest)) => digest.parse().ok(),
        Ok(AnyReference::Named(reference)) => {
            let tagged = reference.clone().tag_name_only();
            stores.references.get(&tagged).or_else(|| stores.references.get(&reference)).or_else(by_digits)
        }
        Err(_) => by_digits(),
    };
    found.filter(|id| stores.images.get(*id).is_ok()).ok_or_else(ambiguous)
}

pub fn print(plan: &Plan, id: ImageId, format: Format) -> Result<()> {
    let image = plan.images.iter().find(|image| image.id == id);
    let image = image.ok_or_else(|| Failure::from(Error::not_found(format!("No such image: {id}"))))?;
    match format {
        Format::Json => Ok(json::line(io::stdout().lock(), image)?),
        Format::Table => print_text(image),
    }
}

fn print_text(image: &ImagePlan) -> Result<()> {
    let mut out = io::stdout().lock();
    let verdict = match image.verdict {
        Verdict::Delete => "deleted",
        Verdict::Untag => "untagged only",
        Verdict::Keep => "kept",
    };
    writeln!(out, "Image:       {}", image.id)?;
    let mut label = "References:";
    for reference in &image.references {
        writeln!(out, "{label:12} {}", escape(reference.familiar()))?;
        label = "";
    }
    if image.references.is_empty() {
        writeln!(out, "{label:12} <none>")?;
    }
    writeln!(out, "Size:        {}", units::short_size(image.size.into()))?;
    writeln!(out, "Verdict:     {verdict}")?;
    writeln!(out, "Why:         {}", escape(&sentence(image)))?;
    // The references that an image in use loses are P-12's; the conflict itself is the reason's.
    let rule = if image.verdict == Verdict::Untag { "P-12" } else { image.reason.rule() };
    Ok(writeln!(out, "Rule:        {}", rules::cite(rule))?)
}

fn sentence(image: &ImagePlan) -> String {
    match (&image.reason, image.verdict) {
        (Reason::Unused, _) => "no container uses it, it has no children, and no filter keeps it".to_owned(),
        (Reason::ParentOfDeleted(child), _) => {
            let child = identifier(child, false);
            format!("its child {child} goes, and takes unnamed parents along; filters are not asked")
        }
        (Reason::Tagged(reference), Verdict::Keep) => {
            format!("it is tagged {}, and only dangling images go (-a is for all)", reference.familiar())
        }
        (Reason::Tagged(reference), _) => format!("the reference {} stays", reference.familiar()),
        (Reason::Referenced(reference), _) => format!("it has the digest reference {}", reference.familiar()),
        (Reason::Container { id, running }, verdict) => {
            let (id, state) = (identifier(id, false), if *running { "running" } else { "stopped" });
            let loss = if verdict == Verdict::Untag { "; of its references the last one stays" } else { "" };
            format!("the {state} container {id} uses it{loss}")
        }
        (Reason::HasChild(child), verdict) => {
            let child = identifier(child, false);
            let loss = if verdict == Verdict::Untag { "; it loses its references" } else { "" };
            format!("it is the parent of {child}, which stays{loss}")
        }
        (Reason::NewerThanUntil { created: Some(created), until }, _) => {
            format!("it was created at {created}, after until ({until})")
        }
        (Reason::NewerThanUntil { created: None, until }, _) => {
            format!("nobody knows when it was created, and until ({until}) keeps such images")
        }
        (Reason::Label, _) => "it does not have all the labels that `label` asks for".to_owned(),
        (Reason::NegatedLabel, _) => "it has all the labels that `label!` excludes".to_owned(),
        (Reason::Failed(message), _) => message.clone(),
        (other, _) => other.kind().to_owned(),
    }
}
