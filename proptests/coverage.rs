//! What the random worlds and the recorded scenarios reach. A kind of answer that nothing reaches any more is
//! a test that has gone blind, so this fails; run it with `-- --nocapture coverage` to see the counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

use flate2::read::GzDecoder;
use image_prune::cancel::AfterPolls;
use image_prune::event::{ImageEvent, Recorder};
use image_prune::graph::Engine;
use image_prune::graph::delete::{DeleteErrorKind, Extent, Obstacle};
use image_prune::graph::select::{Exclusion, Order, exclusion};
use image_prune::graph::store::ImageStore;
use image_prune::graph::usage::usage;
use image_prune::replay::{Action, Scenario};
use image_prune::request::Rejection;
use image_prune::{Image, Now, PruneRequest, Record, Semantics, Timestamp, World};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::support::faulty::{Fault, Plan, faulty_engine};
use crate::support::{Shape, engine, scenario};

/// Everything that must be reached, by the group of rules.
const KINDS: [&str; 54] = [
    "F bad JSON refused",
    "F bad dangling refused",
    "F unknown key refused",
    "T until refused",
    "T newer than until",
    "T kept for want of a date",
    "L label rejects",
    "L label! rejects",
    "L no config, not asked",
    "I foreign parent refused by the store",
    "I missing parent refused by the store",
    "I image without layers deleted",
    "I own ancestor",
    "Y one layer freed",
    "Y several layers freed by one deletion",
    "Y no layer freed, all still held",
    "Y held by a writable layer alone",
    "R several references taken from one image",
    "R two spellings of one key",
    "R reference to a missing image",
    "G named by a reference",
    "G named by a full ID",
    "G named by a part of an ID",
    "G no such image",
    "G no reference",
    "D obstacle: children",
    "D obstacle: running container",
    "D obstacle: references",
    "D obstacle: stopped container",
    "D obstacle: last reference",
    "D forced",
    "D digests go with their tag",
    "D parent goes along",
    "D untagged, the image stays",
    "D failure: conflict",
    "D failure: no such image",
    "D failure: error",
    "D failure: clean-up",
    "P not a head",
    "P intermediate",
    "P nothing deleted",
    "P record: untagged",
    "P record: image",
    "P record: layer",
    "P cancelled in phase 1",
    "P cancelled in phase 2",
    "O another order than by ID",
    "E untag",
    "E untag with labels",
    "E delete",
    "E prune",
    "U shared layers",
    "U layer not found",
    "U foreign image left out",
];

