//! Every recorded data root of a real daemon: the plan on it foretells what the daemon then answered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use image_prune::cancel::Never;
use image_prune::data_root::{self, Options};
use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::graph::plan::plan;
use image_prune::graph::select::Order;
use image_prune::graph::store::Stores;
use image_prune::graph::usage::usage;
use image_prune::oracle::check::{Asked, Observed, Verdict};
use image_prune::replay::EventText;
use image_prune::{Error, Filters, ImageId, Now, Semantics, World, oracle};
use serde_json::{Value, json};

#[test]
fn plan_foretells_moby_20_10() {
    check(&Semantics::MOBY_20_10, 39);
}

#[test]
fn plan_foretells_moby_26_1() {
    check(&Semantics::MOBY_26_1, 39);
}

/// Asks every daemon recorded from one version.
fn check(semantics: &Semantics, folders: usize) {
    let unpacked = tempfile::tempdir().unwrap();
    let archive = format!("testdata/vectors/{semantics}/daemon.tar.gz");
    let archive = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(archive)).unwrap();
    tar::Archive::new(GzDecoder::new(archive)).unpack(unpacked.path()).unwrap();
    let mut recordings: Vec<PathBuf> =
        fs::read_dir(unpacked.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    recordings.sort();
    assert_eq!(recordings.len(), folders, "recordings of {semantics}");

    let wrong: Vec<String> = recordings
        .iter()
        .map(|folder| Recording::read(folder, semantics))
        .flat_map(|recording| recording.mismatches())
        .collect();
    assert!(wrong.is_empty(), "{} mismatches with {semantics}:\n{}", wrong.len(), wrong.join("\n"));
}

struct Recording<'a> {
    name: String,
    semantics: &'a Semantics,
    world: World,
    request: Value,
    observed: Value,
}

impl<'a> Recording<'a> {
    fn read(folder: &Path, semantics: &'a Semantics) -> Self {
        let json =
            |name: &str| -> Value { serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap() };
        let reading = data_root::read(&folder.join("root"), semantics, Options::default()).unwrap();
        assert_eq!(reading.warnings, [], "{}", folder.display());
        Self {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            semantics,
            world: reading.world,
            request: json("request.json"),
            observed: json("observed.json"),
        }
    }

    /// What is not as the daemon has it.
    fn mismatches(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, expected: Value, got: Value| {
            if expected != got {
                found.push(format!("{}: {what}: expected {expected}, got {got}", self.name));
            }
        };
        compare("running", sorted(&self.request["running"]), self.running());
        compare("df before", by_id(&self.observed["df_before"]), self.usage(&self.stores()));
        match self.plan(&Order::ById) {
            Err(error) => {
                compare("status", self.observed["status"].clone(), error.class().http_status().into());
                compare("body", self.observed["body"].clone(), json!({ "message": error.to_string() }));
                compare("events", self.observed["events"].clone(), json!([]));
            }
            Ok((body, _)) => {
                compare("status", self.observed["status"].clone(), 200.into());
                let records = |body: &Value| sorted(&body["ImagesDeleted"]);
                compare("records", records(&self.observed["body"]), records(&body));
                let bytes = |body: &Value| body["SpaceReclaimed"].clone();
                compare("bytes", bytes(&self.observed["body"]), bytes(&body));

                let (body, events) = self.plan(&self.observed_order()).unwrap();
                compare("body in the daemon's order", self.observed["body"].clone(), body);
                compare("events", self.observed_events(), events);
            }
        }
        compare("verdict", "explained".into(), self.verdict().to_string().into());
        compare("df after", by_id(&self.observed["df_after"]), self.usage(&self.pruned()));
        found
    }

    fn stores(&self) -> Stores {
        Stores::load(self.world.clone(), self.semantics).unwrap()
    }

    fn filters(&self) -> &str {
        self.request["filters"].as_str().unwrap_or_default()
    }

    /// The daemons ran in UTC.
    fn now(&self) -> Now {
        let now = chrono::DateTime::parse_from_rfc3339(self.request["now"].as_str().unwrap()).unwrap();
        Now::utc(now.to_utc())
    }

    /// The body and the events.
    fn plan(&self, order: &Order) -> Result<(Value, Value), Error> {
        let plan = plan(&self.stores(), self.filters(), self.semantics, self.now(), order)?;
        let events: Vec<EventText> = plan.events.iter().map(EventText::from).collect();
        Ok((json!(plan.report), json!(events)))
    }

    /// What a prune leaves; everything, where it is refused.
    fn pruned(&self) -> Stores {
        let engine = Engine::new(self.stores(), *self.semantics, Recorder::default());
        let _refusal = Filters::parse(self.filters(), self.semantics)
            .and_then(|filters| engine.prune(&filters, self.now(), &Never));
        engine.stores().copy()
    }

    /// What the oracle says of it.
    fn verdict(&self) -> Verdict {
        let observed = json!({
            "status": self.observed["status"], "body": self.observed["body"], "events": self.observed["events"],
        });
        let observed: Observed = serde_json::from_value(observed).unwrap();
        let asked = Asked::new(self.filters(), self.now());
        oracle::check::check(&self.world, &asked, &observed, self.semantics).unwrap()
    }

    fn running(&self) -> Value {
        let running = self.world.containers.iter().filter(|container| container.running);
        sorted(&json!(running.map(|container| container.id.to_string()).collect::<Vec<_>>()))
    }

    fn usage(&self, stores: &Stores) -> Value {
        by_id(&json!(usage(stores, self.semantics).unwrap()))
    }

    /// The images in the order in which the daemon spoke of them.
    fn observed_order(&self) -> Order {
        let mut seen = HashSet::new();
        let ids = self.observed["events"].as_array().unwrap().iter();
        let ids = ids.filter_map(|event| event["Actor"]["ID"].as_str()?.parse::<ImageId>().ok());
        Order::Given(ids.filter(|id| seen.insert(*id)).collect())
    }

    /// Without times.
    fn observed_events(&self) -> Value {
        let events = self.observed["events"].as_array().unwrap().iter();
        let text = |event: &Value| {
            let actor = &event["Actor"];
            json!({
                "Type": event["Type"], "Action": event["Action"],
                "ID": actor["ID"], "Attributes": actor["Attributes"],
            })
        };
        events.map(text).collect()
    }
}

/// As a multiset.
fn sorted(list: &Value) -> Value {
    let mut list = list.as_array().cloned().unwrap_or_default();
    list.sort_by_key(ToString::to_string);
    list.into()
}

/// The images' part of a disk usage, newest first as it stands; images of one second by ID.
fn by_id(usage: &Value) -> Value {
    let mut images = usage["Images"].as_array().unwrap().clone();
    let created = |image: &Value| image["Created"].as_i64().unwrap();
    assert!(images.is_sorted_by_key(|image| std::cmp::Reverse(created(image))), "not newest first");
    images.sort_by_key(|image| (std::cmp::Reverse(created(image)), image["Id"].to_string()));
    json!({ "LayersSize": usage["LayersSize"], "Images": images })
}
