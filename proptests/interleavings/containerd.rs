//! Prunes of containerd's image store beside a pull, a tag, and the creation of a container.
//!
//! Each test runs once more on stores that are broken on purpose, and must then see other outcomes: otherwise it would
//! prove nothing.

use image_prune::containerd::store::{
    Collection, ContainerStore, Containers, ContentStore, ImageStore as _, LeaseStore, Metadata,
    MetadataStore, SnapshotStore, Stores as ContainerdStores, walk::Walk,
};
use image_prune::containerd::{Engine, Image, Record};
use image_prune::world::containerd::{
    Blob, Container, ImageRecord, Labels, Lease, Platform, Snapshot, Target,
};

use super::*;

const SEMANTICS: Semantics = Semantics::MOBY_29_CONTAINERD;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// A prune takes leases that are not moby's (against Q-5).
    TakesEveryLease,
    /// What a walk saw counts as gone without a look (against Q-8.5).
    GoneUnseen,
    /// Containers are not looked at (against C-3).
    SeesNoContainer,
}

#[derive(Debug)]
struct Database {
    inner: Metadata,
    broken: Broken,
}

impl image_prune::containerd::store::ImageStore for Database {
    fn images(&self) -> Result<Vec<Arc<Image>>> {
        self.inner.images()
    }

    fn image(&self, name: &str) -> Result<Option<Arc<Image>>> {
        self.inner.image(name)
    }

    fn create_image(&self, image: Image) -> Result<bool> {
        self.inner.create_image(image)
    }

    fn delete_image(&self, name: &str, collection: Collection) -> Result<bool> {
        self.inner.delete_image(name, collection)
    }
}

impl ContentStore for Database {
    fn contains(&self, digest: Digest) -> Result<bool> {
        self.inner.contains(digest)
    }

    fn read(&self, digest: Digest) -> Result<Option<Vec<u8>>> {
        self.inner.read(digest)
    }

    fn delete_content(&self, digest: Digest) -> Result<bool> {
        self.inner.delete_content(digest)
    }
}

impl SnapshotStore for Database {
    fn snapshot_size(&self, key: &str) -> Result<Option<i64>> {
        self.inner.snapshot_size(key)
    }

    fn chain_size(&self, key: &str) -> Result<Option<i64>> {
        self.inner.chain_size(key)
    }

    fn snapshots(&self) -> Result<Vec<(String, i64)>> {
        self.inner.snapshots()
    }
}

impl LeaseStore for Database {
    fn leases_with_label(&self, key: &str) -> Result<Vec<String>> {
        let key = if self.broken == Broken::TakesEveryLease { "another" } else { key };
        self.inner.leases_with_label(key)
    }

    fn delete_lease(&self, id: &str, collection: Collection) -> Result<bool> {
        self.inner.delete_lease(id, collection)
    }
}

impl MetadataStore for Database {
    fn collect(&self, now: Timestamp) -> Result<()> {
        self.inner.collect(now)
    }

    fn walk(&self, image: &Image, with_snapshots: bool, walk: &mut Walk) -> Result<()> {
        self.inner.walk(image, with_snapshots, walk)
    }

    fn gone(&self, walk: &mut Walk) {
        if self.broken == Broken::GoneUnseen {
            walk.blobs.iter_mut().for_each(|blob| blob.is_gone = true);
        } else {
            self.inner.gone(walk);
        }
    }
}

/// The daemon's containers, as the engine sees them.
#[derive(Debug)]
struct Seen {
    all: Containers,
    broken: Broken,
}

impl ContainerStore for Seen {
    fn containers(&self) -> Vec<Arc<Container>> {
        if self.broken == Broken::SeesNoContainer { Vec::new() } else { self.all.containers() }
    }
}

/// A daemon to which threads do things, and the one image that they do them with: a manifest, a config, a layer and its
/// snapshot.
struct Daemon {
    engine: Engine<Recorder, Database, Seen>,
    layer: Digest,
    config: Blob,
    manifest: Blob,
}

fn blob(raw: String, labels: [(&str, String); 2]) -> Blob {
    let raw = raw.into_bytes();
    let (digest, size) = (Digest::of(&raw), raw.len().try_into().unwrap());
    let labels: Labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Blob { digest, size, raw: Some(raw.into()), labels }
}

/// The one chain ID: that of a lone layer is its diff ID.
fn chain() -> String {
    diff("layer").to_string()
}

