//! What daemons answer, as far as anybody here asks. Fields that are missing or `null` are empty: versions of the
//! API differ in what they write.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// `null` is what an empty value is.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Makes the shape of an answer: fields are named as in the API, in Pascal case.
macro_rules! answer {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        pub struct $name {
            $($(#[$field_meta])* #[serde(deserialize_with = "null_is_empty")] pub $field: $type,)*
        }
    };
}

answer! {
    /// One line of `GET /images/json`.
    ImageSummary {
        /// The image.
        id: String,
        /// Its parent, empty without one.
        parent_id: String,
        /// Its tags; `<none>:<none>` for some images without.
        repo_tags: Vec<String>,
        /// Its digest references; `<none>@<none>` for some images without.
        repo_digests: Vec<String>,
        /// Unix seconds.
        created: i64,
        /// Bytes of all its layers.
        size: i64,
        /// Bytes of layers that others use, too; −1 where nobody counted.
        shared_size: i64,
        /// The number of containers; −1 where nobody counted.
        containers: i64,
        /// The labels.
        labels: BTreeMap<String, String>,
    }
}

answer! {
    /// `GET /images/{name}/json`.
    ImageDetails {
        /// The image.
        id: String,
        /// Its tags.
        repo_tags: Vec<String>,
        /// Its digest references.
        repo_digests: Vec<String>,
        /// Its parent, empty without one.
        parent: String,
        /// When it was created, RFC 3339; empty where unknown.
        created: String,
        /// The operating system.
        os: String,
        /// The architecture.
        architecture: String,
        /// What a container of it runs; none where the image does not say.
        config: Option<ImageConfig>,
        /// Bytes of all its layers.
        size: i64,
        /// Its layers.
        #[serde(rename = "RootFS")]
        root_fs: RootFs,
    }
}

answer! {
    /// What a container of an image runs.
    ImageConfig {
        /// The labels; none where there is no map.
        labels: Option<BTreeMap<String, String>>,
    }
}

answer! {
    /// The layers of an image.
    RootFs {
        /// Diff IDs, base first.
        layers: Vec<String>,
    }
}

answer! {
    /// One line of `GET /images/{name}/history`, newest first.
    HistoryItem {
        /// The image of that step, or `<missing>`.
        id: String,
        /// Unix seconds.
        created: i64,
        /// The command.
        created_by: String,
        /// Bytes of the layer; 0 also for a step without one.
        size: i64,
    }
}

answer! {
    /// One line of `GET /containers/json`.
    ContainerSummary {
        /// The container.
        id: String,
        /// Its names, each with a slash in front.
        names: Vec<String>,
        /// What its image was called when it was made.
        image: String,
        /// Its image.
        #[serde(rename = "ImageID")]
        image_id: String,
        /// What it runs.
        command: String,
        /// Unix seconds.
        created: i64,
        /// `running`, `exited`, `created`, `paused`, `restarting`, `removing`, `dead`.
        state: String,
        /// The same, for people.
        status: String,
        /// The labels.
        labels: BTreeMap<String, String>,
        /// Bytes of its writable layer, where they were asked for.
        size_rw: i64,
        /// Bytes of its image and its writable layer, where they were asked for.
        size_root_fs: i64,
        /// What is mounted in it.
        mounts: Vec<Mount>,
    }
}

answer! {
    /// Something that is mounted in a container.
    Mount {
        /// `volume`, `bind`, `tmpfs`, `image`.
        #[serde(rename = "Type")]
        kind: String,
        /// The volume.
        name: String,
        /// Where it comes from.
        source: String,
    }
}

answer! {
    /// `GET /containers/{id}/json`.
    ContainerDetails {
        /// The container.
        id: String,
        /// Its name, with a slash in front.
        name: String,
        /// When it was made, RFC 3339.
        created: String,
        /// Its image.
        image: String,
        /// Where the daemon writes its log; empty where it writes none.
        log_path: String,
        /// What it does.
        state: ContainerState,
        /// How it was made.
        config: ContainerConfig,
        /// What is mounted in it.
        mounts: Vec<Mount>,
    }
}

answer! {
    /// What a container does.
    ContainerState {
        /// `running`, `exited` and so on.
        status: String,
        /// True while it runs, is paused or restarts.
        running: bool,
        /// When it ended, RFC 3339.
        finished_at: String,
        /// Its health; none where nobody looks after it.
        health: Option<Health>,
    }
}

answer! {
    /// The health of a container.
    Health {
        /// `starting`, `healthy`, `unhealthy`.
        status: String,
    }
}

answer! {
    /// How a container was made.
    ContainerConfig {
        /// What its image was called.
        image: String,
        /// The labels.
        labels: BTreeMap<String, String>,
    }
}

answer! {
    /// `GET /system/df`.
    DiskUsage {
        /// Bytes of all layers that are in use.
        layers_size: i64,
        /// The images.
        images: Vec<ImageSummary>,
        /// The containers.
        containers: Vec<ContainerSummary>,
        /// The volumes.
        volumes: Vec<Volume>,
        /// The build cache.
        build_cache: Vec<BuildCacheRecord>,
        /// Bytes of the build cache, where the daemon says.
        builder_size: i64,
    }
}

answer! {
    /// One volume.
    Volume {
        /// Its name.
        name: String,
        /// Where it lies.
        mountpoint: String,
        /// The labels.
        labels: BTreeMap<String, String>,
        /// What it takes; none where nobody counted.
        usage_data: Option<UsageData>,
    }
}

answer! {
    /// What a volume takes.
    UsageData {
        /// Bytes; −1 where unknown.
        size: i64,
        /// The number of containers that use it; −1 where unknown.
        ref_count: i64,
    }
}

answer! {
    /// One record of the build cache.
    BuildCacheRecord {
        /// The record.
        #[serde(rename = "ID")]
        id: String,
        /// `regular`, `source.local` and so on.
        #[serde(rename = "Type")]
        kind: String,
        /// What it is.
        description: String,
        /// Whether a build uses it.
        in_use: bool,
        /// Whether images share it.
        shared: bool,
        /// Bytes.
        size: i64,
        /// When it was made, RFC 3339.
        created_at: String,
        /// When it was used last, RFC 3339; empty for never.
        last_used_at: String,
        /// How often it was used.
        usage_count: i64,
    }
}

answer! {
    /// The answer to `POST /images/prune`.
    ImagesReport {
        /// What went, in order.
        images_deleted: Vec<DeletedItem>,
        /// Bytes given back.
        space_reclaimed: u64,
    }
}

answer! {
    /// One thing that went.
    DeletedItem {
        /// A reference.
        untagged: Option<String>,
        /// An image or a layer.
        deleted: Option<String>,
    }
}

answer! {
    /// The answer to `POST /containers/prune`.
    ContainersReport {
        /// The containers that went.
        containers_deleted: Vec<String>,
        /// Bytes given back.
        space_reclaimed: u64,
    }
}

answer! {
    /// The answer to `POST /containers/create`.
    Created {
        /// The container.
        id: String,
    }
}

answer! {
    /// `GET /info`.
    Info {
        /// The daemon.
        #[serde(rename = "ID")]
        id: String,
        /// The storage driver.
        driver: String,
        /// What the driver says of itself, in pairs.
        driver_status: Vec<Vec<String>>,
        /// Where it keeps its state.
        docker_root_dir: String,
        /// Its version.
        server_version: String,
        /// The number of images.
        images: i64,
        /// The number of containers.
        containers: i64,
        /// Its clock, RFC 3339, with the offset of its zone.
        system_time: String,
    }
}

answer! {
    /// `GET /version`.
    Version {
        /// Its version.
        version: String,
        /// The newest API it speaks.
        api_version: String,
        /// The oldest API it speaks.
        #[serde(rename = "MinAPIVersion")]
        min_api_version: String,
    }
}
