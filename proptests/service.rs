//! Whoever speaks to the image service sees what the engines themselves answer, and sees no difference between image stores
//! but those that moby makes.

use std::collections::BTreeMap;

use image_prune::cancel::{Cancel, Never};
use image_prune::event::{ImageEvent, Recorder};
use image_prune::graph::delete::Extent;
use image_prune::service::{DeleteRequest, ImageService, ListRequest, RecordText, Returned};
use image_prune::world::containerd::{Blob, Container, ImageRecord, Labels, Platform, Target};
use image_prune::world::{ContainerdWorld, State};
use image_prune::{
    ContainerId, DiffId, Digest, Error, ErrorClass, Filters, ImageId, Now, Reference, Result, Semantics,
    Timestamp, containerd, graph,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::support::{ALL, now};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

type Service = dyn ImageService<Events = Recorder>;
type Classic = graph::Engine<Recorder>;
type Containerd = containerd::Engine<Recorder>;

/// The images of both stores: a tag, a label, and a layer that the first two share. A container runs from the last.
const IMAGES: [&str; 4] = ["app:1", "app:2", "old:1", "used:1"];

fn config(tag: &str, diff_id: DiffId) -> String {
    json!({
        "architecture": "amd64", "os": "linux",
        "created": "2020-01-01T00:00:00Z",
        "config": { "Labels": { "of": tag } },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    })
    .to_string()
}

/// The layer of an image, and the bytes of it.
fn layer(tag: &str) -> (DiffId, i64) {
    let name = tag.split(':').next().unwrap();
    (Digest::of(name.as_bytes()).into(), i64::try_from(name.len()).unwrap())
}

fn classic() -> Classic {
    let semantics = Semantics::MOBY_28_5;
    let stores = graph::store::Stores::new(&semantics);
    for tag in IMAGES {
        let (diff_id, size) = layer(tag);
        let handle = stores.layers.register(diff_id, None, size).unwrap();
        let id = stores.images.create(config(tag, diff_id)).unwrap();
        stores.layers.release(handle).unwrap();
        stores.references.add_tag(Reference::parse(tag, &semantics).unwrap(), id).unwrap();
        if tag == "used:1" {
            let container = ContainerId::from(Digest::of(b"container"));
            let image_mounts = Vec::new();
            let container = graph::store::Container { id: container, image: id, running: true, image_mounts };
            stores.containers.create(container).unwrap();
        }
    }
    graph::Engine::new(stores, semantics, Recorder::default())
}

fn blob(text: String, labels: Labels) -> Blob {
    let (digest, size) = (Digest::of(text.as_bytes()), i64::try_from(text.len()).unwrap());
    Blob { digest, size, raw: Some(text.into_bytes().into()), labels }
}

fn containerd() -> Containerd {
    let semantics = Semantics::MOBY_29_CONTAINERD;
    let amd64 = Platform { architecture: "amd64".to_owned(), os: "linux".to_owned(), ..Platform::default() };
    let mut world = ContainerdWorld { host_platform: amd64, ..ContainerdWorld::default() };
    for tag in IMAGES {
        let config = blob(config(tag, layer(tag).0), Labels::new());
        let manifest = json!({
            "schemaVersion": 2,
            "config": { "mediaType": CONFIG, "digest": config.digest, "size": config.size },
            "layers": [],
        });
        let labels = [("containerd.io/gc.ref.content.config".to_owned(), config.digest.to_string())].into();
        let manifest = blob(manifest.to_string(), labels);
        let target = Target {
            media_type: MANIFEST.to_owned(),
            digest: manifest.digest,
            size: manifest.size,
            annotations: BTreeMap::new(),
        };
        if tag == "used:1" {
            world.containers.push(Container {
                id: Digest::of(b"container").hex(),
                image: tag.to_owned(),
                image_id: manifest.digest,
                running: true,
                mounts: Vec::new(),
                platform: None,
                image_manifest: Some(manifest.digest),
            });
        }
        world.images.push(record(tag, target));
        world.blobs.extend([config, manifest]);
    }
    let stores = containerd::store::Stores::load(&world, &semantics).unwrap();
    containerd::Engine::new(stores, semantics, Recorder::default())
}

fn record(tag: &str, target: Target) -> ImageRecord {
    let name = format!("docker.io/library/{tag}");
    let time = Timestamp::new(0, 0);
    ImageRecord { name, target, labels: Labels::new(), created_at: time, updated_at: time }
}

/// What was answered, whichever way it was asked.
fn answer(report: &impl Serialize, error: Option<Error>) -> Value {
    let error = error.map(|error| json!({ "class": error.class(), "message": error.to_string() }));
    json!({ "report": report, "error": error })
}

fn result<T: Serialize>(result: Result<T>) -> Value {
    match result {
        Ok(report) => answer(&report, None),
        Err(error) => answer(&(), Some(error)),
    }
}

/// Who takes the steps of the script.
trait Asked {
    fn semantics(&self) -> Semantics;
    fn find(&self, name: &str) -> Result<ImageId>;
    fn tag(&self, id: ImageId, reference: Reference) -> Value;
    fn list(&self, request: &ListRequest<'_>) -> Value;
    fn disk_usage(&self) -> Value;
    fn usage(&self) -> Value;
    fn delete(&self, reference: &str, force: bool) -> Value;
    fn prune(&self, filters: &Filters, cancel: &dyn Cancel) -> Value;
    fn events(&self) -> Value;
    fn state(&self) -> Value;
}

impl Asked for Service {
    fn semantics(&self) -> Semantics {
        *ImageService::semantics(self)
    }

    fn find(&self, name: &str) -> Result<ImageId> {
        ImageService::find(self, name)
    }

    fn tag(&self, id: ImageId, reference: Reference) -> Value {
        result(ImageService::tag(self, id, reference, now()))
    }

    fn list(&self, request: &ListRequest<'_>) -> Value {
        result(ImageService::list(self, request))
    }

    fn disk_usage(&self) -> Value {
        result(ImageService::disk_usage(self))
    }

    fn usage(&self) -> Value {
        result(ImageService::usage(self).map(|usage| (usage.total_size, usage.images)))
    }

    fn delete(&self, reference: &str, force: bool) -> Value {
        let Returned { report, error } = ImageService::delete(self, &deletion(reference, force), now());
        answer(&report, error)
    }

    fn prune(&self, filters: &Filters, cancel: &dyn Cancel) -> Value {
        let Returned { report, error } = ImageService::prune(self, filters, now(), cancel);
        answer(&report, error)
    }

    fn events(&self) -> Value {
        json!(ImageService::events(self).take())
    }

    fn state(&self) -> Value {
        json!(ImageService::state(self))
    }
}

const fn deletion(reference: &str, force: bool) -> DeleteRequest<'_> {
    DeleteRequest { reference, force, prune: true, platforms: &[] }
}

/// An engine, by its own methods.
struct Own<E>(E);

/// Without the size that is written twice in old versions of the API.
fn once(mut summary: Value) -> Value {
    summary.as_object_mut().unwrap().remove("VirtualSize").unwrap();
    summary
}

impl Asked for Own<Classic> {
    fn semantics(&self) -> Semantics {
        *self.0.semantics()
    }

    fn find(&self, name: &str) -> Result<ImageId> {
        self.0.image(name).map(|(id, _)| id)
    }

    fn tag(&self, id: ImageId, reference: Reference) -> Value {
        // The engine has no method of its own: the stores in memory are told.
        result(ImageService::tag(&self.0, id, reference, now()))
    }

    fn list(&self, request: &ListRequest<'_>) -> Value {
        let images = self.0.list(request);
        result(images.map(|images| images.iter().map(|image| once(json!(image))).collect::<Vec<_>>()))
    }

    fn disk_usage(&self) -> Value {
        result(self.0.usage().map(|usage| usage.layers_size))
    }

    fn usage(&self) -> Value {
        result(self.0.usage().map(|usage| {
            (usage.layers_size, usage.images.iter().map(|image| once(json!(image))).collect::<Vec<_>>())
        }))
    }

    fn delete(&self, reference: &str, force: bool) -> Value {
        match self.0.delete(reference, Extent { force, prune: true }) {
            Ok(records) => answer(&records, None),
            Err(error) => {
                assert!(error.records().is_empty(), "the script has no such failure");
                answer(&(), Some(error.into()))
            }
        }
    }

    fn prune(&self, filters: &Filters, cancel: &dyn Cancel) -> Value {
        result(self.0.prune(filters, now(), cancel))
    }

    fn events(&self) -> Value {
        json!(self.0.events().take())
    }

    fn state(&self) -> Value {
        let profile = self.0.semantics().name.to_owned();
        json!(State::Classic(image_prune::World { profile, ..self.0.stores().to_world() }))
    }
}

impl Asked for Own<Containerd> {
    fn semantics(&self) -> Semantics {
        *self.0.semantics()
    }

    fn find(&self, name: &str) -> Result<ImageId> {
        self.0.find(name)
    }

    fn tag(&self, id: ImageId, reference: Reference) -> Value {
        result(self.0.tag(id, reference, now()))
    }

    fn list(&self, request: &ListRequest<'_>) -> Value {
        let rows = self.0.list(request.all, request.shared_size).map(|mut rows| {
            let unasked = rows.iter_mut().filter(|_| !request.containers);
            unasked.for_each(|row| row.containers = -1);
            rows
        });
        result(rows)
    }

    fn disk_usage(&self) -> Value {
        result(self.0.disk_usage())
    }

    fn usage(&self) -> Value {
        result(self.0.list(false, true).and_then(|rows| Ok((self.0.disk_usage()?, rows))))
    }

    fn delete(&self, reference: &str, force: bool) -> Value {
        let options = containerd::Options { force, prune: true, platforms: Vec::new() };
        match self.0.delete(reference, &options, now()) {
            Ok(records) => answer(&Some(records).filter(|records| !records.is_empty()), None),
            Err(error) => {
                assert!(error.records().is_empty(), "the script has no such failure");
                answer(&(), Some(error.into()))
            }
        }
    }

    fn prune(&self, filters: &Filters, cancel: &dyn Cancel) -> Value {
        match self.0.prune(filters, now(), cancel) {
            Ok(report) => answer(&report, None),
            Err(error) => answer(&error.report().cloned(), Some(error.into())),
        }
    }

    fn events(&self) -> Value {
        json!(self.0.events().take())
    }

    fn state(&self) -> Value {
        let profile = self.0.semantics().name.to_owned();
        json!(State::Containerd(ContainerdWorld { profile, ..self.0.stores().to_world() }))
    }
}

/// Every method of the service, on stores as they come and as they change; what each step answered, and what was told.
fn script(asked: &(impl Asked + ?Sized)) -> Vec<(&'static str, Value)> {
    let semantics = asked.semantics();
    let reference = |name: &str| Reference::parse(name, &semantics).unwrap();
    let filters = |text: &str| Filters::parse(text, &semantics).unwrap();
    let none = Filters::default();
    let plain = ListRequest::new(&none, now());
    let counted = ListRequest { shared_size: true, containers: true, ..plain };
    let whole = ListRequest { all: true, ..counted };
    let id = asked.find("app:1").unwrap();

    vec![
        ("state", asked.state()),
        ("find", result(asked.find("app:1"))),
        ("find by ID", result(asked.find(&id.to_string()))),
        ("find by the beginning of an ID", result(asked.find(&id.to_string()[7..15]))),
        ("find nothing", result(asked.find("app:3"))),
        ("find what is no name", result(asked.find("APP"))),
        ("list", asked.list(&plain)),
        ("list with counts", asked.list(&counted)),
        ("list all", asked.list(&whole)),
        ("disk usage", asked.disk_usage()),
        ("usage", asked.usage()),
        ("tag", asked.tag(id, reference("new"))),
        ("tag again", asked.tag(id, reference("new:latest"))),
        ("take a tag away", asked.tag(id, reference("old:1"))),
        ("events of tags", asked.events()),
        ("list what was tagged", asked.list(&plain)),
        ("delete nothing", asked.delete("app:3", false)),
        ("delete what is used", asked.delete("used:1", false)),
        ("events of refusals", asked.events()),
        ("delete a name", asked.delete("new", false)),
        ("delete an image", asked.delete("app:2", false)),
        ("delete by ID with two names", asked.delete(&id.to_string(), false)),
        ("events of deletions", asked.events()),
        ("prune with a wrong filter", asked.prune(&filters(r#"{"color":["red"]}"#), &Never)),
        ("prune that is given up", asked.prune(&filters(ALL), &|| true)),
        ("events of failures", asked.events()),
        ("state between", asked.state()),
        ("prune what dangles", asked.prune(&none, &Never)),
        ("prune", asked.prune(&filters(ALL), &Never)),
        ("events of prunes", asked.events()),
        ("list what is left", asked.list(&whole)),
        ("usage of what is left", asked.usage()),
        ("state at the end", asked.state()),
    ]
}

fn same_script(service: &Service, own: &impl Asked) {
    let (by_trait, by_method) = (script(service), script(own));
    for (by_trait, by_method) in by_trait.iter().zip(&by_method) {
        assert_eq!(by_trait, by_method);
    }
    assert_eq!(by_trait.len(), by_method.len());
}

#[test]
fn the_classic_engine_answers_the_same_as_a_service() {
    same_script(&classic(), &Own(classic()));
}

#[test]
fn the_containerd_engine_answers_the_same_as_a_service() {
    same_script(&containerd(), &Own(containerd()));
}

fn names(service: &Service) -> Vec<String> {
    let none = Filters::default();
    let rows = service.list(&ListRequest { all: true, ..ListRequest::new(&none, now()) }).unwrap();
    let mut names: Vec<_> = rows.into_iter().flat_map(|row| row.repo_tags.unwrap_or_default()).collect();
    names.retain(|name| name != "<none>:<none>");
    names.sort();
    names
}

fn told(service: &Service) -> Vec<(&'static str, String)> {
    let name = |event: &ImageEvent| event.attributes().remove("name").unwrap_or_default();
    service.events().take().iter().map(|event| (event.action(), name(event))).collect()
}

/// What is true of any image service that has [`IMAGES`].
fn holds(service: &Service) {
    assert_eq!(names(service), IMAGES);
    let [one, two, old, used] = IMAGES.map(|name| service.find(name).unwrap());
    assert_eq!(service.find(&one.to_string()), Ok(one));
    assert_eq!(service.find("app:3").unwrap_err().class(), ErrorClass::NotFound);

    let refused = service.delete(&deletion("app:3", false), now());
    assert_eq!((refused.report, refused.error.unwrap().class()), (None, ErrorClass::NotFound));
    let refused = service.delete(&deletion("used:1", false), now());
    assert_eq!((refused.report, refused.error.unwrap().class()), (None, ErrorClass::Conflict));
    assert!(told(service).is_empty());

    let reference = |name: &str| Reference::parse(name, service.semantics()).unwrap();
    service.tag(one, reference("old:1"), now()).unwrap();
    assert_eq!(service.find("old:1"), Ok(one));
    // The image that lost its only name is still there, by its ID.
    assert_eq!(service.find(&old.to_string()), Ok(old));
    assert_eq!(told(service), [("tag", "old:1".to_owned())]);

    let deleted = service.delete(&deletion("app:2", false), now()).into_result().unwrap().unwrap();
    let of_image = |name: &str, id: ImageId| {
        [RecordText::Untagged(name.to_owned()), RecordText::Deleted(id.to_string())]
    };
    assert_eq!(deleted[..2], of_image("app:2", two));
    assert_eq!(names(service), ["app:1", "old:1", "used:1"]);
    let kinds: Vec<_> = told(service).into_iter().map(|(action, _)| action).collect();
    assert_eq!(kinds, ["untag", "delete"]);

    let filters = |text: &str| Filters::parse(text, service.semantics()).unwrap();
    let wrong = service.prune(&filters(r#"{"color":["red"]}"#), now(), &Never);
    assert_eq!(wrong.into_result().unwrap_err().class(), ErrorClass::InvalidParameter);
    let given_up = service.prune(&filters(ALL), now(), &|| true);
    assert_eq!(given_up.error.unwrap().to_string(), "context canceled");
    assert!(told(service).is_empty());

    let dangling = service.prune(&Filters::default(), now(), &Never).into_result().unwrap().unwrap();
    assert!(dangling.images_deleted.unwrap().contains(&RecordText::Deleted(old.to_string())));
    assert!(service.find(&old.to_string()).unwrap_err().is_not_found());
    let before = service.disk_usage().unwrap();
    let report = service.prune(&filters(ALL), now(), &Never).into_result().unwrap().unwrap();
    let records = report.images_deleted.unwrap();
    assert!(records.contains(&RecordText::Deleted(one.to_string())));
    let after = service.disk_usage().unwrap();
    assert_eq!(before - after, i64::try_from(report.space_reclaimed).unwrap());
    assert!(after > 0, "the image that is used");

    let usage = service.usage().unwrap();
    assert_eq!(usage.total_size, after);
    let [row] = &usage.images[..] else { panic!("{:?}", usage.images) };
    assert_eq!((row.id.clone(), row.containers, row.size, row.shared_size), (used.to_string(), 1, after, 0));
    assert_eq!(names(service), ["used:1"]);
}

#[test]
fn one_program_runs_over_both_stores() {
    holds(&classic());
    holds(&containerd());
}

/// What moby makes different stays different.
#[test]
fn stores_differ_where_moby_does() {
    let (classic, containerd) = (classic(), containerd());
    let none = Filters::default();
    let rows = |service: &Service| service.list(&ListRequest::new(&none, now())).unwrap();
    assert!(rows(&classic).iter().all(|row| row.descriptor.is_none() && row.containers == -1));
    assert!(rows(&containerd).iter().all(|row| row.descriptor.is_some() && row.containers == -1));

    // No event tells that a prune of a containerd store has ended (V-5).
    for (service, last) in [(&classic as &Service, "prune"), (&containerd as &Service, "delete")] {
        let filters = Filters::parse(ALL, service.semantics()).unwrap();
        assert!(service.prune(&filters, now(), &Never).into_result().is_ok());
        assert_eq!(told(service).last().unwrap().0, last);
    }

    let filters = Filters::parse(r#"{"reference":["used"]}"#, classic.semantics()).unwrap();
    let request = ListRequest::new(&filters, now());
    assert_eq!(ImageService::list(&classic, &request).unwrap().len(), 1);
    let refused = ImageService::list(&containerd, &request).unwrap_err();
    assert!(refused.is_invalid_parameter() && refused.to_string().contains("takes no filters"), "{refused}");
}

#[test]
fn a_state_comes_back_as_it_was() {
    let classic = classic();
    let State::Classic(world) = classic.state() else { panic!("the classic store") };
    assert_eq!(world.profile, "moby-28.5");
    let stores = graph::store::Stores::load(world.clone(), &Semantics::MOBY_28_5).unwrap();
    let again = graph::Engine::new(stores, Semantics::MOBY_28_5, Recorder::default());
    assert_eq!(again.state(), State::Classic(world));

    let containerd = containerd();
    let State::Containerd(world) = containerd.state() else { panic!("the containerd store") };
    assert_eq!(world.profile, Semantics::MOBY_29_CONTAINERD.name);
    let stores = containerd::store::Stores::load(&world, &Semantics::MOBY_29_CONTAINERD).unwrap();
    let again = containerd::Engine::new(stores, Semantics::MOBY_29_CONTAINERD, Recorder::default());
    assert_eq!(again.state(), State::Containerd(world));
}

/// N-9: a name that has the same target keeps its time; one that another target gets is made anew, and the target that
/// has lost its last name gets a dangling record in its place.
#[test]
fn names_of_a_containerd_store_are_created_or_replaced() {
    let engine = containerd();
    let reference = |name: &str| Reference::parse(name, engine.semantics()).unwrap();
    let records = || -> BTreeMap<String, (Digest, Timestamp)> {
        let State::Containerd(world) = engine.state() else { panic!("the containerd store") };
        let images = world.images.into_iter();
        images.map(|image| (image.name, (image.target.digest, image.created_at))).collect()
    };
    let before = records();
    let [one, old] = ["app:1", "old:1"].map(|name| engine.find(name).unwrap());
    engine.tag(one, reference("app:1"), now()).unwrap();
    assert_eq!(records(), before);

    engine.tag(one, reference("old:1"), now()).unwrap();
    let dangling = format!("moby-dangling@{old}");
    let after = records();
    assert_eq!(after["docker.io/library/old:1"], (one.digest(), now().instant));
    assert_eq!(after[&dangling], (old.digest(), now().instant));
    assert_eq!(after.len(), before.len() + 1);

    // A name takes the dangling record away, and `latest` is what nobody wrote.
    let later = Now { instant: now().instant.saturating_add(1), ..now() };
    engine.tag(old, reference("again"), later).unwrap();
    let after = records();
    assert_eq!(after["docker.io/library/again:latest"], (old.digest(), later.instant));
    assert!(!after.contains_key(&dangling));
    let events: Vec<_> = engine.events().take().iter().map(ImageEvent::attributes).collect();
    let attributes = |of: &str, name: &str| {
        BTreeMap::from([("of".to_owned(), of.to_owned()), ("name".to_owned(), name.to_owned())])
    };
    assert_eq!(
        events,
        [attributes("app:1", "app:1"), attributes("app:1", "old:1"), attributes("old:1", "again:latest")]
    );

    let missing = engine.tag(Digest::of(b"missing").into(), reference("new"), now()).unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
    assert_eq!(records(), after);
}
