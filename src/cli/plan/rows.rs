//! The rows of a plan for people: build steps folded into the image they made, and a reason in words.

use std::collections::{BTreeMap, HashMap, HashSet};

use image_prune::graph::plan::{ImagePlan, Plan, Reason, Verdict};
use image_prune::graph::removal;
use image_prune::graph::store::{ImageStore, Stores};
use image_prune::{ContainerId, Filters, ImageId, Now, Record, Reference, Semantics};

use super::super::render::identifier;
use super::super::units;
use super::name;

/// The world that a plan is about.
pub struct Scene<'a> {
    pub plan: &'a Plan,
    pub stores: &'a Stores,
    pub semantics: &'a Semantics,
    pub now: Now,
    /// The query value that was planned with.
    pub filters: &'a str,
    /// The names of containers, where a daemon told them.
    pub containers: &'a BTreeMap<ContainerId, String>,
    pub is_whole: bool,
}

/// An image with the build steps that only led to it.
pub struct Row<'a> {
    pub image: &'a ImagePlan,
    /// The bytes that deleting it alone frees.
    pub frees: u64,
    pub created: String,
    pub name: String,
    pub why: String,
    /// What would free it as well; empty for what goes.
    pub remedy: String,
}

/// All rows, the largest first, and the build steps among what goes and what stays.
pub struct Rows<'a> {
    pub rows: Vec<Row<'a>>,
    pub steps_that_go: usize,
}

impl<'a> Scene<'a> {
    pub fn rows(&self) -> Rows<'a> {
        let made = self.folded();
        let frees: HashMap<ImageId, u64> =
            removal::marginal(self.stores, self.semantics).into_iter().collect();
        let words = Words { scene: self, made: &made, users: self.users(), untagged: self.untagged() };
        let shown = self.plan.images.iter().filter(|image| !made.contains_key(&image.id));
        let mut rows: Vec<Row> = shown
            .map(|image| Row {
                image,
                frees: frees.get(&image.id).copied().unwrap_or_default(),
                created: self.age(image.id),
                name: self.label(image),
                why: words.why(image),
                remedy: words.remedy(image),
            })
            .collect();
        rows.sort_by(|a, b| {
            let key = |row: &Row| (row.image.verdict, std::cmp::Reverse((row.frees, row.image.size)));
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        let goes = |image: &&ImagePlan| image.verdict == Verdict::Delete && made.contains_key(&image.id);
        Rows { rows, steps_that_go: self.plan.images.iter().filter(goes).count() }
    }

    /// By build step, the image that it led to. Of a circle of parents none leads anywhere, so that all of it is shown.
    fn folded(&self) -> HashMap<ImageId, ImageId> {
        let is_step = |image: &&ImagePlan| {
            let is_about_children = match (image.verdict, &image.reason) {
                (Verdict::Delete, _) => self.stores.images.has_children(image.id),
                (_, reason) => matches!(reason, Reason::HasChild(_)),
            };
            image.references.is_empty() && is_about_children
        };
        let steps: HashSet<ImageId> = self.plan.images.iter().filter(is_step).map(|image| image.id).collect();
        let mut made = HashMap::new();
        for image in self.plan.images.iter().filter(|image| !steps.contains(&image.id)) {
            let mut next = self.stores.images.parent(image.id);
            while let Some(id) = next.filter(|id| steps.contains(id) && !made.contains_key(id)) {
                made.insert(id, image.id);
                next = self.stores.images.parent(id);
            }
        }
        made
    }

    fn users(&self) -> HashMap<ImageId, Vec<ContainerId>> {
        let mut users: HashMap<ImageId, Vec<ContainerId>> = HashMap::new();
        for container in self.stores.containers.containers() {
            users.entry(container.image).or_default().push(container.id);
        }
        for users in users.values_mut() {
            users.sort_unstable();
        }
        users
    }

    fn untagged(&self) -> HashSet<&'a Reference> {
        let untagged =
            |record: &'a Record| if let Record::Untagged(name) = record { Some(name) } else { None };
        self.plan.report.images_deleted.iter().filter_map(untagged).collect()
    }

    fn age(&self, id: ImageId) -> String {
        let created = self
            .stores
            .images
            .get(id)
            .ok()
            .and_then(|image| image.created())
            .filter(|created| !created.is_zero());
        let age = |created: image_prune::Timestamp| {
            let seconds = self.now.instant.unix_seconds().saturating_sub(created.unix_seconds());
            match units::human_duration(seconds).as_str() {
                _ if seconds < 0 => "later".to_owned(),
                "Less than a second" => "now".to_owned(),
                age => age.replace("About an ", "1 ").replace("About a ", "1 "),
            }
        };
        created.map_or_else(|| "N/A".to_owned(), age)
    }

    fn label(&self, image: &ImagePlan) -> String {
        if image.references.is_empty() {
            return format!("<none> {}", identifier(image.id, self.is_whole));
        }
        super::references(image, self.is_whole)
    }

