//! A request as the routes see it: its version, path, parameters and body, all checked.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hyper::Method;
use hyper::http::request::Parts;

use super::answer::{ErrorForm, Refusal};
use super::daemon::Daemon;
use super::form::{self, Form};
use super::upload::Upload;
use crate::go::json;
use crate::semantics::Semantics;

/// The most that a body of parameters or a JSON document may hold.
const LARGEST_DOCUMENT: u64 = 10 << 20;

/// A request, read as far as all routes need it.
pub(super) struct Call {
    pub method: Method,
    /// Decoded, without the version.
    pub path: String,
    /// The minor number of the API version.
    pub version: u16,
    pub form: Form,
    pub content_type: String,
    pub accept: String,
    pub body: Upload,
    /// Raised once the client is gone.
    pub is_cancelled: Arc<AtomicBool>,
}

/// What is known of a request from its head.
pub(super) struct Head {
    pub method: Method,
    pub path: String,
    pub version: u16,
    pub error_form: ErrorForm,
    query: String,
    content_type: String,
    accept: String,
}

impl Head {
    /// # Errors
    ///
    /// What Go's server refuses before any route is asked; another host's requests; a version that is not spoken.
    pub fn read(parts: &Parts, daemon: &Daemon) -> Result<Self, (Refusal, ErrorForm)> {
        let (newest, semantics) = (daemon.api_version(), daemon.semantics());
        let plain = |refusal| (refusal, ErrorForm::Text);
        check_host(parts).map_err(plain)?;
        daemon.settings().access.check(parts).map_err(|refusal| (refusal, ErrorForm::Json))?;
        let path = form::decode(parts.uri.path(), false)
            .map_err(|escape| plain(Refusal::Status(400, form::bad_escape(&escape))))?;
        if path.contains('\0') {
            return Err(plain(Refusal::Status(400, "a path cannot hold a NUL byte".to_owned())));
        }
        let (named, path) = split_version(&path);
        let version = match named {
            None => newest,
            Some(text) => check_version(text, newest, semantics)?,
        };
        // H-6: without a version errors are JSON.
        let error_form = if named.is_some() && version < 24 { ErrorForm::Text } else { ErrorForm::Json };
        let header = |name: &str| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        Ok(Self {
            method: parts.method.clone(),
            path: path.to_owned(),
            version,
            error_form,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            content_type: header("content-type"),
            accept: header("accept"),
        })
    }

    /// Reads the parameters (H-3, H-4), the body's first.
    ///
    /// # Errors
    ///
    /// A form that Go refuses; a body of parameters that does not arrive.
    pub fn into_call(self, mut body: Upload, is_cancelled: Arc<AtomicBool>) -> Result<Call, Refusal> {
        let mut form = Form::default();
        let is_form =
            media_type(&self.content_type).eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let mut in_body = Ok(());
        if is_form && matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            let bytes = read_up_to(&mut body, LARGEST_DOCUMENT)?;
            in_body = form.add_encoded(&String::from_utf8_lossy(&bytes));
        }
        let in_query = form.add_encoded(&self.query);
        in_body.and(in_query)?;
        let Self { method, path, version, content_type, accept, .. } = self;
        Ok(Call { method, path, version, form, content_type, accept, body, is_cancelled })
    }
}

impl Call {
    /// The JSON object of the body.
    ///
    /// # Errors
    ///
    /// moby's: another content type is 400, Go's text of a syntax error 500.
    pub fn json(&mut self) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
        if media_type(&self.content_type) != "application/json" {
            return Err(self.wrong_type());
        }
        let bytes = read_up_to(&mut self.body, LARGEST_DOCUMENT)?;
        if bytes.trim_ascii().is_empty() {
            return Err(Refusal::Status(500, "EOF".to_owned()));
        }
        object(&bytes).map_err(|message| Refusal::Status(500, message))
    }

    /// The same, where there may be none: then it is empty.
    ///
    /// # Errors
    ///
    /// As [`json`](Self::json).
    pub fn json_or_nothing(&mut self) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
        match self.json() {
            Err(Refusal::Status(500, message)) if message == "EOF" => Ok(serde_json::Map::new()),
            Err(Refusal::Error(_)) if self.content_type.is_empty() && !self.has_body()? => {
                Ok(serde_json::Map::new())
            }
            answer => answer,
        }
    }

    /// The JSON object of the body, as newer routes read it: all that is wrong is 400.
    ///
    /// # Errors
    ///
    /// Another content type; no document; Go's text of a syntax error.
    pub fn document(&mut self) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
        let bytes = read_up_to(&mut self.body, LARGEST_DOCUMENT)?;
        let is_json = media_type(&self.content_type) == "application/json";
        let is_nothing = self.content_type.is_empty() && bytes.is_empty();
        if !(is_json || is_nothing) {
            return Err(self.wrong_type());
        }
        if bytes.trim_ascii().is_empty() {
            return Err(super::answer::invalid("got EOF while reading request body"));
        }
        object(&bytes).map_err(super::answer::invalid)
    }

    fn wrong_type(&self) -> Refusal {
        let message = format!("Content-Type specified ({}) must be 'application/json'", self.content_type);
        super::answer::invalid(message)
    }

    fn has_body(&mut self) -> Result<bool, Refusal> {
        Ok(!read_up_to(&mut self.body, LARGEST_DOCUMENT)?.is_empty())
    }
}

