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

/// The version that was asked for, or the daemon's own.
pub fn semantics(client: &Client, asked: Option<Semantics>) -> Result<Semantics> {
    Ok(asked.map_or_else(|| client.semantics(), Ok).map_err(Error::from)?)
}
