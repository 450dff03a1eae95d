//! Two daemons that are asked the same, and what may differ between them: IDs that a daemon makes up, times, and the order of
//! what Go visits at random.

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;
use serde_json::Value;

use crate::support::http::{Reply, get, request};

/// Asks both the same requests, a line each; the differences. A line is a method, a path, and what is sent: an archive
/// (`tar:NAME`) or JSON.
pub fn differences(
    requests: &str,
    real: &mut Subject,
    ours: &mut Subject,
    archives: &BTreeMap<&str, Vec<u8>>,
) -> (usize, Vec<String>) {
    let mut differences = Vec::new();
    let mut count = 0;
    for line in requests.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        count += 1;
        let mut words = line.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let sent = words.next().unwrap_or("");
        let (expected, found) =
            (real.ask(method, path, sent, archives), ours.ask(method, path, sent, archives));
        if expected != found {
            differences.push(format!("{line}\n  dockerd {expected:?}\n  here    {found:?}"));
        }
    }
    (count, differences)
}

/// The body with the networks of an error in order: moby walks a map, and says `b, a` now and then.
fn in_order(body: String) -> String {
    const BEFORE: &str = "cannot be connected to network endpoints: ";
    let Some((before, rest)) = body.split_once(BEFORE) else { return body };
    let (names, after) = rest.split_at(rest.find('"').unwrap_or(rest.len()));
    let mut names: Vec<_> = names.split(", ").collect();
    names.sort_unstable();
    format!("{before}{BEFORE}{}{after}", names.join(", "))
}

/// One daemon under test.
pub struct Subject<'a> {
    pub socket: &'a Path,
    container: Option<String>,
    exec: Option<String>,
}

impl<'a> Subject<'a> {
    pub const fn new(socket: &'a Path) -> Self {
        Self { socket, container: None, exec: None }
    }

    fn ask(&mut self, method: &str, path: &str, sent: &str, archives: &BTreeMap<&str, Vec<u8>>) -> Reply {
        let path = path.replace("CONTAINER", self.container.as_deref().unwrap_or("none"));
        let path = path.replace("EXEC", self.exec.as_deref().unwrap_or("none"));
        let mut reply = match sent.strip_prefix("tar:") {
            Some(name) => request(self.socket, method, &path, "application/x-tar", &archives[name]),
            None if sent.is_empty() => request(self.socket, method, &path, "", b""),
            None => request(self.socket, method, &path, "application/json", sent.as_bytes()),
        };
        if reply.status == 201 && path.contains("/containers/create") {
            let made: Value = serde_json::from_str(&reply.body).unwrap();
            self.container = Some(made["Id"].as_str().unwrap().to_owned());
        }
        if reply.status == 201 && path.ends_with("/exec") {
            let made: Value = serde_json::from_str(&reply.body).unwrap();
            self.exec = Some(made["Id"].as_str().unwrap().to_owned());
        }
        reply.body = in_order(reply.body);
        reply
            .headers
            .retain(|(name, _)| matches!(name.as_str(), "content-type" | "api-version" | "location"));
        reply.headers.sort();
        reply.body = self.normalized(&reply.body);
        reply
    }

