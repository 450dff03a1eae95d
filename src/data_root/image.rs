//! `imagedb`: configs and parent links (moby `image/fs.go`, `image/store.go`; I-2b, I-6).

use std::collections::HashMap;
use std::path::Path;

use super::open::{Entry, Folder, OpenError};
use super::warning::{FileWarning, Outcome, WarningKind};
use super::{CONFIG_FILE, SMALL_FILE};
use crate::base::digest::{ChainId, Digest, ImageId};
use crate::base::error::Result;
use crate::document::image::Image;
use crate::document::world;
use crate::semantics::Semantics;

const LEFT_OUT: &str = "the daemon leaves this image out";

/// An image that reads, whose layers are yet to be found.
#[derive(Debug)]
pub(super) struct Read {
    image: world::Image,
    /// Its top layer: none without layers; the text where it is no chain ID.
    chain: Result<Option<ChainId>, String>,
    /// The foreign operating system.
    foreign_os: Option<String>,
}

/// The image that a file of `imagedb/content/sha256` is named after. Files that a daemon has not
/// finished writing (`.tmp-…`) are nobody's.
pub(super) fn id_of(entry: &Entry, folder: &Path) -> Option<Outcome<ImageId>> {
    if entry.name.starts_with(".tmp-") {
        return None;
    }
    Some(match Digest::from_hex(&entry.name) {
        Some(digest) => ImageId::from(digest).into(),
        None => Outcome::left_out(FileWarning::new(
            WarningKind::OddName,
            folder.join(&entry.name),
            "the name is not 64 lower-case hexadecimal digits; the daemon passes it over",
        )),
    })
}

/// Reads one image (I-6) from the two folders of `imagedb`, of which the second may be absent.
pub(super) fn read(
    content: &Folder,
    metadata: Option<&Folder>,
    id: ImageId,
    semantics: &Semantics,
    buffer: &mut Vec<u8>,
) -> Result<Outcome<Read>> {
    let hex = id.hex();
    let path = || content.path_of(&hex);
    if let Err(failure) = content.read(&hex, CONFIG_FILE, buffer) {
        return failure.warning(WarningKind::BadImage, path(), LEFT_OUT).map(Outcome::left_out);
    }
    if ImageId::of(buffer) != id {
        let message = format!("the content is not that of the digest in its name; {LEFT_OUT}");
        return Ok(Outcome::left_out(FileWarning::new(WarningKind::DigestMismatch, path(), message)));
    }
    let image = match Image::parse(buffer.as_slice(), semantics) {
        Ok(image) => image,
        Err(error) => {
            let message = format!("{error}; {LEFT_OUT}");
            return Ok(Outcome::left_out(FileWarning::new(WarningKind::BadImage, path(), message)));
        }
    };
    let Outcome { value: parent, warnings } = read_parent(metadata, &hex, buffer)?;
    let read = Read {
        chain: image.chain(),
        foreign_os: (!image.is_os_supported()).then(|| image.os().to_owned()),
        image: world::Image { id, config: image.config().into(), parent },
    };
    Ok(Outcome { value: Some(read), warnings })
}

/// The parent link: the whole content of the file, white space included (`GetParent`).
fn read_parent(metadata: Option<&Folder>, hex: &str, buffer: &mut Vec<u8>) -> Result<Outcome<ImageId>> {
    let none = Outcome { value: None, warnings: Vec::new() };
    let Some(metadata) = metadata else { return Ok(none) };
    let relative = format!("{hex}/parent");
    let consequence = "the daemon takes this image for one without a parent";
    let path = metadata.path_of(&relative);
    match metadata.read(&relative, SMALL_FILE, buffer) {
        Ok(_) => match std::str::from_utf8(buffer).ok().and_then(|text| text.parse::<ImageId>().ok()) {
            Some(parent) => Ok(parent.into()),
            // DIFFERENCE(odd-parent-link): the daemon keeps the text, which no image can have as its ID.
            None => Ok(Outcome::left_out(FileWarning::new(
                WarningKind::BadParentLink,
                path,
                format!("its content is not an image ID and nothing else; {consequence}"),
            ))),
        },
        Err(OpenError::Missing) => Ok(none),
        Err(failure) => failure.warning(WarningKind::BadParentLink, path, consequence).map(Outcome::left_out),
    }
}

/// The images that the daemon restores (I-2b): those without layers, and those of our
/// operating system whose top layer has loaded.
pub(super) fn restore(
    read: Vec<Read>,
    layers: &HashMap<ChainId, world::Layer>,
    content: &Path,
    warnings: &mut Vec<FileWarning>,
) -> Vec<world::Image> {
    let mut images = Vec::with_capacity(read.len());
    for Read { image, chain, foreign_os } in read {
        let missing = match &chain {
            Ok(None) => None,
            Ok(Some(chain)) if layers.contains_key(chain) => None,
            Ok(Some(chain)) => Some(format!("its top layer {chain} is not in the layer store")),
            Err(_) => Some("its `diff_ids` are no digests, which no layer store holds".to_owned()),
        };
        let wrong = match (&chain, foreign_os, missing) {
            (Ok(None), _, _) | (_, None, None) => None,
            (_, Some(os), _) => Some((
                WarningKind::ForeignOs,
                format!("it has layers and is for another operating system (`{}`)", os.escape_debug()),
            )),
            (_, None, Some(missing)) => Some((WarningKind::MissingLayer, missing)),
        };
        match wrong {
            None => images.push(image),
            Some((kind, reason)) => {
                let path = content.join(image.id.hex());
                warnings.push(FileWarning::new(kind, path, format!("{reason}; {LEFT_OUT}")));
            }
        }
    }
    images
}
