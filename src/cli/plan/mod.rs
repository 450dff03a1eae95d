//! `plan`: what a prune would do, and why.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use image_prune::graph::plan::{ImagePlan, Plan, Reason, Verdict, plan};
use image_prune::warning::{self, WarningKind};
use image_prune::{Reference, data_root};
use serde::Serialize;

use super::args::{Format, PlanArgs};
use super::error::Result;
use super::estimate::Bytes;
use super::json;
use super::render::{self, identifier};
use super::request::Selection;
use super::source::EitherSource;
use super::{containerd, progress, units, why};

mod bases;
mod html;
mod quiet;
mod rows;
mod tree;
mod view;

pub use rows::Scene;
pub use view::print as print_view;

pub fn run(args: &PlanArgs) -> Result<()> {
    let mut source = match EitherSource::read(&args.source)? {
        EitherSource::Classic(source) => source,
        EitherSource::Containerd(source) => return containerd::plan(&source, args),
    };
    let semantics = source.semantics;
    let selection = Selection::new(&args.selection, &semantics, source.utc_offset)?;
    let estimate = source.estimate.take();
    let containers = std::mem::take(&mut source.containers);
    let (stores, of_root) = source.into_stores()?;
    let asked = args.why.as_ref().map(|image| why::find(image, &stores, &semantics)).transpose()?;
    let stage = progress::of_images(stores.images.len(), "planning");
    let plan = plan(&stores, &selection.filters, &semantics, selection.now, &selection.order)?;
    drop(stage);
    if let Some(id) = asked {
        return why::print(&plan, id, args.format);
    }
    warn(&plan);
    let bytes = Bytes::of(estimate.as_ref(), &plan.report);
    for doubt in &bytes.why {
        render::line_to_stderr("estimated", doubt);
    }
    let scene = Scene {
        plan: &plan,
        stores: &stores,
        semantics: &semantics,
        now: selection.now,
        filters: &selection.filters,
        containers: &containers,
        is_whole: args.no_trunc,
    };
    if let Some(file) = &args.html {
        html::write(file, &scene, &bytes)?;
    }
    match args.format {
        _ if args.tree => tree::print(&scene),
        _ if args.quiet => quiet::print(&plan, &stores, args.no_trunc),
        Format::Json => print_json(&plan, &of_root, estimate.is_some().then_some(&bytes)),
        Format::Table if args.all_rows => print_table(&plan, &bytes, args.no_trunc),
        Format::Table => print_view(&scene, &bytes),
    }
}

/// What does not mean what it seems to, on stderr, in short: a few of each kind, identifiers cut.
pub fn warn(plan: &Plan) {
    warn_of(&plan.warnings);
}

pub fn warn_of(warnings: &[warning::Warning]) {
    const OF_A_KIND: usize = 5;
    let mut seen: BTreeMap<WarningKind, usize> = BTreeMap::new();
    for warning in warnings {
        let count = seen.entry(warning.kind).or_default();
        *count += 1;
        if *count <= OF_A_KIND {
            render::line_to_stderr("warning", &render::shorten(&warning.message));
        }
    }
    for (kind, count) in seen {
        if count > OF_A_KIND {
            let more = format!("{} more of {kind}; --format json lists them all", count - OF_A_KIND);
            render::line_to_stderr("warning", &more);
        }
    }
}

/// The library's plan, with the warnings about the data root among the others.
fn print_json(plan: &Plan, of_root: &[data_root::FileWarning], estimate: Option<&Bytes>) -> Result<()> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum AnyWarning<'a> {
        Root(&'a data_root::FileWarning),
        Request(&'a warning::Warning),
    }
    #[derive(Serialize)]
    struct Whole<'a> {
        report: &'a image_prune::graph::PruneReport,
        events: &'a [image_prune::event::ImageEvent],
        images: &'a [ImagePlan],
        warnings: Vec<AnyWarning<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        estimate: Option<&'a Bytes>,
    }
    let of_root = of_root.iter().map(AnyWarning::Root);
    let warnings = of_root.chain(plan.warnings.iter().map(AnyWarning::Request)).collect();
    let Plan { report, events, images, .. } = plan;
    let whole = Whole { report, events, images, warnings, estimate };
    let mut out = BufWriter::new(io::stdout().lock());
    json::line(&mut out, &whole)?;
    Ok(out.flush()?)
}

/// Every image, by ID.
fn print_table(plan: &Plan, bytes: &Bytes, is_whole: bool) -> Result<()> {
    let mut images: Vec<&ImagePlan> = plan.images.iter().collect();
    images.sort_by_key(|image| image.verdict);
    let rows = images.iter().map(|image| {
        let id = identifier(image.id, is_whole);
        [id, references(image, is_whole), units::short_size(image.size.into()), reason(&image.reason)]
    });
    let mut lines = render::table(["IMAGE ID", "REFERENCES", "SIZE", "WHY"], rows).into_iter();

    let mut out = BufWriter::new(anstream::stdout().lock());
    if !images.is_empty() {
        writeln!(out, "{}\n", lines.next().unwrap_or_default())?;
    }
    for (verdict, title) in
        [(Verdict::Delete, "Would go"), (Verdict::Untag, "Would lose names"), (Verdict::Keep, "Stay")]
    {
        let count = images.iter().filter(|image| image.verdict == verdict).count();
        if count > 0 {
            writeln!(out, "{}", render::bold(format_args!("{title} ({count}):")))?;
            for line in lines.by_ref().take(count) {
                writeln!(out, "{line}")?;
            }
            writeln!(out)?;
        }
    }
    writeln!(out, "Total reclaimable space: {}", bytes.human())?;
    Ok(out.flush()?)
}

/// The first and how many more there are, or all.
fn references(image: &ImagePlan, is_whole: bool) -> String {
    let texts: Vec<String> = image.references.iter().map(|reference| name(reference, is_whole)).collect();
    match texts.as_slice() {
        [] => "<none>".to_owned(),
        [first, _, ..] if !is_whole => format!("{first} +{}", texts.len() - 1),
        all => all.join(", "),
    }
}

fn name(reference: &Reference, is_whole: bool) -> String {
    match reference.digest() {
        Some(digest) if !is_whole => {
            let cut: String = digest.chars().take("sha256:".len() + 12).collect();
            format!("{}@{cut}…", reference.familiar_name())
        }
        _ => reference.familiar().to_owned(),
    }
}

/// A few words for the table; [`why`] has the sentence.
pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Unused => "unused".to_owned(),
        Reason::ParentOfDeleted(child) => format!("parent of {}, which goes", identifier(child, false)),
        Reason::Tagged(_) => "tagged".to_owned(),
        Reason::Referenced(_) => "has a digest reference".to_owned(),
        Reason::Container { id, running } => {
            let state = if *running { "running" } else { "stopped" };
            format!("used by container {} ({state})", identifier(id, false))
        }
        Reason::HasChild(child) => format!("has children ({})", identifier(child, false)),
        Reason::NewerThanUntil { created: Some(created), until } => {
            format!("newer than until ({created} > {until})")
        }
        Reason::NewerThanUntil { created: None, .. } => "of unknown age, hence kept under until".to_owned(),
        Reason::Label => "label does not match".to_owned(),
        Reason::NegatedLabel => "label! matches".to_owned(),
        Reason::Failed(message) => message.clone(),
        other => other.kind().to_owned(),
    }
}
