//! What a plan says about stores in which something surprises.

use image_prune::containerd::plan::{Plan, plan};
use image_prune::containerd::removal::remove;
use image_prune::containerd::store::Stores;
use image_prune::containerd::{Options, Order};
use image_prune::world::ContainerdWorld;
use image_prune::world::containerd::{Blob, Container, ImageRecord, Labels, Lease, Target};
use image_prune::{Digest, Now, Semantics, Timestamp};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const ALL: &str = r#"{"dangling":["false"]}"#;

#[derive(Default)]
struct Store(ContainerdWorld);

impl Store {
    fn blob(&mut self, raw: &str, children: &[Digest]) -> Digest {
        let (digest, size) = (Digest::of(raw.as_bytes()), i64::try_from(raw.len()).unwrap());
        let key = |at: usize| format!("containerd.io/gc.ref.content.{at}");
        let labels: Labels =
            children.iter().enumerate().map(|(at, child)| (key(at), child.to_string())).collect();
        if self.0.blobs.iter().all(|blob| blob.digest != digest) {
            self.0.blobs.push(Blob { digest, size, raw: Some(raw.as_bytes().into()), labels });
        }
        digest
    }

    /// A manifest with a config of its own, and these layers.
    fn manifest(&mut self, author: &str, layers: &[&str]) -> Digest {
        let config = self.blob(&format!(r#"{{"author":"{author}","rootfs":{{}}}}"#), &[]);
        let mut children = vec![config];
        children.extend(layers.iter().map(|layer| self.blob(layer, &[])));
        let layers: Vec<_> = children[1..]
            .iter()
            .map(|layer| format!(r#"{{"mediaType":"{LAYER}","digest":"{layer}","size":10}}"#))
            .collect();
        let config = format!(r#"{{"mediaType":"{CONFIG}","digest":"{config}","size":5}}"#);
        let raw = format!(r#"{{"config":{config},"layers":[{}]}}"#, layers.join(","));
        self.blob(&raw, &children)
    }

    fn name(&mut self, name: &str, media_type: &str, digest: Digest) -> &mut ImageRecord {
        let target = Target { media_type: media_type.into(), digest, size: 1, annotations: [].into() };
        let (created_at, labels) = (Timestamp::new(1_700_000_000, 0), Labels::new());
        let name = name.to_owned();
        self.0.images.push(ImageRecord { name, target, labels, created_at, updated_at: created_at });
        self.0.images.last_mut().unwrap()
    }

    fn container(&mut self, id: &str, image: &str, image_id: Digest) {
        let (id, image) = (id.to_owned(), image.to_owned());
        let (running, mounts, platform, image_manifest) = (true, Vec::new(), None, None);
        self.0.containers.push(Container { id, image, image_id, running, mounts, platform, image_manifest });
    }

    fn plan(&self, filters: &str) -> Plan {
        let semantics = Semantics::MOBY_29_CONTAINERD;
        let stores = Stores::load(&self.0, &semantics).unwrap();
        let now = Now { instant: Timestamp::new(1_710_000_000, 0), utc_offset_seconds: 0 };
        plan(&stores, filters, &semantics, now, &Order::ByName).unwrap()
    }
}

/// Kinds of warnings, each once.
fn kinds(plan: &Plan) -> String {
    let mut kinds: Vec<_> = plan.warnings.iter().map(|warning| warning.kind.as_str()).collect();
    kinds.dedup();
    kinds.join(" ")
}

fn reasons(plan: &Plan) -> String {
    let line = |name: &image_prune::containerd::plan::NamePlan| {
        format!("{} {:?} {} {}", name.shown, name.verdict, name.reason.kind(), name.reason.rule())
    };
    plan.names.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_last_name_stays_with_a_container_by_id() {
    let mut store = Store::default();
    let image = store.manifest("x", &["layer"]);
    for name in ["docker.io/library/a:1", "docker.io/library/a:2", "docker.io/library/b:1"] {
        store.name(name, MANIFEST, image);
    }
    store.container("c", &image.hex()[..12], image);
    let planned = store.plan(ALL);
    let expected = "a:1 Untag other_name Q-9\na:2 Untag other_name Q-9\nb:1 Keep last_name Q-7";
    assert_eq!((reasons(&planned).as_str(), kinds(&planned).as_str()), (expected, ""));
    assert_eq!((planned.freed.total(), planned.report.space_reclaimed), (0, 0));
}

#[test]
fn a_name_that_moved_on_protects_nothing_of_the_container_s() {
    let mut store = Store::default();
    let (old, new) = (store.manifest("old", &["layer"]), store.manifest("new", &["layer"]));
    store.name("docker.io/library/a:1", MANIFEST, new);
    store.name("docker.io/library/b:1", MANIFEST, old);
    store.container("c", "a:1", old);
    let planned = store.plan(ALL);
    assert_eq!(reasons(&planned), "a:1 Keep container_name C-3\nb:1 Delete unused Q-8");
    assert_eq!(kinds(&planned), "used-image-loses-content name-protects-nothing");
}

#[test]
fn what_does_not_decode_stays_and_hides_the_rest() {
    let mut store = Store::default();
    let broken = store.blob("{", &[]);
    let whole = store.manifest("x", &["layer"]);
    store.name("docker.io/library/a:1", MANIFEST, broken);
    store.name("docker.io/library/b:1", MANIFEST, whole);
    let planned = store.plan(ALL);
    assert_eq!(reasons(&planned), "a:1 Keep undecodable Q-8.2\nb:1 Delete unused Q-8");
    assert_eq!(kinds(&planned), "never-pruned error-hides-report");
    assert!(planned.error.is_some());
}

#[test]
fn leases_of_pulls_go_whatever_the_filters() {
    let mut store = Store::default();
    let pulled = store.blob("layer of a pull", &[]);
    let labels = Labels::from([("moby/prune.images".to_owned(), "x".to_owned())]);
    let content = vec![pulled.to_string()];
    store.0.leases.push(Lease { id: "pull".into(), labels, content, ..Lease::default() });
    let planned = store.plan(r#"{"label":["none"]}"#);
    assert_eq!(
        (kinds(&planned).as_str(), &*planned.leases),
        ("lease-of-running-pull", &["pull".to_owned()][..])
    );
    // What goes with a lease is on nobody's record.
    assert_eq!((planned.freed.content, planned.report.space_reclaimed), (15, 0));
}

#[test]
fn until_is_of_names() {
    let mut store = Store::default();
    let (old, new) = (store.manifest("old", &["a"]), store.manifest("new", &["b"]));
    store.name("docker.io/library/a:latest", MANIFEST, new).updated_at = Timestamp::new(1_709_999_000, 0);
    let replaced = store.name(&format!("moby-dangling@{old}"), MANIFEST, old);
    replaced.created_at = Timestamp::new(1_709_999_000, 0);
    let planned = store.plan(r#"{"dangling":["false"],"until":["24h"],"label!":["x","y"]}"#);
    let kept = format!("a:latest Delete unused Q-8\n{old} Keep newer_than_until Q-2");
    assert_eq!(reasons(&planned), kept);
    assert_eq!(kinds(&planned), "until-is-of-names negated-labels-are-neither fresh-name-goes");
}

#[test]
fn a_layer_of_two_platforms_counts_twice() {
    let mut store = Store::default();
    let manifests = [store.manifest("amd64", &["shared"]), store.manifest("arm64", &["shared"])];
    let entries =
        manifests.map(|digest| format!(r#"{{"mediaType":"{MANIFEST}","digest":"{digest}","size":1}}"#));
    let index = store.blob(&format!(r#"{{"manifests":[{}]}}"#, entries.join(",")), &manifests);
    store.name("docker.io/library/a:1", INDEX, index);
    let planned = store.plan(ALL);
    assert_eq!(kinds(&planned), "shared-bytes-count-twice");
    // The index and two manifests of 1 byte each, two configs of 5, and twice a layer of 10, as they are said to be.
    assert_eq!(planned.report.space_reclaimed, 33);
    assert_eq!(planned.names[0].freed.content, 23);
}

/// An image that an index still names loses its name alone; a container's lease keeps snapshots.
#[test]
fn content_stays_for_whoever_else_refers_to_it() {
    let mut store = Store::default();
    let manifest = store.manifest("x", &["layer"]);
    let entry = format!(r#"{{"mediaType":"{MANIFEST}","digest":"{manifest}","size":1}}"#);
    let index = store.blob(&format!(r#"{{"manifests":[{entry}]}}"#), &[manifest]);
    store.name("docker.io/library/a:1", MANIFEST, manifest);
    store.name("docker.io/library/b:1", INDEX, index);
    let held = store.manifest("y", &["other"]);
    store.name("docker.io/library/c:1", MANIFEST, held);
    store.0.leases.push(Lease { id: "l".into(), content: vec![held.to_string()], ..Lease::default() });
    store.container("c", "b:1", index);
    let expected = "a:1 Untag referenced B-6\nb:1 Keep container_name C-3\nc:1 Untag lease B-6";
    assert_eq!(reasons(&store.plan(ALL)), expected);
}

#[test]
fn what_rmi_does_is_told_before_it_happens() {
    let semantics = Semantics::MOBY_29_CONTAINERD;
    let now = Now { instant: Timestamp::new(1_710_000_000, 0), utc_offset_seconds: 0 };
    let remove = |store: &Store, text: &str, force| {
        let stores = Stores::load(&store.0, &semantics).unwrap();
        let options = Options { force, ..Options::default() };
        let removal = remove(&stores, &[text.to_owned()], &options, &semantics, now).unwrap();
        let warnings: Vec<_> = removal.warnings.iter().map(ToString::to_string).collect();
        (warnings.join("\n"), removal)
    };
    let mut store = Store::default();
    let image = store.manifest("x", &["layer"]);
    let by_digest = format!("docker.io/library/a@{image}");
    store.name("docker.io/library/a:1", MANIFEST, image);
    store.name(&by_digest, MANIFEST, image);
    let (warnings, removal) = remove(&store, &format!("a@{image}"), false);
    let along = "takes `docker.io/library/a:1` along, which names the same image";
    assert_eq!(warnings, format!("deleting `a@{image}` {along}"));
    assert!(removal.freed.content > 0 && removal.stays.is_empty());

    store.0.images.truncate(1);
    store.container("c", "a:1", image);
    let (_, refused) = remove(&store, "a:1", false);
    assert!(refused.stays[0].1.contains("container c is using its referenced image"), "{refused:?}");
    let (warnings, forced) = remove(&store, "a:1", true);
    assert!(warnings.starts_with(&format!("deleting `a:1` leaves `moby-dangling@{image}`")), "{warnings}");
    assert_eq!(forced.freed.total(), 0);
}
