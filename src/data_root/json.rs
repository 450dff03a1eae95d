//! The JSON files of a root, by Go's rules for structs, maps, nulls and repeated keys.

use std::collections::BTreeMap;

use crate::document::world::containerd::Platform;
use crate::go::json::{Decoder, JsonError, Result, decode};

/// `Repositories`: by repository, then by familiar text, the image IDs as they stand.
pub(super) type Repositories = BTreeMap<String, BTreeMap<String, String>>;

/// Decodes `repositories.json`.
pub(super) fn repositories(file: &[u8]) -> Result<Repositories> {
    let mut repositories = Repositories::new();
    let is_object = decode(first_value(file), |decoder| {
        decoder.object("reference.store", |decoder, key| {
            if !key.is("Repositories") {
                return Ok(());
            }
            decoder.field("store", "Repositories", |decoder| {
                or_clear(&mut repositories, decoder, |repositories, decoder| {
                    decoder.object("map[string]reference.repository", |decoder, name| {
                        repositories.insert(name.text().into_owned(), repository(decoder)?);
                        Ok(())
                    })
                })
            })
        })
    })?;
    // DIFFERENCE(null-repositories): on null the daemon dies of a nil pointer.
    if is_object { Ok(repositories) } else { Err(JsonError::new("it is null")) }
}

fn repository(decoder: &mut Decoder<'_>) -> Result<BTreeMap<String, String>> {
    let mut repository = BTreeMap::new();
    decoder.object("reference.repository", |decoder, key| {
        let id = decoder.string("digest.Digest")?.unwrap_or_default().into_owned();
        repository.insert(key.text().into_owned(), id);
        Ok(())
    })?;
    Ok(repository)
}

/// What matters of `config.v2.json`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) image: String,
    pub(super) running: bool,
    pub(super) driver: String,
    pub(super) os: String,
    /// The sources of its image-type mounts, as they stand.
    pub(super) image_mounts: Vec<String>,
    /// The image that it was created from, as somebody typed it.
    pub(super) typed_image: String,
    /// The digest of the manifest that it was created from; empty in the classic store.
    pub(super) manifest: String,
    /// The platform of that manifest.
    pub(super) platform: Option<Platform>,
}

#[derive(Debug, Default)]
struct MountPoint {
    kind: String,
    source: String,
}

/// Decodes the `config.v2.json` of the container `id`. Where the file names no ID, that of the
/// folder stays.
pub(super) fn container(file: &[u8], id: &str) -> Result<Container> {
    let mut container = Container { id: id.to_owned(), ..Container::default() };
    let mut mount_points: BTreeMap<String, MountPoint> = BTreeMap::new();
    decode(first_value(file), |decoder| {
        decoder.object("container.Container", |decoder, key| match () {
            () if key.is("ID") => text(&mut container.id, decoder),
            () if key.is("Image") => text(&mut container.image, decoder),
            () if key.is("Driver") => text(&mut container.driver, decoder),
            () if key.is("OS") => text(&mut container.os, decoder),
            // DIFFERENCE(null-container-config): the daemon panics at start; the image is used all the same.
            () if key.is("Config") => or_clear(&mut container.typed_image, decoder, |image, decoder| {
                decoder.object("container.Config", |decoder, key| {
                    if key.is("Image") { text(image, decoder) } else { Ok(()) }
                })
            }),
            () if key.is("ImageManifest") => {
                or_clear(&mut container.manifest, decoder, |digest, decoder| {
                    decoder.object("v1.Descriptor", |decoder, key| {
                        if key.is("digest") { text(digest, decoder) } else { Ok(()) }
                    })
                })
            }
            () if key.is("ImagePlatform") => {
                or_clear(&mut container.platform, decoder, |platform, decoder| {
                    let platform = platform.get_or_insert_default();
                    decoder.object("v1.Platform", |decoder, key| match () {
                        () if key.is("architecture") => text(&mut platform.architecture, decoder),
                        () if key.is("os") => text(&mut platform.os, decoder),
                        () if key.is("variant") => text(&mut platform.variant, decoder),
                        () => Ok(()),
                    })
                })
            }
            () if key.is("State") => or_clear(&mut container.running, decoder, |running, decoder| {
                decoder.object("container.State", |decoder, key| {
                    if key.is("Running") {
                        *running = decoder.boolean("bool")?.unwrap_or(*running);
                    }
                    Ok(())
                })
            }),
            () if key.is("MountPoints") => or_clear(&mut mount_points, decoder, |mount_points, decoder| {
                decoder.object("map[string]*mounts.MountPoint", |decoder, target| {
                    mount_points.insert(target.text().into_owned(), mount_point(decoder)?);
                    Ok(())
                })
            }),
            () => Ok(()),
        })
    })?;
    let images = mount_points.into_values().filter(|mount| mount.kind == "image");
    container.image_mounts = images.map(|mount| mount.source).collect();
    Ok(container)
}

fn mount_point(decoder: &mut Decoder<'_>) -> Result<MountPoint> {
    let mut mount = MountPoint::default();
    decoder.object("mounts.MountPoint", |decoder, key| {
        if key.is("Type") {
            return text(&mut mount.kind, decoder);
        }
        if !key.is("Spec") {
            return Ok(());
        }
        decoder.object("mount.Mount", |decoder, key| {
            if key.is("Source") { text(&mut mount.source, decoder) } else { Ok(()) }
        })?;
        Ok(())
    })?;
    Ok(mount)
}

/// Whether a file is an object or null, and nothing else.
pub(super) fn is_object(file: &[u8]) -> bool {
    decode(file, |decoder| decoder.object("", |_, _| Ok(()))).is_ok()
}

/// Whether a file begins with an object or null.
pub(super) fn begins_with_object(file: &[u8]) -> bool {
    is_object(first_value(file))
}

/// Null leaves a string as it was.
fn text(field: &mut String, decoder: &mut Decoder<'_>) -> Result<()> {
    if let Some(text) = decoder.string("string")? {
        *field = text.into_owned();
    }
    Ok(())
}

/// Null clears a map or a pointer; a repeated object goes on where the earlier one ended.
fn or_clear<'a, T: Default>(
    field: &mut T,
    decoder: &mut Decoder<'a>,
    read: impl FnOnce(&mut T, &mut Decoder<'a>) -> Result<bool>,
) -> Result<()> {
    if !read(field, decoder)? {
        *field = T::default();
    }
    Ok(())
}

/// A daemon reads most of these files with a stream decoder: it takes the first value and does not
/// look at what follows.
fn first_value(file: &[u8]) -> &[u8] {
    let start = file.iter().position(|byte| !b" \t\r\n".contains(byte)).unwrap_or(file.len());
    if file.get(start) != Some(&b'{') {
        return file;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in file.iter().enumerate().skip(start) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return file.get(..=at).unwrap_or(file);
        }
    }
    file
}
