//! Two hundred days in the life of a device: images come, containers come and go, and the daemon is never well for
//! long. What a rule keeps is never lost, and every run is in the journal.

use std::collections::BTreeSet;
use std::time::Duration;

use image_prune::client::KeepRules;
use image_prune::client::agent::{Agent, Clock, Jitter, Journal, JournalLimits, Outcome};
use image_prune::server::TestDaemon;
use image_prune::{ImageId, Timestamp};

use serde_json::Value;

use super::{Simulated, client, image, left, settings};

const DAYS: u64 = 200;
const KEEP_LAST: usize = 3;

/// What may go wrong on a day. Some of it passes, some does not.
const FAULTS: [&str; 12] = [
    "POST /images/prune status=409 times=2",
    "POST /images/prune cut=after times=1",
    "GET /images/json status=500 times=3",
    "GET /images/*/json cut=middle times=1 after=2",
    "GET /containers/json cut=before times=1",
    "DELETE /images/** cut=after times=2",
    "DELETE /images/** cut=before times=1",
    "DELETE /images/** status=500 times=1 after=1",
    "DELETE /images/** status=409 times=1",
    "GET /info cut=middle times=1",
    "DELETE /images/** cut=middle times=1",
    "* /** status=503",
];

struct Device {
    daemon: TestDaemon,
    chance: Jitter,
    made: u64,
    /// What goes wrong, until it is mended.
    fault: Option<&'static str>,
}

impl Device {
    /// One in `odds`.
    fn happens(&mut self, odds: u64) -> bool {
        self.chance.next().is_multiple_of(odds)
    }

    fn live_a_day(&mut self) {
        self.daemon.clear_faults();
        for app in ["app", "reg.io/team/web", "tool"] {
            if self.happens(2) {
                self.made += 1;
                let labels = if self.happens(6) { r#""keep":"yes""# } else { "" };
                let id = image(&self.daemon, self.made, labels, &[&format!("{app}:v{}", self.made)]);
                if self.happens(3) {
                    self.retag(&format!("{app}:latest"), id);
                }
            }
        }
        if self.happens(4) {
            self.made += 1;
            image(&self.daemon, self.made, "", &[]);
        }
        if self.happens(5) {
            let images = self.daemon.world().images;
            let chosen = usize::try_from(self.chance.next()).unwrap_or(0) % images.len().max(1);
            if let Some(image) = images.get(chosen) {
                self.made += 1;
                super::container(&self.daemon, &format!("c{}", self.made), &image.id.to_string());
            }
        }
        if self.happens(9)
            && let Some(container) = client(&self.daemon).containers(false).unwrap().first()
        {
            client(&self.daemon).remove_container(&container.id, true).unwrap();
        }
        if self.happens(2) {
            let fault = usize::try_from(self.chance.next() % FAULTS.len() as u64).unwrap();
            self.fault = if self.happens(3) { None } else { Some(FAULTS[fault]) };
        }
        if let Some(fault) = self.fault {
            self.daemon.add_fault(fault.parse().unwrap());
        }
    }

    fn retag(&self, name: &str, id: ImageId) {
        let reference = image_prune::Reference::parse(name, &super::SEMANTICS).unwrap();
        self.daemon.stores().references.retag(reference, id).unwrap();
    }

    /// What may not go, found out without the rules' own code: labels, containers, tags of `tool`, and the newest of
    /// each repository.
    fn protected(&self) -> BTreeSet<ImageId> {
        let world = self.daemon.world();
        let mut kept: BTreeSet<ImageId> = world.containers.iter().map(|container| container.image).collect();
        for image in &world.images {
            if String::from_utf8_lossy(&image.config).contains(r#""keep":"yes""#) {
                kept.insert(image.id);
            }
        }
        for repository in ["docker.io/library/app", "reg.io/team/web", "docker.io/library/tool"] {
            let of_repository = world.references.iter().filter(|reference| {
                reference.name.strip_prefix(repository).is_some_and(|rest| rest.starts_with(':'))
            });
            let ids: BTreeSet<ImageId> = of_repository.map(|reference| reference.id).collect();
            let age = |id: &ImageId| {
                let config = world.images.iter().find(|image| image.id == *id).unwrap().config.clone();
                let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
                config["created"].as_str().unwrap().to_owned()
            };
            let mut newest: Vec<ImageId> = ids.into_iter().collect();
            newest.sort_by_key(|id| std::cmp::Reverse(age(id)));
            let count = if repository.ends_with("tool") { usize::MAX } else { KEEP_LAST };
            kept.extend(newest.into_iter().take(count));
        }
        kept
    }
}

#[test]
fn two_hundred_days_with_rules() {
    live(1, true);
}

#[test]
fn two_hundred_days_without_rules() {
    live(2, false);
}

fn live(seed: u64, has_rules: bool) {
    let clock = Simulated::new();
    let daemon = TestDaemon::builder().now(clock.now()).start().unwrap();
    let mut device = Device { daemon, chance: Jitter::new(seed), made: 0, fault: None };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let limits = JournalLimits { bytes: 1 << 30, files: 1 };
    let rules = || {
        if !has_rules {
            return Ok(KeepRules::new());
        }
        KeepRules::new().pattern("tool")?.label("keep=yes").map(|rules| rules.last(KEEP_LAST))
    };
    let mut agent = {
        let (journal, _) = Journal::open(&path, limits).unwrap();
        Agent::new(client(&device.daemon), journal, settings())
    };
    let mut outcomes = BTreeSet::new();
    let (mut deleted, mut read) = (0, 0);
    for day in 0..DAYS {
        device.live_a_day();
        clock.advance(Duration::from_secs(86_400));
        device.daemon.set_now(Some(clock.now()));
        let before = left(&device.daemon);
        let protected = if has_rules {
            device.protected()
        } else {
            device.daemon.world().containers.iter().map(|container| container.image).collect()
        };
        let result = agent.run_once(&clock, &mut { rules });
        let after = left(&device.daemon);
        let lost: Vec<_> = protected.intersection(&before).filter(|id| !after.contains(id)).collect();
        assert!(lost.is_empty(), "day {day}: lost {lost:?}: {result:?}");
        read = check_journal(&path, read, &result.run, &before, &after);
        if result.outcome == Outcome::Done {
            assert!(after.len() <= device.protected().len() || !has_rules, "day {day}: {result:?}");
        }
        deleted += before.len() - after.len();
        outcomes.insert(result.outcome.as_str());
    }
    assert!(deleted > 50, "{deleted}");
    assert!(outcomes.contains("done") && outcomes.contains("failed"), "{outcomes:?}");
    assert!(clock.now() > Timestamp::new(1_700_000_000 + 200 * 86_400, 0));
}

/// The run has a result, behind its plans, and what went was planned in it. The new end of the journal.
fn check_journal(
    path: &std::path::Path,
    from: usize,
    run: &str,
    before: &BTreeSet<ImageId>,
    after: &BTreeSet<ImageId>,
) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Value> = text[from..].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["run"] == run), "{run}");
    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "result").count(), 1);
    assert_eq!(kinds.last(), Some(&"result"));
    let plans = lines.iter().filter(|line| line["kind"] == "plan");
    let planned: BTreeSet<String> = plans
        .flat_map(|line| line["delete"].as_array().unwrap().clone())
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    for gone in before.difference(after) {
        assert!(planned.contains(&gone.to_string()), "{gone} went without a plan");
    }
    text.len()
}
