//! A state file, whichever image store it describes.

use serde::de::Error as _;
use serde::{Deserialize, Serialize, Serializer};

use super::{ContainerdWorld, World};

/// The format of a state file of the containerd image store.
pub const CONTAINERD_FORMAT: u32 = 2;

/// What such a file says its store is.
const CONTAINERD: &str = "containerd";

/// A state file. Its `format` and `store` say which image store it describes: format 1 is the classic store's, format
/// 2 names it.
///
/// ```
/// use image_prune::world::State;
///
/// let state = State::from_json(br#"{"format":2,"store":"containerd"}"#).unwrap();
/// assert!(matches!(state, State::Containerd(_)));
/// assert!(matches!(State::from_json(br#"{"format":1}"#), Ok(State::Classic(_))));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The classic image store's.
    Classic(World),
    /// The containerd image store's.
    Containerd(ContainerdWorld),
}

#[derive(Deserialize)]
struct Head {
    format: u64,
    #[serde(default)]
    store: Option<String>,
}

impl State {
    /// Reads a state file of any format up to [`CONTAINERD_FORMAT`].
    ///
    /// # Errors
    ///
    /// What is no JSON, of another format or store, or of another shape.
    pub fn from_json(bytes: &[u8]) -> serde_json::Result<Self> {
        // Nearly all files of millions of images are classic: they are read once.
        let error = match serde_json::from_slice(bytes) {
            Ok(world) => return Ok(Self::Classic(world)),
            Err(error) => error,
        };
        match serde_json::from_slice(bytes) {
            Ok(Head { format, store }) if format == u64::from(CONTAINERD_FORMAT) => match store.as_deref() {
                Some(CONTAINERD) => serde_json::from_slice(bytes).map(Self::Containerd),
                Some(other) => Err(serde_json::Error::custom(format_args!(
                    "`store` is `{other}`; this version knows `{CONTAINERD}`"
                ))),
                None => Err(serde_json::Error::custom("format 2 needs `store`, such as `containerd`")),
            },
            Err(head) if head.is_eof() && !error.is_eof() => Err(head),
            _ => Err(error),
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Containerd<'a> {
            format: u32,
            store: &'static str,
            #[serde(flatten)]
            world: &'a ContainerdWorld,
        }
        match self {
            Self::Classic(world) => world.serialize(serializer),
            Self::Containerd(world) => {
                Containerd { format: CONTAINERD_FORMAT, store: CONTAINERD, world }.serialize(serializer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn both_stores_come_back() {
        let containerd = ContainerdWorld { snapshotter: "overlayfs".into(), ..ContainerdWorld::default() };
        for state in [State::Classic(World::default()), State::Containerd(containerd)] {
            let text = serde_json::to_vec(&state).unwrap();
            assert_eq!(State::from_json(&text).unwrap(), state);
        }
    }

    #[test]
    fn a_file_says_what_is_wrong_with_it() {
        for (text, wanted) in [
            (r#"{"format":3,"store":"containerd"}"#, "format 3 is newer than this version reads (up to 2)"),
            (r#"{"format":2}"#, "format 2 needs `store`"),
            (r#"{"format":2,"store":"zfs"}"#, "`store` is `zfs`; this version knows `containerd`"),
            (r#"{"format":2,"store":"containerd","images":[{}]}"#, "missing field `name`"),
            (r#"{"format":2,"store":"containerd","#, "EOF"),
            (r#"{"store":"containerd"}"#, "missing field `format`"),
        ] {
            let error = State::from_json(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(wanted), "{text}: {error}");
        }
    }
}