impl Daemon {
    fn new(broken: Broken) -> Self {
        let layer = Digest::of(b"layer's bytes");
        let config = format!(r#"{{"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#, chain());
        let snapshot = ("containerd.io/gc.ref.snapshot.overlayfs", chain());
        let config = blob(config, [snapshot.clone(), snapshot]);
        let described = |kind: &str, digest: Digest| {
            format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":1}}"#)
        };
        let manifest = format!(
            r#"{{"config":{},"layers":[{}]}}"#,
            described("config.v1+json", config.digest),
            described("layer.v1.tar+gzip", layer)
        );
        let labels = [
            ("containerd.io/gc.ref.content.config", config.digest.to_string()),
            ("containerd.io/gc.ref.content.l.0", layer.to_string()),
        ];
        let manifest = blob(manifest, labels);
        let metadata = Database { inner: Metadata::new("overlayfs", &SEMANTICS), broken };
        let containers = Seen { all: Containers::new(), broken };
        let stores = ContainerdStores { metadata, containers, host_platform: Platform::default() };
        let engine = Engine::new(stores, SEMANTICS, Recorder::default());
        Self { engine, layer, config, manifest }
    }

    fn metadata(&self) -> &Metadata {
        &self.engine.stores().metadata.inner
    }

    /// Pulls the image under a lease, as a client does: content first, then the record.
    fn pull(&self, lease_label: &str) {
        let content = [self.layer, self.config.digest, self.manifest.digest].map(|digest| digest.to_string());
        self.lease(Lease {
            id: "pull".to_owned(),
            labels: Labels::from([(lease_label.to_owned(), "x".to_owned())]),
            content: content.to_vec(),
            snapshots: vec![chain()],
            ..Lease::default()
        });
        let layer = Blob { digest: self.layer, size: 1, raw: None, labels: Labels::new() };
        self.metadata().add_blob(&layer).unwrap();
        self.metadata().add_blob(&self.config).unwrap();
        self.metadata().add_blob(&self.manifest).unwrap();
        self.snapshot(&chain(), None);
        self.name("a:1");
        self.metadata().delete_lease("pull", Collection::Later).unwrap();
    }

    fn lease(&self, lease: Lease) {
        assert!(self.metadata().add_lease(lease).unwrap());
    }

    fn snapshot(&self, key: &str, parent: Option<String>) {
        let (key, active) = (key.to_owned(), parent.is_some());
        let snapshot = Snapshot { key, parent, size: 1, active, labels: Labels::new() };
        assert!(self.metadata().add_snapshot(&snapshot).unwrap());
    }

    fn name(&self, name: &str) {
        let target = Target {
            media_type: MANIFEST.to_owned(),
            digest: self.manifest.digest,
            size: 1,
            annotations: Labels::new(),
        };
        let (created_at, updated_at) = (Timestamp::ZERO, Timestamp::ZERO);
        let name = format!("docker.io/library/{name}");
        let record = ImageRecord { name, target, labels: Labels::new(), created_at, updated_at };
        self.metadata().create_image(record.into()).unwrap();
    }

    /// `docker tag`: says whether there was something to tag.
    fn tag(&self, from: &str, to: &str) -> bool {
        let found = self.has(from);
        if found {
            self.name(to);
        }
        found
    }

    /// Creates a container from a:1, the snapshot under its own lease; says whether it could.
    fn container(&self) -> bool {
        if !self.has("a:1") {
            return false;
        }
        self.lease(Lease { id: "c".to_owned(), snapshots: vec!["c".to_owned()], ..Lease::default() });
        self.snapshot("c", Some(chain()));
        // containerd refuses a snapshot without its parent; one that has it holds it from here on.
        if self.metadata().snapshot_size(&chain()).unwrap().is_none() {
            self.metadata().delete_lease("c", Collection::Now(Timestamp::ZERO)).unwrap();
            return false;
        }
        self.engine.stores().containers.all.add(Container {
            id: "c".to_owned(),
            image: "a:1".to_owned(),
            image_id: self.manifest.digest,
            running: false,
            mounts: Vec::new(),
            platform: None,
            image_manifest: None,
        });
        true
    }

    /// `U` for a name, `D` for a manifest.
    fn prune(&self) -> String {
        let report = self.engine.prune(&Filters::parse(ALL, &SEMANTICS).unwrap(), now(), &Never).unwrap();
        let kind = |record: &Record| if matches!(record, Record::Untagged(_)) { 'U' } else { 'D' };
        report.images_deleted.iter().map(kind).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.metadata().image(&format!("docker.io/library/{name}")).unwrap().is_some()
    }

    /// The content that is there: `l`ayer, `c`onfig and `m`anifest.
    fn content(&self) -> String {
        let all = [('l', self.layer), ('c', self.config.digest), ('m', self.manifest.digest)];
        all.iter()
            .filter(|(_, digest)| self.metadata().contains(*digest).unwrap())
            .map(|(letter, _)| letter)
            .collect()
    }

    /// Everything agrees, once nobody works any more.
    fn finish(self) {
        self.metadata().validate().unwrap();
        self.prune();
        self.metadata().validate().unwrap();
    }
}

/// The outcomes of a pull beside a prune, under a lease with this label: whether the name is there, the content, and the
/// records of the prune.
fn pull_beside_prune(broken: Broken, label: &'static str) -> BTreeSet<(bool, String, String)> {
    outcomes(400, move || {
        let daemon = Daemon::new(broken);
        let (records, ()) = both(|| daemon.prune(), || daemon.pull(label));
        let outcome = (daemon.has("a:1"), daemon.content(), records);
        daemon.finish();
        outcome
    })
}

fn told<const N: usize>(outcomes: [(bool, &str, &str); N]) -> BTreeSet<(bool, String, String)> {
    let owned = |(name, content, records): (bool, &str, &str)| (name, content.to_owned(), records.to_owned());
    outcomes.into_iter().map(owned).collect()
}

/// Q-5: a lease that is not moby's protects all that a pull brings. The name goes only where it was there to be seen.
#[test]
fn prune_meets_a_pull_under_a_lease_of_others() {
    let expected = told([
        (true, "lcm", ""),
        (false, "", "UD"),
        // The lease, which has not ended yet, holds what the name has let go.
        (false, "lcm", "U"),
    ]);
    assert_eq!(pull_beside_prune(Broken::Nothing, "another"), expected);
    let broken = pull_beside_prune(Broken::TakesEveryLease, "another");
    assert!(broken.contains(&(true, "cm".to_owned(), String::new())), "{broken:?}");
}

/// Q-5: moby's own lease goes with every prune, and what it alone held. The pull ends all the same, with a name whose
/// content is there in part.
#[test]
fn prune_takes_the_lease_of_a_pull() {
    let seen = pull_beside_prune(Broken::Nothing, "moby/prune.images");
    let expected = told([
        (true, "lcm", ""),
        (true, "cm", ""),
        (true, "m", ""),
        (true, "", ""),
        (false, "", "UD"),
        (false, "", "U"),
        (false, "lcm", "U"),
    ]);
    assert_eq!(seen, expected);
}

/// Whether the new name is there, the content, and the records.
fn tag_beside_prune(broken: Broken) -> BTreeSet<(bool, String, String)> {
    outcomes(400, move || {
        let daemon = Daemon::new(broken);
        daemon.pull("another");
        let (records, is_tagged) = both(|| daemon.prune(), || daemon.tag("a:1", "b:1"));
        assert!(!daemon.has("a:1"));
        assert!(is_tagged || !daemon.has("b:1"));
        let outcome = (daemon.has("b:1"), daemon.content(), records);
        daemon.finish();
        outcome
    })
}

/// Q-9: `Deleted` is said where the content is gone, and only there. As in moby, a tag that comes too late names what is
/// gone.
#[test]
fn prune_meets_a_tag() {
    let seen = tag_beside_prune(Broken::Nothing);
    let expected = told([(true, "lcm", "U"), (true, "", "UD"), (false, "", "UUD"), (false, "", "UD")]);
    assert_eq!(seen, expected);
    let broken = tag_beside_prune(Broken::GoneUnseen);
    assert!(broken.contains(&(true, "lcm".to_owned(), "UD".to_owned())), "{broken:?}");
}

/// Whether there is a container, whether the name is there, the content, and the records.
fn container_beside_prune(broken: Broken) -> BTreeSet<(bool, bool, String, String)> {
    outcomes(400, move || {
        let daemon = Daemon::new(broken);
        daemon.pull("another");
        let (records, is_created) = both(|| daemon.prune(), || daemon.container());
        let has_snapshot = daemon.metadata().snapshot_size(&chain()).unwrap().is_some();
        assert!(has_snapshot || !is_created, "S-2: a container keeps its snapshots");
        let outcome = (is_created, daemon.has("a:1"), daemon.content(), records);
        daemon.finish();
        outcome
    })
}

/// C-3: a container that is there before the last look protects its name; one that comes later keeps its snapshots, and
/// the content goes (S-2).
#[test]
fn prune_meets_the_creation_of_a_container() {
    let seen = container_beside_prune(Broken::Nothing);
    let expected = [(true, true, "lcm", ""), (true, false, "", "UD"), (false, false, "", "UD")];
    let expected = expected
        .map(|(created, name, content, records)| (created, name, content.to_owned(), records.to_owned()));
    assert_eq!(seen, BTreeSet::from(expected));
    let broken = container_beside_prune(Broken::SeesNoContainer);
    assert!(!broken.contains(&(true, true, "lcm".to_owned(), String::new())), "{broken:?}");
}
