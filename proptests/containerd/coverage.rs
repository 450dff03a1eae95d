//! What the recorded rows and the random stores reach: a test that never gets somewhere says nothing about it.

use std::collections::BTreeMap;

use image_prune::containerd::Engine;
use image_prune::event::Recorder;
use image_prune::replay::RecordText;
use image_prune::replay::containerd::{Action, ErrorText, Op, Outcome, Report, Subject, step};
use image_prune::world::ContainerdWorld;
use image_prune::world::containerd::{ImageRecord, Labels};
use image_prune::{ErrorClass, Semantics};

use crate::containerd_engine::made::{self, Random};

/// Everything that must be reached, by the group of rules.
const KINDS: [&str; 65] = [
    "N name that is no reference",
    "N dangling name of another digest",
    "B index in an index",
    "B attestation",
    "B child without a label",
    "B reference behind a slash",
    "B back reference",
    "B root",
    "B other key that begins like a root",
    "B flat lease",
    "B expired lease",
    "B expired record",
    "B time that does not parse",
    "B document that does not decode",
    "B content taken by a delete",
    "B garbage of others taken by a prune",
    "S snapshot left behind by its image",
    "C name held by a container",
    "C digest used by ID",
    "C tag and digest",
    "C image mount",
    "Q bad filters refused",
    "Q dangling refused",
    "Q unknown key refused",
    "Q until refused",
    "Q label too long refused",
    "Q leases taken",
    "Q nothing deleted",
    "Q untagged, the content stays",
    "Q manifest deleted",
    "Q several manifests deleted in one step",
    "Q dangling record deleted",
    "Q bytes reclaimed",
    "Q error beside a report",
    "Q several errors",
    "Q cancelled before anything",
    "Q cancelled in the loop",
    "Q cancelled, nobody noticed",
    "X no such image",
    "X ambiguous",
    "X no reference",
    "X platforms without force",
    "X conflict: running container",
    "X conflict: stopped container",
    "X conflict: several references",
    "X conflict: used by a name",
    "X untagged alone",
    "X nothing to tell",
    "X dangling record made",
    "X deleted",
    "X parent goes along",
    "X platform deleted",
    "X platform not there",
    "X failure in the middle",
    "V delete with labels",
    "V delete without labels",
    "W row",
    "W row without a usable manifest",
    "W row with containers",
    "W shared bytes",
    "W name that is no reference",
    "W list fails",
    "W disk usage",
    "W disk usage fails",
    "W images of one second",
];

/// What no random store reaches, so that the recorded rows alone hold it.
const NOT_RANDOM: [&str; 8] = [
    "N dangling name of another digest",
    "B reference behind a slash",
    "B root",
    "S snapshot left behind by its image",
    "Q bad filters refused",
    "Q dangling refused",
    "Q label too long refused",
    "X ambiguous",
];

/// What no recorded row reaches.
const NOT_RECORDED: [&str; 0] = [];

