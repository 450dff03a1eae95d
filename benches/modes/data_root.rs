//! `--data-root DIR|generated`: how long the reading of a data root takes.

use crate::support::figures::Settings;

#[cfg(not(feature = "data-root"))]
pub fn run(_: &Settings) {
    eprintln!("--data-root needs `--features data-root`");
}

#[cfg(feature = "data-root")]
pub use with_feature::run;

#[cfg(feature = "data-root")]
mod with_feature {
    use std::fs;
    use std::path::Path;

    use image_prune::data_root::{Options, read};
    use image_prune::graph::store::Stores;
    use image_prune::{Digest, World};
    use serde_json::{Map, Value, json};

    use super::Settings;
    use crate::support::figures::{Table, median, timed, us_each};
    use crate::support::store::{SEMANTICS, Shape, stores};

    pub fn run(settings: &Settings) {
        let mut table = settings.table();
        let folder = settings.value("--data-root").filter(|folder| !folder.starts_with("--"));
        if let Some(folder) = folder.filter(|folder| *folder != "generated") {
            return measure(Path::new(folder), settings.runs, &mut table);
        }
        for images in settings.images(&[2_000, 50_000]) {
            let root = tempfile::tempdir().unwrap();
            // With these, an image is six files.
            let shape = Shape { own_layers: 1, ..Shape::plain(images) };
            let world = stores(shape).to_world();
            write(&world, root.path());
            let reading = read(root.path(), &SEMANTICS, Options::default()).unwrap();
            assert_eq!((reading.world.images, reading.world.layers), (world.images, world.layers));
            assert_eq!((reading.world.references, reading.warnings), (world.references, vec![]));
            measure(root.path(), settings.runs, &mut table);
        }
    }

    fn measure(root: &Path, runs: usize, table: &mut Table) {
        let mut images = 0;
        let mut reads = Vec::new();
        let mut loads = Vec::new();
        for _ in 0..runs {
            let (time, reading) = timed(|| read(root, &SEMANTICS, Options::default()).unwrap());
            images = reading.world.images.len();
            reads.push(time);
            loads.push(timed(|| Stores::load(reading.world, &SEMANTICS).unwrap()).0);
        }
        let (read, load) = (median(reads), median(loads));
        table.row([
            ("images", json!(images)),
            ("files", json!(files(root))),
            ("read_s", json!(read.as_secs_f64())),
            ("load_s", json!(load.as_secs_f64())),
            ("read_us_per_image", json!(us_each(read, images))),
        ]);
    }

    fn files(folder: &Path) -> usize {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| if entry.file_type().unwrap().is_dir() { files(&entry.path()) } else { 1 }).sum()
    }

    /// Writes a root as a daemon with the storage driver vfs does, as far as images go.
    fn write(world: &World, root: &Path) {
        let store = root.join("image/vfs");
        let put = |folder: &Path, files: &[(&str, &str)]| {
            fs::create_dir_all(folder).unwrap();
            for (name, content) in files {
                fs::write(folder.join(name), content).unwrap();
            }
        };
        for layer in &world.layers {
            let folder = store.join("layerdb/sha256").join(layer.chain_id.digest().hex());
            let cache_id = Digest::of(layer.chain_id.to_string().as_bytes()).hex();
            let (diff, size) = (layer.diff_id.to_string(), layer.size.to_string());
            put(
                &folder,
                &[("diff", &diff), ("size", &size), ("cache-id", &cache_id), ("tar-split.json.gz", "")],
            );
            if let Some(parent) = layer.parent {
                put(&folder, &[("parent", &parent.to_string())]);
            }
        }
        let contents = store.join("imagedb/content/sha256");
        fs::create_dir_all(&contents).unwrap();
        for image in &world.images {
            fs::write(contents.join(image.id.hex()), &image.config).unwrap();
        }
        put(&store, &[("repositories.json", &json!({"Repositories": repositories(world)}).to_string())]);
        for container in &world.containers {
            let id = container.id.to_string();
            let config = json!({
                "ID": id,
                "Image": container.image,
                "State": {"Running": container.running},
                "Driver": "vfs",
                "OS": "linux",
            });
            put(&root.join("containers").join(&id), &[("config.v2.json", &config.to_string())]);
            put(
                &store.join("layerdb/mounts").join(&id),
                &[("mount-id", &id), ("init-id", &format!("{id}-init"))],
            );
        }
    }

    fn repositories(world: &World) -> Map<String, Value> {
        let mut repositories = Map::new();
        for reference in &world.references {
            let (name, _tag) = reference.name.rsplit_once(':').unwrap();
            repositories.entry(name).or_insert_with(|| json!({}))[&reference.name] = json!(reference.id);
        }
        repositories
    }
}
