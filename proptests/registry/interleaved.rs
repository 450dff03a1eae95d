//! A registry that others push to at the same time. Between any two requests of a run something happens: no tag that stays
//! loses its manifest, or anything that this needs, but for what the API gives no way to avoid
//! (`src/docs/differences.md`), which is held to exactly that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use image_prune::Digest;
use image_prune::registry::{AppliedPlan, Registry};

use super::related::{about, index_of, listed};
use super::script::{Asked, JSON_MANIFEST, Script, answer, head, manifest};
use super::scripted::run;

/// Something that somebody does.
type Act = fn(&mut World);

/// Repository `a` of a registry, and what came of it so far.
#[derive(Default)]
struct World {
    tags: BTreeMap<String, Digest>,
    manifests: BTreeMap<Digest, String>,
    /// The tags that have to be there in the end, and what they point to.
    wanted: BTreeMap<String, Digest>,
    requests: Vec<(String, String)>,
    /// A change, and the number of the request that it comes before.
    act: Option<(usize, Act)>,
    /// True where a new tag comes whenever the tags are listed.
    is_busy: bool,
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn index(children: &[String]) -> String {
    index_of(&children.iter().map(|text| listed("", digest(text), text.len())).collect::<Vec<_>>())
}

fn children() -> [String; 2] {
    [manifest("child"), manifest("other child")]
}

impl World {
    fn new() -> Self {
        let mut world = Self::default();
        for tag in ["keep", "keep-b", "old", "old-late"] {
            world.push(tag, &manifest(tag), &[]);
        }
        world.push("old-index", &index(&children()), &children());
        world.push("old-signature", &about("signature", &manifest("old")), &[]);
        world.wanted.retain(|tag, _| tag.starts_with("keep"));
        world
    }

    /// Pushes a manifest with all that it lists, as a client does, and a tag that is wanted from now on.
    fn push(&mut self, tag: &str, text: &str, children: &[String]) {
        for text in children.iter().map(String::as_str).chain([text]) {
            self.manifests.insert(digest(text), text.to_owned());
        }
        self.tags.insert(tag.to_owned(), digest(text));
        self.wanted.insert(tag.to_owned(), digest(text));
    }