    /// Without what two daemons cannot agree on.
    fn normalized(&self, body: &str) -> String {
        let mut body = body.to_owned();
        if let Some(id) = &self.container {
            body = body.replace(id, "CONTAINER").replace(&id[..12], "CONTAINER-12");
        }
        let replace = |body: &str, pattern: &str, with: &str| {
            Regex::new(pattern).unwrap().replace_all(body, with).into_owned()
        };
        body = replace(&body, r#""(Created|CreatedAt|LastTagTime)":"202[6-9][^"]*""#, r#""$1":"TIME""#);
        body = replace(&body, r#""(/[^"]*)?/volumes/"#, r#""/volumes/"#);
        body = replace(&body, r#""Hostname":"[0-9a-f]{12}""#, r#""Hostname":"CONTAINER-12""#);
        body = replace(&body, r#""(NetworkID|EndpointID)":"[0-9a-f]{64}""#, r#""$1":"""#);
        body = replace(&body, r#""Status":"(Up|Exited \(\d+\)) [^"(]*"#, r#""Status":"$1 "#);
        body = replace(&body, r#"(["/ ])[0-9a-f]{64}"#, "${1}ID");
        body = replace(&body, r#""Created":1[7-9]\d{8}"#, r#""Created":0"#);
        body = replace(&body, "/tmp[^ ]*/docker-import-[0-9]+/", "");
        match serde_json::from_str(&body) {
            Ok(mut value) => {
                sort_what_go_shuffles(&mut value);
                if value.as_array().is_some_and(|items| items.iter().any(|item| item.get("IPAM").is_some())) {
                    return value.to_string();
                }
                format!("{value}\n{}", keys_in_order(&body))
            }
            Err(_) => body,
        }
    }
}

/// Images of the same second, and the records of a prune.
fn sort_what_go_shuffles(value: &mut Value) {
    match value {
        Value::Array(items) => {
            // This dockerd runs without its bridge.
            items.retain(|item| item["Name"] != "bridge");
            items.iter_mut().for_each(sort_what_go_shuffles);
            let is_sortable = |item: &Value| {
                ["RepoTags", "IPAM", "Mountpoint", "Destination"].iter().any(|key| item.get(key).is_some())
                    || item.get("Deleted").is_some()
                    || item.get("Untagged").is_some()
            };
            if items.iter().all(is_sortable) {
                items.sort_by_key(|item| (-item["Created"].as_i64().unwrap_or(0), item.to_string()));
            }
        }
        Value::Object(map) => map.values_mut().for_each(sort_what_go_shuffles),
        _ => {}
    }
}

/// The keys as they stand, which the sorted values no longer tell; of images the first's, as any may be first.
fn keys_in_order(body: &str) -> String {
    let keys: Vec<_> = Regex::new(r#""([A-Za-z]+)":"#)
        .unwrap()
        .captures_iter(body)
        .map(|key| key[1].to_owned())
        .filter(|key| {
            !matches!(
                key.as_str(),
                "stage"
                    | "x"
                    | "a"
                    | "Deleted"
                    | "Untagged"
                    | "Type"
                    | "Mode"
                    | "RW"
                    | "Propagation"
                    | "Source"
                    | "Destination"
                    | "Driver"
                    | "Name"
                    | "Labels"
            )
        })
        .collect();
    keys.join(" ")
}

/// Both have told the same, as far as `is_compared` looks.
pub fn same_events(real: &Path, ours: &Path, is_compared: fn(&str) -> bool) {
    let events = |socket| {
        let mut events = events(socket);
        events.retain(|event| is_compared(event));
        events
    };
    let (expected, found) = (events(real), events(ours));
    let without = |one: &[String], other: &[String]| {
        let missing = one.iter().filter(|event| !other.contains(event));
        missing.cloned().collect::<Vec<_>>().join("\n")
    };
    let missing = without(&expected, &found);
    let excess = without(&found, &expected);
    assert_eq!(expected, found, "only dockerd says:\n{missing}\nonly said here:\n{excess}");
}

/// What happened, as a multiset: a prune visits candidates at random.
fn events(socket: &Path) -> Vec<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    // To the nanosecond: by the second, what happened in the current one would be left out.
    let until = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
    let reply = get(socket, &format!("/events?since=1&until={until}"));
    let mut events: Vec<_> = reply.body.lines().map(without_time).collect();
    events.sort();
    events
}

fn without_time(line: &str) -> String {
    let line = Regex::new(r#""time(Nano)?":\d+"#).unwrap().replace_all(line, r#""time$1":0"#);
    let line =
        Regex::new(r#""(ID|execID|container)":"[0-9a-f]{64}""#).unwrap().replace_all(&line, r#""$1":"ID""#);
    let event: Value = serde_json::from_str(&line).unwrap();
    // Containers have IDs that a daemon makes up.
    match event["Type"].as_str() {
        Some("container") => line.replace(event["id"].as_str().unwrap_or("none"), "CONTAINER"),
        _ => line.into_owned(),
    }
}
