//! Which request is for whom. Not axum's router, nor any other: a name in the middle of a path may have slashes.

use std::sync::Arc;

use hyper::Method;

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::containers::Kind;
use super::daemon::Daemon;
use super::{containers, control, events, images, system};
use crate::Result;

/// Parts of the API that a daemon has and this one does not: what is asked of them is answered 501, not 404.
const ABSENT: [&str; 20] = [
    "/auth",
    "/build",
    "/commit",
    "/configs",
    "/containers",
    "/distribution",
    "/exec",
    "/grpc",
    "/images",
    "/networks",
    "/nodes",
    "/plugins",
    "/secrets",
    "/services",
    "/session",
    "/swarm",
    "/system",
    "/tasks",
    "/volumes",
    "/_control",
];

pub(super) fn answer(daemon: &Arc<Daemon>, mut call: Call) -> Result<Answer, Refusal> {
    let path = std::mem::take(&mut call.path);
    if let Some(clean) = cleaned(&path) {
        let mut moved = Answer::empty(301);
        moved.headers.push(("Location", clean));
        moved.is_routed = false;
        return Ok(moved);
    }
    let method = call.method.clone();
    if method == Method::OPTIONS {
        return Ok(Answer::empty(200));
    }
    if daemon.settings().has_control
        && let Some(what) = path.strip_prefix("/_control/")
    {
        return control::answer(daemon, &mut call, what);
    }
    let asked = match method {
        Method::GET | Method::HEAD => get(daemon, &mut call, &path),
        Method::POST => post(daemon, &mut call, &path),
        Method::DELETE => delete(daemon, &call, &path),
        _ => None,
    };
    asked.unwrap_or_else(|| Err(absent(&method, &path)))
}

fn get(daemon: &Arc<Daemon>, call: &mut Call, path: &str) -> Option<Result<Answer, Refusal>> {
    Some(match path {
        "/_ping" => Ok(system::ping(call.method == Method::HEAD)),
        // Everything but a ping is asked for by GET alone.
        _ if call.method == Method::HEAD => return None,
        "/version" => Ok(system::version(daemon)),
        "/info" => Ok(system::info(daemon)),
        "/events" => events::stream(daemon, call),
        "/system/df" => system::disk_usage(daemon, call),
        "/images/json" => images::list(daemon, call),
        "/images/get" => images::save(daemon, &call.form.all("names").collect::<Vec<_>>()),
        "/containers/json" => containers::list(daemon, call),
        _ => {
            if let Some(rest) = path.strip_prefix("/images/") {
                let (name, what) = rest.rsplit_once('/')?;
                match what {
                    "json" => images::inspect(daemon, call, name),
                    "history" => images::history(daemon, name),
                    "get" => images::save(daemon, &[name]),
                    _ => return None,
                }
            } else {
                let name = path.strip_prefix("/containers/")?.strip_suffix("/json")?;
                containers::inspect(daemon, name)
            }
        }
    })
}

fn post(daemon: &Daemon, call: &mut Call, path: &str) -> Option<Result<Answer, Refusal>> {
    Some(match path {
        "/images/prune" => images::prune(daemon, call),
        "/images/load" => Ok(images::load(daemon, call)),
        "/images/create" => images::import(daemon, call),
        "/containers/create" => containers::create(daemon, call),
        "/containers/prune" => containers::prune(daemon, call, Kind::Containers),
        "/networks/prune" => containers::prune(daemon, call, Kind::Networks),
        "/volumes/prune" => containers::prune(daemon, call, Kind::Volumes),
        "/build/prune" => containers::prune(daemon, call, Kind::BuildCache),
        _ => {
            if let Some(rest) = path.strip_prefix("/images/") {
                images::tag(daemon, call, rest.strip_suffix("/tag")?)
            } else {
                let (name, what) = path.strip_prefix("/containers/")?.rsplit_once('/')?;
                match what {
                    "start" => containers::start(daemon, name),
                    "stop" => containers::stop(daemon, name),
                    "kill" => containers::kill(daemon, call, name),
                    _ => return None,
                }
            }
        }
    })
}

fn delete(daemon: &Daemon, call: &Call, path: &str) -> Option<Result<Answer, Refusal>> {
    if let Some(name) = path.strip_prefix("/images/") {
        return Some(images::remove(daemon, call, name));
    }
    let name = path.strip_prefix("/containers/").filter(|name| !name.contains('/'))?;
    Some(containers::remove(daemon, call, name))
}

/// H-1, or 501 for what a real daemon would do.
fn absent(method: &Method, path: &str) -> Refusal {
    let is_part =
        |part: &str| path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_ours = ["/images/json", "/images/prune", "/containers/json", "/containers/prune", "/system/df"];
    if ABSENT.iter().any(|part| is_part(part)) && !is_ours.contains(&path) && !path.ends_with('/') {
        return Refusal::not_implemented(&format!("{method} {path}"));
    }
    Refusal::NoRoute
}

/// The path that Go's router sends a client to instead, where it is another: without `//`, `.` and `..`.
fn cleaned(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let slash = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    let clean = format!("/{}{slash}", parts.join("/"));
    (clean != path).then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_gos_router_does() {
        for (path, expected) in [
            ("/info", None),
            ("/images/a/b:1/json", None),
            ("//info", Some("/info")),
            ("/images/../info", Some("/info")),
            ("/../../x", Some("/x")),
            ("/images/", None),
            ("/", None),
            ("", Some("/")),
        ] {
            assert_eq!(cleaned(path).as_deref(), expected, "{path}");
        }
    }
}
