//! Whether a daemon prunes as moby does: small stores, made through its API, pruned, and held against the
//! [oracle](crate::oracle::check).
//!
//! Everything that is made is taken away again, failures included. The daemon prunes whatever it holds, so
//! that one with images or containers of somebody's is refused, unless [`Options::others`] allows them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::api::request::PruneRequest;
use crate::base::error::Error;
use crate::client::{Client, ClientError, FailureKind};
use crate::document::image::Image;
use crate::document::world::World;
use crate::go::time::Now;
use crate::semantics::Semantics;

mod archive;
mod group;
mod judge;
mod lab;
mod made;
mod random;
mod sketch;

pub use group::{Difference, Group};

use lab::Lab;
use random::Random;
use sketch::Sketch;

/// How many smaller cases are tried to find the shortest that fails.
const SHRINKS: usize = 80;

/// What is tried.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many stores.
    pub cases: usize,
    /// Which ones: the same seed makes the same.
    pub seed: u64,
    /// The version to compare with.
    pub semantics: Semantics,
    /// Whether the daemon may hold images and containers of somebody's. They are judged along, and those that nobody
    /// uses are lost.
    pub others: bool,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The version that was compared with.
    pub semantics: &'static str,
    /// How many cases were tried.
    pub cases: usize,
    /// How many of them are as moby has them, in every way.
    pub explained: usize,
    /// The groups of rules that had something to say.
    pub groups: Vec<GroupReport>,
}

/// One group of rules.
#[derive(Debug, Clone, Serialize)]
pub struct GroupReport {
    /// The group.
    pub group: Group,
    /// How many cases could have failed in it.
    pub cases: usize,
    /// How many did.
    pub differ: usize,
    /// How often by each rule.
    pub rules: BTreeMap<&'static str, usize>,
    /// The shortest case that fails.
    pub shortest: Option<Failing>,
}

/// A case that fails. Its parts are what `image-prune check` takes.
#[derive(Debug, Clone, Serialize)]
pub struct Failing {
    /// Its number.
    pub case: usize,
    /// What is wrong.
    pub difference: Difference,
    /// The store.
    pub before: World,
    /// What was asked.
    pub request: Value,
    /// What came of it.
    pub observed: Value,
}

/// Tries the daemon, and tells how many cases are done after each.
///
/// # Errors
///
/// The daemon holds something, has the containerd image store, cannot be reached, or does not take a store at all. What was made is removed
/// before.
pub fn conform(
    client: &Client,
    options: &Options,
    on_case: &mut dyn FnMut(usize),
) -> Result<Report, ClientError> {
    client.graph_driver_info()?;
    refuse_others(client, options)?;
    let lab = Lab::new(client, options.semantics, options.others)?;
    let mut tally = Tally { lab: &lab, options, groups: BTreeMap::new(), explained: 0 };
    for case in 0..options.cases {
        tally.try_case(case)?;
        on_case(case + 1);
    }
    let groups = Group::ALL.into_iter().filter_map(|group| tally.groups.remove(&group)).collect();
    let Options { seed, semantics, cases, .. } = *options;
    Ok(Report { seed, semantics: semantics.name, cases, explained: tally.explained, groups })
}

fn refuse_others(client: &Client, options: &Options) -> Result<(), ClientError> {
    if options.others {
        return Ok(());
    }
    let (images, containers) = (client.images(true)?.len(), client.containers(false)?.len());
    if images + containers == 0 {
        return Ok(());
    }
    let host = client.host();
    let message =
        format!("{host} holds images ({images}) or containers ({containers}): a prune may take them away");
    Err(ClientError::new(FailureKind::Invalid, message))
}

/// What came of the cases so far.
struct Tally<'a> {
    lab: &'a Lab<'a>,
    options: &'a Options,
    groups: BTreeMap<Group, GroupReport>,
    explained: usize,
}

/// What came of one.
struct Outcome {
    before: World,
    now: Now,
    observed: Value,
    differences: Vec<Difference>,
}