/// Go's text of what is wrong.
fn object(bytes: &[u8]) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    json::decode(bytes, json::Decoder::skip).map_err(|error| error.to_string())?;
    match serde_json::from_slice(bytes) {
        Ok(serde_json::Value::Object(object)) => Ok(object),
        Ok(serde_json::Value::Null) => Ok(serde_json::Map::new()),
        Ok(_) => Err("json: cannot unmarshal the body into an object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn read_up_to(body: &mut Upload, limit: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = body.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| Refusal::Status(400, format!("the body cannot be read: {error}")))?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::Status(413, format!("the body is longer than {limit} bytes")));
    }
    Ok(bytes)
}

/// What Go's server refuses and hyper lets pass: no host, and several.
fn check_host(parts: &Parts) -> Result<(), Refusal> {
    let bad = |message: &str| Err(Refusal::Status(400, message.to_owned()));
    match parts.headers.get_all("host").iter().count() {
        0 if parts.version == hyper::Version::HTTP_11 => bad("missing required Host header"),
        0 | 1 => Ok(()),
        _ => bad("too many Host headers"),
    }
}

/// `/v1.41/info` is version `1.41` of `/info`.
fn split_version(path: &str) -> (Option<&str>, &str) {
    let split = path.strip_prefix("/v").and_then(|rest| {
        let end = rest.find('/')?;
        let (version, path) = rest.split_at(end);
        let is_version = !version.is_empty() && version.chars().all(|c| c.is_ascii_digit() || c == '.');
        is_version.then_some((Some(version), path))
    });
    split.unwrap_or((None, path))
}

/// H-2.
fn check_version(text: &str, newest: u16, semantics: &Semantics) -> Result<u16, (Refusal, ErrorForm)> {
    let (oldest, _) = semantics.api_versions;
    let version = Version::parse(text);
    if version < Version::minor(oldest) {
        let message = format!(
            "client version {text} is too old. Minimum supported API version is 1.{oldest}, please upgrade your \
             client to a newer version"
        );
        let form = if version < Version::minor(24) { ErrorForm::Text } else { ErrorForm::Json };
        return Err((super::answer::invalid(message), form));
    }
    if version > Version::minor(newest) {
        let message =
            format!("client version {text} is too new. Maximum supported API version is 1.{newest}");
        return Err((super::answer::invalid(message), ErrorForm::Json));
    }
    Ok(version.1)
}

/// Compared number by number as moby does (`api/types/versions`); what is missing is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u16, u16, u16);

impl Version {
    fn parse(text: &str) -> Self {
        // Numbers that are none, and those too large, are 0 in Go.
        let mut numbers = text.split('.').map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self(next(), next(), next())
    }

    const fn minor(minor: u16) -> Self {
        Self(1, minor, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_gated_as_moby_does() {
        let check = |text| match check_version(text, 41, &Semantics::MOBY_20_10) {
            Ok(version) => Ok(version),
            Err((Refusal::Error(error), form)) => Err((error.to_string(), form)),
            Err(_) => Err((String::new(), ErrorForm::Json)),
        };
        assert_eq!(check("1.12"), Ok(12));
        assert_eq!(check("1.41"), Ok(41));
        assert_eq!(
            check("1.11"),
            Err((
                "client version 1.11 is too old. Minimum supported API version is 1.12, please upgrade your client \
                 to a newer version"
                    .to_owned(),
                ErrorForm::Text
            ))
        );
        assert_eq!(
            check("1.42"),
            Err((
                "client version 1.42 is too new. Maximum supported API version is 1.41".to_owned(),
                ErrorForm::Json
            ))
        );
        assert!(check("2").is_err() && check("0.99").is_err() && check("..").is_err());
    }

    #[test]
    fn a_version_is_only_in_front() {
        assert_eq!(split_version("/v1.41/info"), (Some("1.41"), "/info"));
        assert_eq!(split_version("/volumes/prune"), (None, "/volumes/prune"));
        assert_eq!(split_version("/v1.41"), (None, "/v1.41"));
        assert_eq!(split_version("/v/info"), (None, "/v/info"));
    }
}
