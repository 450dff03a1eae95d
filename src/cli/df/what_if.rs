//! What deleting images would free: a set, each alone, or the fewest that free enough.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufWriter, Write};

use chrono::Utc;
use image_prune::client::{KeepReason, Keeping};
use image_prune::graph::free::Sharing;
use image_prune::graph::removal::{Removal, marginal, remove};
use image_prune::graph::store::{ContainerState, ContainerStore, ImageStore, ReferenceStore, Stores};
use image_prune::{Error, ImageId, Semantics};
use serde_json::json;

use super::args::DfArgs;
use super::print_lines;
use crate::cli::args::Format;
use crate::cli::error::{Failure, Result};
use crate::cli::estimate::Estimate;
use crate::cli::render::{self, identifier, table};
use crate::cli::source::EitherSource;
use crate::cli::units::human_size;
use crate::cli::{containerd, json, why};

pub fn run(args: &DfArgs) -> Result<()> {
    let mut source = match EitherSource::read(&args.source)? {
        EitherSource::Classic(source) => source,
        EitherSource::Containerd(source) => return containerd::df::run(&source, args),
    };
    let semantics = source.semantics;
    let estimate = source.estimate.take();
    let (stores, _) = source.into_stores()?;
    let question = Question { stores, semantics, estimate, format: args.format };
    if args.what_if.marginal {
        return question.marginal();
    }
    match args.what_if.free {
        Some(bytes) => {
            let now = args.now.map_or_else(Utc::now, |now| now.to_utc()).into();
            question.smallest(bytes, &args.keep.rules()?.apply(&question.stores, now))
        }
        None => question.set(&args.what_if.set),
    }
}

struct Question {
    stores: Stores,
    semantics: Semantics,
    /// Of a running daemon, whose API does not tell the sizes of layers.
    estimate: Option<Estimate>,
    format: Format,
}

impl Question {
    fn set(&self, names: &[String]) -> Result<()> {
        let find = |name: &String| {
            let found = why::find(name.trim(), &self.stores, &self.semantics);
            found.map_err(|_| Failure::from(Error::not_found(format!("No such image: {name}"))))
        };
        let ids = names.iter().map(find).collect::<Result<Vec<_>>>()?;
        let removal = remove(&self.stores, &ids, &self.semantics);
        let stays = removal.stays.iter().map(|(id, why)| format!("{} stays: {why}", identifier(id, false)));
        render::first_to_stderr("warning", stays, |more| format!("{more} more stay"));
        let (low, high) = self.bytes(&removal);
        let mut out = io::stdout().lock();
        match self.format {
            Format::Json => {
                let stays: BTreeMap<_, _> =
                    removal.stays.iter().map(|(id, why)| (id.to_string(), why)).collect();
                let told = json!({ "bytes": high, "bytes_at_least": low, "records": removal.records, "stays": stays });
                Ok(json::line(&mut out, &told)?)
            }
            Format::Table => Ok(writeln!(out, "{}", human_range(low, high))?),
        }
    }

    fn marginal(&self) -> Result<()> {
        let mut alone = marginal(&self.stores, &self.semantics);
        alone.sort_by_key(|(id, bytes)| (std::cmp::Reverse(*bytes), *id));
        let mut out = BufWriter::new(io::stdout().lock());
        if self.format == Format::Json {
            let lines = alone
                .iter()
                .map(|(id, bytes)| json!({ "id": id, "references": self.names(*id), "bytes": bytes }));
            json::line(&mut out, &lines.collect::<Vec<_>>())?;
            return Ok(out.flush()?);
        }
        self.warn_of_estimates();
        let rows = alone
            .iter()
            .map(|(id, bytes)| [identifier(id, false), self.name(*id), human_size((*bytes).into())]);
        print_lines(&mut out, &table(["IMAGE ID", "REFERENCES", "FREED ALONE"], rows))?;
        Ok(out.flush()?)
    }

    /// Of the images that no container uses and no rule keeps.
    fn smallest(&self, bytes: u64, keeping: &Keeping) -> Result<()> {
        for warning in &keeping.warnings {
            render::line_to_stderr("warning", warning);
        }
        for rule in &keeping.idle {
            render::line_to_stderr("warning", &format!("{rule} keeps nothing here"));
        }
        let kept = self.kept_with_parents(&keeping.images);
        let Stores { containers, .. } = &self.stores;
        let is_used = |id: ImageId| {
            containers.count(id) > 0 || containers.first_mounting(id, ContainerState::Any).is_some()
        };
        let may_go = |id: &ImageId| !kept.contains(id) && !is_used(*id);
        let all = self.stores.images.images().into_iter().map(|(id, ..)| id);
        let candidates: Vec<ImageId> = all.filter(may_go).collect();
        let choice = Sharing::new(&self.stores, &candidates, &HashSet::new()).smallest(bytes);
        let mut out = BufWriter::new(io::stdout().lock());
        let (low, high) = self.bytes(&remove(&self.stores, &choice.images, &self.semantics));
        if self.format == Format::Json {
            let mut told = json!(choice);
            if let Some(fields) = told.as_object_mut() {
                fields.insert("freed_at_least".to_owned(), low.into());
            }
            json::line(&mut out, &told)?;
            return Ok(out.flush()?);
        }
        self.warn_of_estimates();
        if !choice.is_enough {
            let least = human_size(bytes.into());
            render::line_to_stderr("warning", &format!("all that may go together does not free {least}"));
        }
        let rows = choice.images.iter().map(|id| [identifier(id, false), self.name(*id)]);
        print_lines(&mut out, &table(["IMAGE ID", "REFERENCES"], rows))?;
        let how =
            if choice.is_exact { "no fewer images free as much" } else { "greedy: fewer images may do" };
        writeln!(out, "\nTotal reclaimable space: {} ({how})", human_range(low, high))?;
        Ok(out.flush()?)
    }

    /// What a rule keeps, and whatever would take that along as its unnamed parent.
    fn kept_with_parents(&self, kept: &BTreeMap<ImageId, KeepReason>) -> HashSet<ImageId> {
        let Stores { images, references, .. } = &self.stores;
        let mut all: HashSet<ImageId> = kept.keys().copied().collect();
        let mut next: Vec<ImageId> = kept.keys().copied().collect();
        while let Some(id) = next.pop() {
            if !references.has_references(id) {
                next.extend(images.children(id).into_iter().filter(|child| all.insert(*child)));
            }
        }
        all
    }

    fn bytes(&self, removal: &Removal) -> (u64, u64) {
        self.estimate.as_ref().map_or((removal.bytes, removal.bytes), |estimate| {
            let bytes = estimate.bytes(&removal.records);
            (bytes.low, bytes.high)
        })
    }

    fn warn_of_estimates(&self) {
        if self.estimate.as_ref().is_some_and(|estimate| !estimate.sizes.is_exact()) {
            let text = "the API tells the sizes of images, not of the layers that they share";
            render::line_to_stderr("estimated", text);
        }
    }

    fn names(&self, id: ImageId) -> Vec<String> {
        let references = self.stores.references.references(id);
        references.iter().map(|reference| reference.familiar().to_owned()).collect()
    }

    fn name(&self, id: ImageId) -> String {
        let names = self.names(id);
        if names.is_empty() { "<none>".to_owned() } else { names.join(", ") }
    }
}

fn human_range(low: u64, high: u64) -> String {
    let most = human_size(high.into());
    if low == high { most } else { format!("{} to {most}, estimated", human_size(low.into())) }
}