impl Tally<'_> {
    fn try_case(&mut self, case: usize) -> Result<(), ClientError> {
        let number = u64::try_from(case).unwrap_or(u64::MAX);
        let sketch = Sketch::draw(&mut Random::new(self.options.seed, number));
        let outcome = self.run(&sketch).map_err(|error| error.in_context(format_args!("case {case}")))?;
        for group in self.groups_of(&sketch, &outcome) {
            self.group(group).cases += 1;
        }
        if outcome.differences.is_empty() {
            self.explained += 1;
        }
        let mut seen = Vec::new();
        for difference in &outcome.differences {
            let report = self.group(difference.group);
            *report.rules.entry(difference.rule).or_default() += 1;
            if !seen.contains(&difference.group) {
                seen.push(difference.group);
                report.differ += 1;
            }
        }
        for group in seen {
            if self.group(group).shortest.is_none() {
                let shortest = self.shrink(case, &sketch, &outcome, group)?;
                self.group(group).shortest = shortest;
            }
        }
        Ok(())
    }

    fn group(&mut self, group: Group) -> &mut GroupReport {
        let new = || GroupReport { group, cases: 0, differ: 0, rules: BTreeMap::new(), shortest: None };
        self.groups.entry(group).or_insert_with(new)
    }

    /// Makes a store, prunes it, judges, and clears up whatever happens.
    fn run(&self, sketch: &Sketch) -> Result<Outcome, ClientError> {
        let run = || {
            let filters = sketch.filters.text();
            let made = match self.lab.make(sketch) {
                Ok(made) => made,
                Err(error) => return self.unmade(sketch, error),
            };
            let pruned = self.lab.prune(&filters)?;
            self.lab.clear(&made.before, &made.others)?;
            let judged = judge::differences(&made.before, &filters, &pruned, &self.options.semantics);
            let judged = judged.map_err(|error: Error| ClientError::invalid(error.to_string()))?;
            let differences = made.differences.into_iter().chain(judged).collect();
            let observed = judge::observed(&pruned);
            Ok(Outcome { before: made.before, now: pruned.observation.now, observed, differences })
        };
        let outcome = run();
        if outcome.is_err() {
            // The first failure is the one to tell.
            let _ = self.lab.clear_after_failure(sketch);
        }
        outcome
    }

    /// A store that the daemon does not take is a difference, too.
    fn unmade(&self, sketch: &Sketch, error: ClientError) -> Result<Outcome, ClientError> {
        let differences = vec![Difference::unanswered(Group::Stores, "I-7", error)?];
        self.lab.clear_after_failure(sketch)?;
        let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
        Ok(Outcome { before: World::default(), now, observed: Value::Null, differences })
    }

    /// The smallest case that still fails in the same group.
    fn shrink(
        &self,
        case: usize,
        sketch: &Sketch,
        outcome: &Outcome,
        group: Group,
    ) -> Result<Option<Failing>, ClientError> {
        let mut smallest = self.failing(case, sketch, outcome, group);
        let (mut sketch, mut tried) = (sketch.clone(), 0);
        'smaller: loop {
            for smaller in sketch.smaller() {
                if tried == SHRINKS {
                    return Ok(smallest);
                }
                tried += 1;
                let outcome = self.run(&smaller)?;
                if let Some(failing) = self.failing(case, &smaller, &outcome, group) {
                    smallest = Some(failing);
                    sketch = smaller;
                    continue 'smaller;
                }
            }
            return Ok(smallest);
        }
    }

    fn failing(&self, case: usize, sketch: &Sketch, outcome: &Outcome, group: Group) -> Option<Failing> {
        let difference = outcome.differences.iter().find(|found| found.group == group)?.clone();
        let before = World { profile: self.options.semantics.name.to_owned(), ..outcome.before.clone() };
        let now = &outcome.now;
        let request = json!({
            "filters": sketch.filters.text(),
            "now": now.instant.to_string(),
            "utc_offset_seconds": now.utc_offset_seconds,
        });
        Some(Failing { case, difference, before, request, observed: outcome.observed.clone() })
    }

    /// The groups in which this case could have failed.
    fn groups_of(&self, sketch: &Sketch, outcome: &Outcome) -> Vec<Group> {
        let semantics = &self.options.semantics;
        let filters = sketch.filters.text();
        let has = |key: &str| filters.contains(&format!("\"{key}\""));
        let mut groups = vec![Group::Filters, Group::Events, Group::Answers, Group::DiskUsage, Group::Stores];
        let mut add = |group, is_in: bool| groups.extend(is_in.then_some(group));
        let request = PruneRequest::parse(&filters, semantics, outcome.now).ok();
        add(Group::Until, has("until"));
        add(Group::Labels, has("label") || has("label!"));
        if let Some(request) = request {
            let is_all = !request.dangling_only();
            let is_candidate = |image: &crate::document::world::Image| {
                Image::parse(image.config.clone(), semantics).is_ok_and(|it| request.rejection(&it).is_none())
            };
            let some = outcome.before.images.iter().any(is_candidate);
            add(Group::Dangling, !is_all);
            add(Group::All, is_all);
            add(Group::Records, some);
            add(Group::Bytes, some);
            add(Group::Children, outcome.before.images.iter().any(|image| image.parent.is_some()));
            add(Group::Containers, !outcome.before.containers.is_empty());
        }
        groups
    }
}