    fn container(&self, id: ContainerId) -> String {
        let known = self.containers.get(&id).cloned();
        known.unwrap_or_else(|| identifier(id, self.is_whole))
    }

    fn filter(&self, key: &str) -> Vec<String> {
        let filters = Filters::parse(self.filters, self.semantics).unwrap_or_default();
        filters.get(key).map(str::to_owned).collect()
    }
}

/// Reasons as people say them.
struct Words<'s, 'a> {
    scene: &'s Scene<'a>,
    made: &'s HashMap<ImageId, ImageId>,
    users: HashMap<ImageId, Vec<ContainerId>>,
    untagged: HashSet<&'a Reference>,
}

impl Words<'_, '_> {
    fn why(&self, image: &ImagePlan) -> String {
        match (&image.reason, image.verdict) {
            (Reason::Unused, _) if image.references.is_empty() => "dangling".to_owned(),
            (Reason::Unused, _) if image.references.iter().all(Reference::is_canonical) => {
                "no tag, only a digest".to_owned()
            }
            (Reason::HasChild(_), _) => format!("parent of {}", self.children(image.id)),
            (Reason::Container { id, running }, verdict) => {
                let state = if *running { "running" } else { "not running" };
                let kept = image.references.iter().find(|name| !self.untagged.contains(name));
                let kept = match kept.filter(|_| verdict == Verdict::Untag) {
                    Some(kept) => format!("; {} stays", name(kept, self.scene.is_whole)),
                    None => String::new(),
                };
                format!("container {} ({state}){kept}", self.scene.container(*id))
            }
            (Reason::NewerThanUntil { created: Some(_), .. }, _) => {
                let age = self.scene.age(image.id);
                let ago = if matches!(age.as_str(), "now" | "later") { "" } else { " ago" };
                format!("created {age}{ago}, until={}", self.values("until"))
            }
            (Reason::Label, _) => format!("does not match label={}", self.values("label")),
            (Reason::NegatedLabel, _) => format!("has label {}", self.values("label!")),
            (reason, _) => super::reason(reason),
        }
    }

    fn remedy(&self, image: &ImagePlan) -> String {
        match (&image.reason, image.verdict) {
            (_, Verdict::Delete) => String::new(),
            (Reason::HasChild(_), _) => format!("first {}", self.children(image.id)),
            (Reason::Container { .. } | Reason::Tagged(_), _) if self.users.contains_key(&image.id) => {
                self.remove_containers(image.id)
            }
            (Reason::Tagged(_) | Reason::Referenced(_), _) => match image.references.as_slice() {
                [only] => format!("docker rmi {}", only.familiar()),
                _ => "prune -a".to_owned(),
            },
            (Reason::NewerThanUntil { .. }, _) => "a later until".to_owned(),
            (Reason::Label, _) => "without this label".to_owned(),
            (Reason::NegatedLabel, _) => "without this label!".to_owned(),
            _ => String::new(),
        }
    }

    fn remove_containers(&self, id: ImageId) -> String {
        const SHOWN: usize = 3;
        let users = self.users.get(&id).map(Vec::as_slice).unwrap_or_default();
        if users.len() > SHOWN {
            return format!("docker rm, of {} containers", users.len());
        }
        let is_running =
            |id: &ContainerId| self.scene.stores.containers.get(*id).is_some_and(|user| user.running);
        let force = if users.iter().any(is_running) { "-f " } else { "" };
        let names: Vec<String> = users.iter().map(|id| self.scene.container(*id)).collect();
        format!("docker rm {force}{}", names.join(" "))
    }

    /// The images that stand on this one and stay, two of them by name.
    fn children(&self, id: ImageId) -> String {
        const SHOWN: usize = 2;
        let mut ids: Vec<ImageId> = self.scene.stores.images.children(id);
        ids.retain(|id| self.plan(*id).is_some_and(|image| image.verdict != Verdict::Delete));
        let mut shown: Vec<ImageId> =
            ids.into_iter().map(|id| self.made.get(&id).copied().unwrap_or(id)).collect();
        shown.sort_unstable();
        shown.dedup();
        let more = shown.len().saturating_sub(SHOWN);
        let images = shown.iter().take(SHOWN).filter_map(|id| self.plan(*id));
        let names: Vec<String> = images
            .map(|image| match image.references.first() {
                Some(reference) => name(reference, self.scene.is_whole),
                None => identifier(image.id, self.scene.is_whole),
            })
            .collect();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{}{more}", names.join(", "))
    }

    /// A plan has its images by ID.
    fn plan(&self, id: ImageId) -> Option<&ImagePlan> {
        let images = &self.scene.plan.images;
        images.binary_search_by_key(&id, |image| image.id).ok().and_then(|at| images.get(at))
    }

    fn values(&self, key: &str) -> String {
        self.scene.filter(key).join(", ")
    }
}