#[derive(Default)]
struct Coverage(BTreeMap<&'static str, usize>);

impl Coverage {
    fn hit(&mut self, kind: &'static str) {
        assert!(KINDS.contains(&kind), "{kind} is not listed");
        *self.0.entry(kind).or_default() += 1;
    }

    fn hit_if(&mut self, happened: bool, kind: &'static str) {
        if happened {
            self.hit(kind);
        }
    }

    fn run(&mut self, scenario: &Scenario) {
        let semantics = scenario.semantics().unwrap();
        let mut engine = engine(&scenario.world, semantics);
        self.see_world(&scenario.world);
        for op in &scenario.ops {
            let before = engine.stores().to_world();
            match &op.action {
                Action::Prune { filters, now, cancel_after_polls } => {
                    self.hit_if(!op.order.is_empty() && !op.order.is_sorted(), "O another order than by ID");
                    engine.set_order(Order::Given(op.order.clone()));
                    let now = chrono::DateTime::parse_from_rfc3339(now).unwrap();
                    let now = Now {
                        instant: Timestamp::from(now),
                        utc_offset_seconds: scenario.world.utc_offset_seconds,
                    };
                    self.prune(&engine, filters, now, *cancel_after_polls);
                }
                Action::Delete { reference, force, prune } => {
                    self.delete(&engine, &before, reference, Extent { force: *force, prune: *prune });
                }
            }
            self.see_events(&engine.events().take());
            self.see_usage(&engine);
        }
    }

    fn see_world(&mut self, world: &World) {
        let is_known = |id| world.images.iter().any(|image| image.id == id);
        self.hit_if(world.references.iter().any(|one| !is_known(one.id)), "R reference to a missing image");
        let spelled = |name: &str| world.references.iter().any(|one| one.name.starts_with(name));
        self.hit_if(spelled("docker.io/foo.com/") && spelled("foo.com/"), "R two spellings of one key");
        for image in &world.images {
            let parent = |id| world.images.iter().find(|other| Some(other.id) == id)?.parent;
            let mut next = image.parent;
            for _ in 0..world.images.len() {
                if next == Some(image.id) {
                    self.hit("I own ancestor");
                    break;
                }
                next = parent(next);
            }
        }
        for container in &world.containers {
            let top = |image: &image_prune::world::Image, semantics| {
                Image::parse(image.config.clone(), semantics).ok()?.chain().ok()?
            };
            let is_top =
                |chain| world.images.iter().any(|one| top(one, &Semantics::MOBY_20_10) == Some(chain));
            let below = |chain| world.layers.iter().any(|layer| layer.parent == Some(chain));
            let alone = container.rw_layer_parent.is_some_and(|chain| !is_top(chain) && !below(chain));
            self.hit_if(alone, "Y held by a writable layer alone");
        }
    }

    fn prune(&mut self, engine: &Engine<Recorder>, filters: &str, now: Now, polls: Option<usize>) {
        let before = engine.stores().to_world();
        let request = match PruneRequest::parse(filters, engine.semantics(), now) {
            Ok(request) => request,
            Err(error) => {
                let text = error.to_string().to_lowercase();
                self.hit(match text.as_str() {
                    text if text.starts_with("invalid filter 'dangling=") => "F bad dangling refused",
                    text if text.starts_with("invalid filter '") => "F unknown key refused",
                    text if text.contains("until") || text.contains("pars") => "T until refused",
                    _ => "F bad JSON refused",
                });
                return;
            }
        };
        for image in &before.images {
            self.see_selection(engine, &request, image.id);
        }
        let report = engine.prune(request.filters(), now, &AfterPolls::new(polls.unwrap_or(usize::MAX)));
        let Ok(report) = report else { return self.hit("P cancelled in phase 1") };
        self.hit_if(report.cancelled, "P cancelled in phase 2");
        self.hit_if(report.images_deleted.is_empty(), "P nothing deleted");
        for skipped in &report.skipped {
            self.see_failure(&skipped.failure);
        }
        self.see_records(&before, &report.images_deleted);
    }

    fn see_selection(&mut self, engine: &Engine<Recorder>, request: &PruneRequest, id: image_prune::ImageId) {
        let image = engine.stores().images.get(id).unwrap();
        let is_filtered = request.filters().contains("label") || request.filters().contains("label!");
        match exclusion(engine.stores(), request, id) {
            Some(Exclusion::NotAHead) => self.hit("P not a head"),
            Some(Exclusion::Intermediate) => self.hit("P intermediate"),
            Some(Exclusion::Filtered(Rejection::Label)) => self.hit("L label rejects"),
            Some(Exclusion::Filtered(Rejection::NegatedLabel)) => self.hit("L label! rejects"),
            Some(Exclusion::Filtered(Rejection::NewerThanUntil { created, .. })) => match created {
                Some(_) => self.hit("T newer than until"),
                None => self.hit("T kept for want of a date"),
            },
            None => self.hit_if(is_filtered && !image.has_config(), "L no config, not asked"),
            Some(_) => {}
        }
    }

    fn delete(&mut self, engine: &Engine<Recorder>, before: &World, name: &str, extent: Extent) {
        match engine.delete(name, extent) {
            Err(error) => self.see_failure(error.kind()),
            Ok(records) => {
                let id = name.strip_prefix("sha256:").unwrap_or(name);
                let is_reference = matches!(records.first(), Some(Record::Untagged(one)) if
                    one.familiar().starts_with(name) || one.as_str().starts_with(name));
                self.hit(match id.len() {
                    64 => "G named by a full ID",
                    _ if is_reference => "G named by a reference",
                    _ => "G named by a part of an ID",
                });
                self.hit_if(extent.force, "D forced");
                self.see_records(before, &records);
            }
        }
    }

    fn see_failure(&mut self, failure: &DeleteErrorKind) {
        self.hit(match failure {
            DeleteErrorKind::Conflict(_) => "D failure: conflict",
            DeleteErrorKind::NoSuchImage(_) => "D failure: no such image",
            DeleteErrorKind::CleanUp(_) => "D failure: clean-up",
            _ => "D failure: error",
        });
        let text = failure.to_string();
        self.hit_if(text.starts_with("No such image"), "G no such image");
        self.hit_if(text.starts_with("invalid reference"), "G no reference");
        self.hit_if(text.starts_with("unsupported image"), "I foreign parent refused by the store");
        self.hit_if(text.starts_with("unrecognized image"), "I missing parent refused by the store");
        if let DeleteErrorKind::Conflict(conflict) = failure {
            self.hit(match conflict.obstacle {
                Obstacle::DependentChildren => "D obstacle: children",
                Obstacle::RunningContainer(_) => "D obstacle: running container",
                Obstacle::References => "D obstacle: references",
                Obstacle::StoppedContainer(_) => "D obstacle: stopped container",
                _ => "D obstacle: last reference",
            });
        }
    }

    fn see_records(&mut self, before: &World, records: &[Record]) {
        for (at, record) in records.iter().enumerate() {
            let rest = &records[at + 1..];
            match record {
                Record::Untagged(reference) => {
                    self.hit("P record: untagged");
                    if let Some(Record::Untagged(next)) = rest.first() {
                        self.hit("R several references taken from one image");
                        let digest = !reference.is_canonical() && next.is_canonical();
                        self.hit_if(digest && reference.name() == next.name(), "D digests go with their tag");
                    }
                    let stays = !rest.iter().any(|record| matches!(record, Record::Image(_)));
                    self.hit_if(stays, "D untagged, the image stays");
                }
                Record::Layer(_) => self.hit("P record: layer"),
                Record::Image(id) => {
                    self.hit("P record: image");
                    let freed = rest.iter().take_while(|next| matches!(next, Record::Layer(_))).count();
                    let image = before.images.iter().find(|image| image.id == *id).unwrap();
                    let parsed = Image::parse(image.config.clone(), &Semantics::MOBY_20_10).unwrap();
                    self.hit(match (parsed.chain(), freed) {
                        (Ok(None), _) => "I image without layers deleted",
                        (_, 0) => "Y no layer freed, all still held",
                        (_, 1) => "Y one layer freed",
                        _ => "Y several layers freed by one deletion",
                    });
                    let next = rest.get(freed);
                    let goes_along = matches!(next, Some(Record::Image(next)) if image.parent == Some(*next));
                    self.hit_if(goes_along, "D parent goes along");
                }
            }
        }
    }

    fn see_events(&mut self, events: &[ImageEvent]) {
        for event in events {
            self.hit(match event {
                ImageEvent::Untag(_, None) => "E untag",
                ImageEvent::Untag(_, Some(_)) => "E untag with labels",
                ImageEvent::Delete(_) => "E delete",
                _ => "E prune",
            });
        }
    }

    fn see_usage(&mut self, engine: &Engine<Recorder>) {
        match usage(engine.stores(), engine.semantics()) {
            Err(_) => self.hit("U layer not found"),
            Ok(usage) => {
                let is_shared = usage.images.iter().any(|image| image.shared_size > 0);
                self.hit_if(is_shared, "U shared layers");
                let is_foreign = |id: &image_prune::ImageId| {
                    engine.stores().images.get(*id).is_ok_and(|image| !image.is_os_supported())
                };
                let foreign = engine.stores().images.ids(true).iter().any(is_foreign);
                self.hit_if(foreign, "U foreign image left out");
            }
        }
    }

    fn print(&self, what: &str) {
        let count = |kind: &&str| self.0.get(kind).copied().unwrap_or(0);
        let table: Vec<_> = KINDS.iter().map(|kind| format!("{:>7}  {kind}", count(kind))).collect();
        println!("{what} reach:\n{}", table.join("\n"));
    }
}

/// Scenarios of this shape, the same on every run.
fn scenarios(shape: Shape, cases: usize) -> impl Iterator<Item = Scenario> {
    let mut runner = TestRunner::deterministic();
    let strategy = scenario(shape, 5);
    (0..cases).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

fn recorded(version: &str) -> impl Iterator<Item = Scenario> {
    let file = File::open(format!("testdata/vectors/{version}/scenarios.jsonl.gz")).unwrap();
    let lines = BufReader::new(GzDecoder::new(file)).lines().step_by(4);
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

#[test]
fn random_worlds_reach_every_kind() {
    let mut coverage = Coverage::default();
    for shape in [Shape::small(), Shape::typical(), Shape::broken()] {
        for scenario in scenarios(shape, 1_000) {
            coverage.run(&scenario);
        }
    }
    // A store must fail for this one.
    for scenario in scenarios(Shape::typical(), 100) {
        let semantics = scenario.semantics().unwrap();
        for reference in &scenario.world.references {
            let engine = faulty_engine(&scenario.world, semantics, &Plan::new(Fault::SecondSave));
            if let Err(error) = engine.delete(&reference.name, Extent { force: true, prune: true }) {
                coverage.see_failure(error.kind());
            }
        }
    }
    coverage.print("random worlds");
    let missed: Vec<_> = KINDS.into_iter().filter(|kind| !coverage.0.contains_key(kind)).collect();
    assert!(missed.is_empty(), "no random world reaches {missed:?}");
}

/// What no recorded row reaches, so that only random worlds and cases hold it.
const NOT_RECORDED: [&str; 6] = [
    "I missing parent refused by the store",
    "I own ancestor",
    "Y held by a writable layer alone",
    "R reference to a missing image",
    "D failure: clean-up",
    "U layer not found",
];

#[test]
fn recorded_scenarios_reach_every_kind() {
    let mut coverage = Coverage::default();
    for semantics in crate::tables::recorded() {
        for scenario in recorded(semantics.name) {
            coverage.run(&scenario);
        }
    }
    coverage.print("recorded scenarios");
    let missed: Vec<_> = KINDS.into_iter().filter(|kind| !coverage.0.contains_key(kind)).collect();
    assert_eq!(missed, NOT_RECORDED);
}
