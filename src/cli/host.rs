//! The daemon that a command talks to.

use image_prune::client::{Client, Host};
use image_prune::{Error, Semantics};

use super::error::{Failure, Result};

/// The daemon that a flag or the environment names.
pub fn of(flag: Option<&str>) -> Option<String> {
    let given = |host: &String| !host.is_empty();
    flag.map(str::to_owned).filter(given).or_else(|| std::env::var("DOCKER_HOST").ok().filter(given))
}

/// The same, or the standard one.
pub fn or_standard(flag: Option<&str>) -> String {
    of(flag).unwrap_or_else(|| Host::standard().to_string())
}

/// A client of the daemon at `host`.
pub fn client(host: &str) -> Result<Client> {
    let host = Host::parse(host).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(Client::new(host).map_err(Error::from)?)
}

/// The known version that is nearest below the daemon's, by its API.
pub fn semantics(client: &Client, asked: Option<Semantics>) -> Result<Semantics> {
    if let Some(semantics) = asked {
        return Ok(semantics);
    }
    let version = client.version().map_err(Error::from)?.api_version;
    let minor = version.split_once('.').and_then(|(_, minor)| minor.parse::<u32>().ok());
    Ok(match minor {
        // 28.0 came with 1.48, 24.0 with 1.43.
        Some(48..) => Semantics::MOBY_28_5,
        Some(43..) => Semantics::MOBY_26_1,
        _ => Semantics::MOBY_20_10,
    })
}
