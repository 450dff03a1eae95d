//! Which request is for whom. Not axum's router, nor any other: a name in the middle of a path may have slashes.

use std::sync::Arc;

use hyper::Method;

use super::answer::{Answer, Refusal, invalid};
use super::call::Call;
use super::daemon::Daemon;
use super::prune::{Kind, prune};
use super::{containers, control, events, images, networks, swarm, system, usage, volumes};
use crate::base::error::Result;

/// Parts of the API that a daemon has and this one does not: what is asked of them is answered 501, not 404.
const ABSENT: [&str; 14] = [
    "/auth",
    "/build",
    "/commit",
    "/configs/create",
    "/containers/",
    "/distribution/",
    "/exec/",
    "/images/",
    "/plugins/",
    "/services/",
    "/session",
    "/nodes/",
    "/swarm/",
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
    if let Some(answer) = swarm::answer(&method, &path) {
        return answer;
    }
    check_minimum(daemon, &call, &path)?;
    let asked = match method {
        Method::GET | Method::HEAD => get(daemon, &mut call, &path),
        Method::POST => post(daemon, &mut call, &path),
        Method::DELETE => delete(daemon, &call, &path),
        _ => None,
    };
    asked.unwrap_or_else(|| Err(absent(&method, &path)))
}

/// The lowest API version of a prune of the build cache, where prunes have one.
const BUILD_PRUNE_MINIMUM: u16 = 31;

/// # Errors
///
/// A prune by an API version that has none (H-2).
fn check_minimum(daemon: &Daemon, call: &Call, path: &str) -> Result<(), Refusal> {
    let Some(of_prunes) = daemon.semantics().prune_api_minimum else { return Ok(()) };
    let minimum = match path {
        "/images/prune" | "/containers/prune" | "/networks/prune" | "/volumes/prune" => of_prunes,
        "/build/prune" => of_prunes.max(BUILD_PRUNE_MINIMUM),
        _ => return Ok(()),
    };
    if call.method == Method::POST && call.version < minimum {
        return Err(invalid(format!("POST {path} requires minimum API version 1.{minimum}")));
    }
    Ok(())
}

fn get(daemon: &Arc<Daemon>, call: &mut Call, path: &str) -> Option<Result<Answer, Refusal>> {
    Some(match path {
        "/_ping" => Ok(system::ping(call.method == Method::HEAD)),
        // Everything but a ping is asked for by GET alone.
        _ if call.method == Method::HEAD => return None,
        "/version" => Ok(system::version(daemon)),
        "/info" => Ok(system::info(daemon, call.version)),
        "/events" => events::stream(daemon, call),
        "/system/df" => usage::disk_usage(daemon, call),
        "/images/json" => images::list(daemon, call),
        "/images/get" => images::save(daemon, call, &call.form.all("names").collect::<Vec<_>>()),
        "/containers/json" => containers::list(daemon, call),
        "/networks" | "/networks/" => networks::list(daemon, call),
        "/volumes" => volumes::list(daemon, call),
        _ => return get_one(daemon, call, path),
    })
}

/// Of one image, container and so on.
fn get_one(daemon: &Arc<Daemon>, call: &Call, path: &str) -> Option<Result<Answer, Refusal>> {
    let (part, rest) = path.strip_prefix('/')?.split_once('/')?;
    if matches!(part, "networks" | "volumes") && !rest.contains('/') {
        let inspect = if part == "networks" { networks::inspect } else { volumes::inspect };
        return Some(inspect(daemon, rest));
    }
    let (name, what) = rest.rsplit_once('/')?;
    Some(match (part, what) {
        ("images", "json") => images::inspect(daemon, call, name),
        ("images", "history") => images::history(daemon, call, name),
        ("images", "get") => images::save(daemon, call, &[name]),
        ("containers", "json") => containers::inspect(daemon, name),
        ("containers", "logs") => containers::logs(daemon, call, name),
        ("containers", "top") => containers::top(daemon, name),
        ("containers", "stats") => containers::stats(daemon, call, name),
        ("containers", "changes") => containers::changes(daemon, name),
        ("exec", "json") => containers::inspect_exec(daemon, name),
        _ => return None,
    })
}

fn post(daemon: &Arc<Daemon>, call: &mut Call, path: &str) -> Option<Result<Answer, Refusal>> {
    Some(match path {
        "/commit" => containers::commit(daemon, call),
        "/images/prune" => images::prune(daemon, call),
        "/images/load" => Ok(images::load(daemon, call)),
        "/images/create" => images::import(daemon, call),
        "/containers/create" => containers::create(daemon, call),
        "/networks/create" => networks::create(daemon, call),
        "/volumes/create" => volumes::create(daemon, call),
        "/containers/prune" => prune(daemon, call, Kind::Containers),
        "/networks/prune" => prune(daemon, call, Kind::Networks),
        "/volumes/prune" => prune(daemon, call, Kind::Volumes),
        "/build/prune" => prune(daemon, call, Kind::BuildCache),
        _ => {
            let (part, rest) = path.strip_prefix('/')?.split_once('/')?;
            let (name, what) = rest.rsplit_once('/')?;
            match (part, what) {
                ("images", "tag") => images::tag(daemon, call, name),
                ("containers", "start") => containers::start(daemon, name),
                ("containers", "stop") => containers::stop(daemon, name),
                ("containers", "restart") => containers::restart(daemon, name),
                ("containers", "kill") => containers::kill(daemon, call, name),
                ("containers", "pause") => containers::pause(daemon, name),
                ("containers", "unpause") => containers::unpause(daemon, name),
                ("containers", "attach") => containers::attach(daemon, call, name),
                ("containers", "wait") => containers::wait(daemon, call, name),
                ("containers", "rename") => containers::rename(daemon, call, name),
                ("containers", "update") => containers::update(daemon, call, name),
                ("containers", "resize") => containers::resize(daemon, call, name),
                ("containers", "exec") => containers::create_exec(daemon, call, name),
                ("exec", "start") => containers::start_exec(daemon, name),
                ("networks", "connect") => networks::connect(daemon, call, name),
                ("networks", "disconnect") => networks::disconnect(daemon, call, name),
                _ => return None,
            }
        }
    })
}

fn delete(daemon: &Daemon, call: &Call, path: &str) -> Option<Result<Answer, Refusal>> {
    let (part, name) = path.strip_prefix('/')?.split_once('/')?;
    Some(match part {
        "images" => images::remove(daemon, call, name),
        "containers" if !name.contains('/') => containers::remove(daemon, call, name),
        "networks" if !name.contains('/') => networks::remove(daemon, name),
        "volumes" if !name.contains('/') => volumes::remove(daemon, call, name),
        _ => return None,
    })
}

/// H-1, or 501 for what a real daemon would do.
fn absent(method: &Method, path: &str) -> Refusal {
    let is_part = |part: &str| {
        path.strip_prefix(part).is_some_and(|rest| {
            if part.ends_with('/') { !rest.is_empty() } else { rest.is_empty() || rest.starts_with('/') }
        })
    };
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
