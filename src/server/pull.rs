//! Where images are pulled from.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::base::error::{Error, Result};

/// What happens to an image that is pulled and not there.
///
/// ```
/// use image_prune::server::Pull;
///
/// assert_eq!("oci:/srv/images".parse::<Pull>()?, Pull::From("/srv/images".into()));
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Pull {
    /// It is told to exist nowhere: 404.
    #[default]
    Never,
    /// It is made up: one small layer, the same for the same name.
    Stub,
    /// It comes from this folder: an OCI layout, or the storage of a registry (`docker/registry/v2` below it).
    From(PathBuf),
}

impl FromStr for Pull {
    type Err = Error;

    /// `DIR` or `oci:DIR`.
    fn from_str(text: &str) -> Result<Self> {
        let folder = text.strip_prefix("oci:").unwrap_or(text);
        if folder.is_empty() {
            return Err(Error::invalid_parameter(format!("pull source `{text}`: names no folder")));
        }
        Ok(Self::From(folder.into()))
    }
}

impl fmt::Display for Pull {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => formatter.write_str("never"),
            Self::Stub => formatter.write_str("stub"),
            Self::From(folder) => write!(formatter, "oci:{}", folder.display()),
        }
    }
}
