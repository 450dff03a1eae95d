//! From flags and environment to a connection.

use std::ffi::OsString;

use image_prune::Error;
use image_prune::registry::{Address, Credentials, Options, Registry};

use super::args::LoginArgs;
use crate::cli::error::{Failure, Result};
use crate::cli::{read, render};

/// The first that is set wins; an empty one counts as not set.
const PASSWORDS: [&str; 2] = ["IMAGE_PRUNE_PASSWORD", "SKOPEO_PASSWORD"];
const USERS: [&str; 2] = ["IMAGE_PRUNE_USERNAME", "SKOPEO_USERNAME"];

/// The address of a registry that a flag names. clap would print the whole of one that it refuses, password included.
pub fn address(text: &str) -> Result<Address> {
    text.parse().map_err(|error: Error| Failure::Usage(error.to_string()))
}

/// A registry, nothing sent yet.
pub fn open(address: &Address, args: &LoginArgs) -> Result<Registry> {
    let mut options = Options::new(address.clone());
    options.credentials = credentials(args)?;
    options.token_server = args.token_server.as_deref().map(self::address).transpose()?;
    let authorities = |file| read::bytes(file, read::SETTINGS);
    options.authorities = args.ca_file.as_deref().map(authorities).transpose()?;
    if options.credentials.is_some() && address.is_open_to_listeners() {
        render::line_to_stderr("warning", &format!("{address}: the password travels without encryption"));
    }
    Registry::new(options).map_err(|error| match &args.ca_file {
        Some(file) => Failure::at(file, error.class(), error),
        None => error.into(),
    })
}

fn credentials(args: &LoginArgs) -> Result<Option<Credentials>> {
    let password = match &args.password_file {
        Some(file) => {
            let text = read::text(file, read::SETTINGS)?;
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        None => from_environment(&PASSWORDS)?,
    };
    let user = args.username.clone().map(Ok).or_else(|| from_environment(&USERS).transpose()).transpose()?;
    match (user, password) {
        (Some(user), _) if user.contains(':') => {
            Err(Failure::Usage(format!("--username `{user}`: a user has no colon")))
        }
        (Some(user), Some(password)) => Ok(Some(Credentials { user, password })),
        (Some(user), None) => Err(Failure::Usage(format!(
            "a user, `{user}`, without a password: set IMAGE_PRUNE_PASSWORD, or name a file with --password-file"
        ))),
        (None, Some(_)) => {
            render::line_to_stderr("warning", "a password without a user is not used; --username names one");
            Ok(None)
        }
        (None, None) => Ok(None),
    }
}

fn from_environment(names: &[&str]) -> Result<Option<String>> {
    let is_set = |value: &OsString| !value.is_empty();
    let Some((name, value)) =
        names.iter().find_map(|name| Some((*name, std::env::var_os(name).filter(is_set)?)))
    else {
        return Ok(None);
    };
    value.into_string().map(Some).map_err(|_| Failure::Usage(format!("{name}: not UTF-8")))
}