    fn answer(&mut self, asked: &Asked) -> String {
        if let Some((at, act)) = self.act
            && at == self.requests.len()
        {
            act(self);
        }
        self.requests.push((asked.method.clone(), asked.path.clone()));
        let reference = asked.path.rsplit_once('/').unwrap().1;
        if reference == "list?n=1000" {
            if self.is_busy {
                let tag = format!("new-{}", self.requests.len());
                self.push(&tag, &manifest(&tag), &[]);
            }
            let tags: Vec<String> = self.tags.keys().map(|tag| format!("\"{tag}\"")).collect();
            return answer(200, &[], &format!(r#"{{"tags":[{}]}}"#, tags.join(",")));
        }
        if asked.path.contains("/referrers/") {
            let is_about = |text: &&String| text.contains(r#""subject""#) && text.contains(reference);
            let found = self.manifests.values().filter(is_about).cloned().collect::<Vec<_>>();
            return answer(200, &[], &index(&found));
        }
        let found = self.tags.get(reference).copied().or_else(|| reference.parse().ok());
        match (asked.method.as_str(), found.and_then(|found| Some((found, self.manifests.get(&found)?)))) {
            ("GET", Some((_, text))) if text.contains("manifests") => answer(200, &[], text),
            ("GET", Some((_, text))) => answer(200, &[JSON_MANIFEST], text),
            ("HEAD", Some((found, _))) => head(found),
            ("DELETE", Some((found, _))) => {
                self.manifests.remove(&found);
                self.tags.retain(|_, digest| *digest != found);
                answer(202, &[], "")
            }
            _ => answer(404, &[], ""),
        }
    }

    /// The manifest and all that it lists.
    fn closure(digest: Digest, texts: &BTreeMap<Digest, String>) -> BTreeSet<Digest> {
        let text = &texts[&digest];
        texts.keys().filter(|child| **child == digest || lists(text, **child)).copied().collect()
    }

    /// The places of the requests that delete any of these.
    fn deletions<'a>(&'a self, digests: &'a BTreeSet<Digest>) -> impl Iterator<Item = usize> + 'a {
        let deletes = |path: &str| digests.iter().any(|digest| path.ends_with(&digest.to_string()));
        let requests = self.requests.iter().enumerate();
        requests.filter(move |(_, (method, path))| method == "DELETE" && deletes(path)).map(|(at, _)| at)
    }
}

fn lists(text: &str, child: Digest) -> bool {
    text.split_once(r#""manifests""#).is_some_and(|(_, list)| list.contains(&child.to_string()))
}

/// What somebody does.
const ACTIONS: [(&str, Act); 10] = [
    ("a tag comes to an image", |world| world.push("keep-too", &manifest("old"), &[])),
    ("a tag that stays moves to an image", |world| world.push("keep", &manifest("old"), &[])),
    ("a tag that stays moves to the last image", |world| world.push("keep-b", &manifest("old-late"), &[])),
    ("a tag comes to an index", |world| world.push("keep-whole", &index(&children()), &children())),
    ("a tag comes to an image of an index", |world| world.push("keep-child", &children()[0], &[])),
    ("an index lists images", |world| {
        let images = [manifest("old"), children()[0].clone()];
        world.push("keep-index", &index(&images), &images);
    }),
    ("a tag that stays moves to an index", |world| {
        let images = [manifest("new"), children()[1].clone()];
        world.push("keep", &index(&images), &images);
    }),
    ("what is about an image that stays lists an image", |world| {
        let kept = manifest("keep-b");
        let subject = listed("", digest(&kept), kept.len());
        let text = index(&children()[..1]).replacen('{', &format!(r#"{{"subject":{subject},"#), 1);
        world.push("zz-about", &text, &children()[..1]);
    }),
    ("a signature of an image that goes", |world| {
        world.push("keep-signature", &about("kept", &manifest("old")), &[]);
    }),
    ("a tag that goes moves", |world| {
        world.push("old", &manifest("new"), &[]);
        world.wanted.remove("old");
    }),
];

struct Stage {
    world: Arc<Mutex<World>>,
    script: Script,
    registry: Registry,
}

impl Stage {
    fn new() -> Self {
        let world: Arc<Mutex<World>> = Arc::default();
        let shared = Arc::clone(&world);
        let script = Script::new(move |asked| shared.lock().unwrap().answer(asked));
        let registry = script.registry();
        Self { world, script, registry }
    }

    fn run(&self, act: Option<(usize, Act)>) -> (AppliedPlan, MutexGuard<'_, World>) {
        *self.world.lock().unwrap() = World { act, ..World::new() };
        let applied = run(&self.registry);
        (applied, self.world.lock().unwrap())
    }
}

#[test]
fn no_tag_that_stays_is_lost_whatever_happens_between_the_requests() {
    let stage = Stage::new();
    let (applied, world) = stage.run(None);
    assert_eq!(applied.plan.delete.len(), 4, "{:?}", applied.plan);
    assert_eq!(world.manifests.len(), 2);
    let requests = world.requests.len();
    let looks =
        world.requests.iter().enumerate().filter(|(_, (_, path))| path.ends_with("/tags/list?n=1000"));
    let planned = looks.map(|(at, _)| at).nth(1).unwrap();
    drop(world);
    let (mut runs, mut lost_in_the_gap) = (0, 0);
    for (what, act) in ACTIONS {
        // Until it is planned again everything is read, one request like the other.
        for at in (0..planned).step_by(5).chain(planned..requests + 10) {
            let (applied, world) = stage.run(Some((at, act)));
            let what = format!("{what} before request {at}: {:?}", world.requests);
            let World { wanted, tags, manifests, .. } = &*world;
            // What was there when it was pushed.
            let mut texts = World::new().manifests;
            let mut pushed = World::new();
            act(&mut pushed);
            texts.extend(pushed.manifests);
            for (tag, digest) in wanted {
                let closure = World::closure(*digest, &texts);
                let is_whole =
                    tags.get(tag) == Some(digest) && closure.iter().all(|one| manifests.contains_key(one));
                if is_whole {
                    let is_told =
                        applied.plan.delete.iter().any(|gone| gone.tag == *tag && gone.digest == *digest);
                    assert!(!is_told, "{tag}: {what}");
                    continue;
                }
                let deleted =
                    world.deletions(&closure).find(|place| *place >= at).unwrap_or_else(|| panic!("{what}"));
                let is_look = |(_, path): &(String, String)| path.ends_with("/tags/list?n=1000");
                let look = world.requests[..deleted].iter().rposition(is_look).unwrap();
                assert!(at > look, "{tag} is lost: {what}");
                lost_in_the_gap += 1;
            }
            runs += 1;
        }
    }
    assert!(lost_in_the_gap > 0, "the gap is not where it is said to be");
    println!("{lost_in_the_gap} of {runs} runs lost a tag in the gap");
}

/// Many tags that stay are asked for in turn: a hundred before a deletion, on the average.
#[test]
fn a_look_costs_a_list_and_a_hundred_requests() {
    let stage = Stage::new();
    let mut world = World::default();
    let (staying, going) = (250, 30);
    for number in 0..staying {
        world.push(&format!("keep-{number}"), &manifest("kept"), &[]);
    }
    for number in 0..going {
        world.push(&format!("old-{number}"), &manifest(&number.to_string()), &[]);
    }
    *stage.world.lock().unwrap() = world;
    let applied = run(&stage.registry);
    assert_eq!(applied.plan.delete.len(), going);
    assert_eq!(stage.world.lock().unwrap().tags.len(), staying);
    let lists = stage.script.log().iter().filter(|asked| asked.path.ends_with("/tags/list?n=1000")).count();
    assert_eq!(lists, 2 + going);
    let asked = stage.script.count("HEAD");
    assert!(asked >= 2 * staying + going && asked <= staying + going * (100 + 1), "{asked}");
}

/// Somebody pushes faster than anybody can plan: it ends, and nothing goes.
#[test]
fn a_repository_that_changes_all_the_time_is_left() {
    let stage = Stage::new();
    let (applied, world) = stage.run(Some((0, |world| world.is_busy = true)));
    assert!(!world.requests.iter().any(|(method, _)| method == "DELETE"));
    for tag in ["old", "old-late", "old-index"] {
        let kept = applied.plan.keep.iter().find(|kept| kept.tag == tag).unwrap();
        assert!(kept.reason.to_string().contains("all the time"), "{:?}", kept.reason);
    }
}
