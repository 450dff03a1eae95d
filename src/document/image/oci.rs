//! To and from `oci-spec`'s type, at the public boundary only: it drops the fields that are
//! Docker's own, and reads keys as they are spelled.

use oci_spec::image::ImageConfiguration;

use super::Image;
use crate::base::error::Error;
use crate::semantics::Semantics;

/// Reads the raw config as OCI's type.
///
/// ```
/// use image_prune::{Image, Semantics};
/// use oci_spec::image::ImageConfiguration;
///
/// let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
/// let image = Image::parse(*config, &Semantics::default())?;
/// let oci = ImageConfiguration::try_from(&image)?;
/// assert_eq!(oci.os().to_string(), "linux");
/// assert_eq!(Image::try_from(&oci)?.os(), image.os());
/// # Ok::<(), image_prune::Error>(())
/// ```
impl TryFrom<&Image> for ImageConfiguration {
    type Error = Error;

    /// # Errors
    ///
    /// What OCI requires and Docker does not, such as `architecture`; keys in another case.
    fn try_from(image: &Image) -> Result<Self, Error> {
        serde_json::from_slice(&image.config())
            .map_err(|error| Error::system(format!("image config is not an OCI one: {error}")))
    }
}

/// An image whose raw config is `oci-spec`'s serialization. Its ID is that of these bytes, seldom
/// that of the config which `oci` was read from.
impl TryFrom<&ImageConfiguration> for Image {
    type Error = Error;

    /// # Errors
    ///
    /// What [`Image::parse`] refuses, such as a `created` that is no time.
    fn try_from(oci: &ImageConfiguration) -> Result<Self, Error> {
        let config = serde_json::to_vec(oci).map_err(|error| Error::system(error.to_string()))?;
        Self::parse(config, &Semantics::default())
    }
}