#[derive(Default)]
struct Coverage(BTreeMap<&'static str, usize>);

impl Coverage {
    fn hit_if(&mut self, happened: bool, kind: &'static str) {
        assert!(KINDS.contains(&kind), "{kind} is not listed");
        *self.0.entry(kind).or_default() += usize::from(happened);
    }

    fn see(&mut self, before: &ContainerdWorld, op: &Op, outcome: &Outcome, after: &ContainerdWorld) {
        match &op.action {
            Action::Prune { .. } => self.see_prune(before, op, outcome, after),
            Action::Delete { .. } => self.see_delete(before, op, outcome),
            Action::List { .. } | Action::DiskUsage {} => self.see_usage(op, outcome),
            Action::Gc {} => {}
        }
        for event in outcome.events.iter().filter(|event| event.action == "delete") {
            self.hit_if(event.attributes.len() > 1, "V delete with labels");
            self.hit_if(event.attributes.len() == 1, "V delete without labels");
        }
    }

    fn see_world(&mut self, world: &ContainerdWorld, semantics: &Semantics) {
        for image in &world.images {
            let is_reference = image_prune::Reference::parse(&image.name, semantics).is_ok();
            self.hit_if(!is_reference, "N name that is no reference");
            let is_other = image.name.starts_with("moby-dangling@") && !image.is_dangling();
            self.hit_if(is_other, "N dangling name of another digest");
            self.see_labels(&image.labels, "B expired record");
        }
        for blob in &world.blobs {
            let text = blob.raw.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let is_index = text.contains("\"manifests\"");
            let is_nested =
                is_index && (text.contains("image.index.v1") || text.contains("manifest.list.v2"));
            let children = text.matches("\"digest\"").count();
            self.hit_if(is_nested && text.matches(".index.v1").count() > 1, "B index in an index");
            self.hit_if(text.contains("vnd.docker.reference.type"), "B attestation");
            self.hit_if(children > 0 && blob.labels.len() < children, "B child without a label");
            self.see_labels(&blob.labels, "B expired record");
        }
        for lease in &world.leases {
            self.hit_if(lease.labels.contains_key("containerd.io/gc.flat"), "B flat lease");
            self.see_labels(&lease.labels, "B expired lease");
        }
        for snapshot in &world.snapshots {
            self.see_labels(&snapshot.labels, "B expired record");
        }
        for container in &world.containers {
            let names = |image: &&ImageRecord| image.target.digest == container.image_id;
            let typed = container.image.as_str();
            let is_by_id = container.image_id.hex().starts_with(typed.trim_start_matches("sha256:"));
            self.hit_if(is_by_id && world.images.iter().any(|image| names(&image)), "C digest used by ID");
            let reference = image_prune::Reference::parse(typed, semantics);
            let is_both = reference.as_ref().is_ok_and(|one| one.tag().is_some() && one.is_canonical());
            self.hit_if(is_both, "C tag and digest");
            let name = reference.map(|reference| reference.tag_name_only().as_str().to_owned());
            let is_held = name.is_ok_and(|name| world.images.iter().any(|image| image.name == name));
            self.hit_if(is_held, "C name held by a container");
            self.hit_if(container.mounts.iter().any(|mount| mount.kind == "image"), "C image mount");
        }
    }

    fn see_labels(&mut self, labels: &Labels, expired: &'static str) {
        for (key, value) in labels {
            self.hit_if(key.starts_with("containerd.io/gc.ref.content/"), "B reference behind a slash");
            self.hit_if(key.starts_with("containerd.io/gc.bref."), "B back reference");
            self.hit_if(key == "containerd.io/gc.root", "B root");
            let is_longer = key.starts_with("containerd.io/gc.root") && key != "containerd.io/gc.root";
            self.hit_if(is_longer, "B other key that begins like a root");
            if key == "containerd.io/gc.expire" {
                let is_past = value.starts_with("200");
                self.hit_if(is_past, expired);
                self.hit_if(!value.starts_with("20"), "B time that does not parse");
            }
        }
    }

    fn see_prune(&mut self, before: &ContainerdWorld, op: &Op, outcome: &Outcome, after: &ContainerdWorld) {
        let Action::Prune { cancelled, cancel_after_considered, cancel_after_visited, .. } = &op.action
        else {
            return;
        };
        let text = outcome.error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
        let Some(Some(Report::Prune(report))) = &outcome.report else {
            self.hit_if(text == "invalid filter", "Q bad filters refused");
            self.hit_if(text.starts_with("invalid filter 'dangling="), "Q dangling refused");
            let is_other = text.starts_with("invalid filter '") && !text.contains("'dangling");
            self.hit_if(is_other, "Q unknown key refused");
            self.hit_if(text.contains("until") || text.contains("pars"), "Q until refused");
            self.hit_if(text.starts_with("label key and value length"), "Q label too long refused");
            self.hit_if(*cancelled && text == "context canceled", "Q cancelled before anything");
            return;
        };
        let records = report.images_deleted.as_deref().unwrap_or_default();
        let is_manifest = |record: &RecordText| matches!(record, RecordText::Deleted(_));
        self.hit_if(!outcome.after.leases_removed.is_empty(), "Q leases taken");
        self.hit_if(records.is_empty(), "Q nothing deleted");
        self.hit_if(records.iter().any(is_manifest), "Q manifest deleted");
        self.hit_if(
            records.windows(2).any(|two| two.iter().all(is_manifest)),
            "Q several manifests deleted in one step",
        );
        self.hit_if(
            records.windows(2).any(|two| !two.iter().any(is_manifest)),
            "Q untagged, the content stays",
        );
        let dangling =
            |record: &RecordText| matches!(record, RecordText::Untagged(name) if name.starts_with("sha256:"));
        self.hit_if(records.iter().any(dangling), "Q dangling record deleted");
        self.hit_if(report.space_reclaimed > 0, "Q bytes reclaimed");
        let is_cancelled = text.contains("context canceled");
        self.hit_if(is_cancelled, "Q cancelled in the loop");
        let was_asked = cancel_after_considered.or(*cancel_after_visited).is_some();
        self.hit_if(was_asked && !is_cancelled, "Q cancelled, nobody noticed");
        self.hit_if(!text.is_empty() && !is_cancelled, "Q error beside a report");
        self.hit_if(!is_cancelled && text.contains('\n'), "Q several errors");
        self.hit_if(text.contains("invalid") || text.contains("json: "), "B document that does not decode");
        let is_garbage = records.is_empty() && !outcome.after.blobs_removed.is_empty();
        self.hit_if(is_garbage, "B garbage of others taken by a prune");
        let is_gone = |image: &&ImageRecord| !after.images.iter().any(|other| other.name == image.name);
        let held = before.containers.iter().filter(|container| {
            let key = &container.id;
            after.snapshots.iter().any(|snapshot| snapshot.key == *key && snapshot.parent.is_some())
        });
        let mut held = held.map(|container| container.image_id);
        let left_behind = held.any(|id| {
            before.images.iter().filter(is_gone).any(|image| image.target.digest == id)
                && !after.images.iter().any(|image| image.target.digest == id)
        });
        self.hit_if(left_behind, "S snapshot left behind by its image");
    }

    fn see_delete(&mut self, before: &ContainerdWorld, op: &Op, outcome: &Outcome) {
        let Action::Delete { platforms, .. } = &op.action else { return };
        if let Some(error) = &outcome.error {
            self.see_failure(error);
            self.hit_if(outcome.report.is_some(), "X failure in the middle");
            return;
        }
        let records = match &outcome.report {
            Some(Some(Report::Delete(records))) => records.as_slice(),
            _ => &[],
        };
        let deleted = records.iter().filter(|record| matches!(record, RecordText::Deleted(_))).count();
        self.hit_if(records.is_empty(), "X nothing to tell");
        self.hit_if(!outcome.after.blobs_removed.is_empty(), "B content taken by a delete");
        self.hit_if(!outcome.after.new_images.is_empty(), "X dangling record made");
        if platforms.is_empty() {
            self.hit_if(deleted > 0, "X deleted");
            self.hit_if(deleted > 1, "X parent goes along");
            self.hit_if(deleted == 0 && !records.is_empty(), "X untagged alone");
        } else {
            self.hit_if(!outcome.after.blobs_removed.is_empty(), "X platform deleted");
        }
        assert!(before.images.len() + outcome.after.new_images.len() >= outcome.after.images.len());
    }

    fn see_failure(&mut self, error: &ErrorText) {
        let text = error.message.as_str();
        self.hit_if(text.starts_with("No such image"), "X no such image");
        self.hit_if(text == "ambiguous reference", "X ambiguous");
        let is_reference = text.contains("reference format") || text.contains("repository name");
        self.hit_if(is_reference && error.class == ErrorClass::InvalidParameter, "X no reference");
        self.hit_if(text.starts_with("Content will be removed"), "X platforms without force");
        self.hit_if(text.contains("by running container"), "X conflict: running container");
        self.hit_if(text.contains("by stopped container"), "X conflict: stopped container");
        self.hit_if(text.contains("in multiple repositories"), "X conflict: several references");
        self.hit_if(text.contains("is using its referenced image"), "X conflict: used by a name");
        self.hit_if(text.contains("does not provide any platform"), "X platform not there");
    }

    fn see_usage(&mut self, op: &Op, outcome: &Outcome) {
        let is_list = matches!(op.action, Action::List { .. });
        self.hit_if(is_list && outcome.error.is_some(), "W list fails");
        self.hit_if(!is_list && outcome.error.is_some(), "W disk usage fails");
        self.hit_if(matches!(outcome.report, Some(Some(Report::DiskUsage(1..)))), "W disk usage");
        let Some(Some(Report::List(rows))) = &outcome.report else { return };
        for row in rows {
            self.hit_if(row.containers >= 0, "W row");
            self.hit_if(row.containers < 0, "W row without a usable manifest");
            self.hit_if(row.containers > 0, "W row with containers");
            self.hit_if(row.shared_size > 0, "W shared bytes");
            self.hit_if(row.repo_digests.is_none() && row.repo_tags.is_some(), "W name that is no reference");
        }
        let is_tie = |two: &[image_prune::replay::containerd::ListRow]| two[0].created == two[1].created;
        self.hit_if(rows.windows(2).any(is_tie), "W images of one second");
    }

    fn missed(&self, what: &str) -> Vec<&'static str> {
        let count = |kind: &str| self.0.get(kind).copied().unwrap_or(0);
        let table: Vec<_> = KINDS.iter().map(|kind| format!("{:>7}  {kind}", count(kind))).collect();
        println!("{what} reach:\n{}", table.join("\n"));
        KINDS.into_iter().filter(|kind| count(kind) == 0).collect()
    }
}

fn run(
    coverage: &mut Coverage,
    world: &ContainerdWorld,
    semantics: &Semantics,
    ops: impl Iterator<Item = Op>,
) {
    let mut engine = <Engine<Recorder> as Subject>::load(world, semantics).unwrap();
    coverage.see_world(world, semantics);
    for op in ops {
        let before = engine.world();
        let outcome = step(&mut engine, &op, world.utc_offset_seconds).unwrap();
        coverage.see(&before, &op, &outcome, &engine.world());
    }
}

#[test]
fn random_stores_reach_every_kind() {
    let mut coverage = Coverage::default();
    for seed in 0..3_000 {
        let random = &mut Random::new(seed + 31_000);
        let semantics = *random.pick(&Semantics::ALL_CONTAINERD);
        let oddity = *random.pick(&[0, 15, 15, 45]);
        let world = made::world(random, semantics.name, oddity);
        let ops: Vec<Op> = (0..4)
            .map(|_| Op {
                action: made::action(random, &world),
                now: "2024-06-05T12:00:00Z".to_owned(),
                expect: None,
            })
            .collect();
        run(&mut coverage, &world, &semantics, ops.into_iter());
    }
    assert_eq!(coverage.missed("random stores"), NOT_RANDOM);
}

#[test]
fn recorded_scenarios_reach_every_kind() {
    let mut coverage = Coverage::default();
    for scenario in super::recorded::scenarios("moby-29-containerd").step_by(2) {
        let semantics = scenario.semantics().unwrap();
        run(&mut coverage, &scenario.world, &semantics, scenario.ops.into_iter());
    }
    assert_eq!(coverage.missed("recorded scenarios"), NOT_RECORDED);
}
