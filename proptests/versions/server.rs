//! What the daemon in memory answers as each version, by example.

use image_prune::event::{EventSink, ImageEvent};
use image_prune::graph::store::Stores;
use image_prune::server::TestDaemon;
use image_prune::{ErrorClass, Reference, Semantics, Timestamp};
use serde_json::Value;

use super::Example;
use crate::support::http::{Reply, get, raw, request};

pub const EXAMPLES: [Example; 18] = [
    Example {
        field: "reference_filter_matches_canonical",
        asked: "`reference=docker.io/library/a`, in a list of images",
        answer: |semantics| {
            let path = "/images/json?filters=%7B%22reference%22:%5B%22docker.io%2Flibrary%2Fa%22%5D%7D";
            super::yes(body(semantics, path).contains("a:latest"), "lists `a:latest`", "lists nothing")
        },
        invert: |semantics| semantics.reference_filter_matches_canonical = false,
    },
    Example {
        field: "inspect_keys_are_sorted",
        asked: "the first key of `GET /images/a/json`",
        answer: |semantics| {
            let body = body(semantics, "/images/a/json");
            format!("`{}`", body.split('"').nth(1).unwrap())
        },
        invert: |semantics| semantics.inspect_keys_are_sorted = false,
    },
    Example {
        field: "inspect_omits_empty_since",
        asked: "an empty `Author` left out of `GET /images/a/json`",
        answer: |semantics| since(semantics, "/images/a/json", |reply| !reply.body.contains("\"Author\"")),
        invert: |semantics| semantics.inspect_omits_empty_since = None,
    },
    Example {
        field: "empty_network_until_is_none",
        asked: r#"a prune of networks with `{"until":[]}`"#,
        answer: |semantics| {
            let path = "/networks/prune?filters=%7B%22until%22:%7B%7D%7D";
            let answer = ask(semantics, "POST", path);
            // T-12: moby has no answer where the daemon in memory has this one.
            if answer.starts_with("400") { format!("the daemon panics; here {answer}") } else { answer }
        },
        invert: |semantics| semantics.empty_network_until_is_none = false,
    },
    Example {
        field: "prune_api_minimum",
        asked: "`POST /v1.24/images/prune`, where the lowest API version is lowered to 1.24",
        answer: |semantics| {
            let mut lowered = *semantics;
            lowered.api_versions.0 = 24;
            ask(&lowered, "POST", "/v1.24/images/prune")
        },
        invert: |semantics| semantics.prune_api_minimum = None,
    },
    Example {
        field: "api_versions",
        asked: "lowest and highest API version",
        answer: |semantics| {
            let daemon = TestDaemon::builder().semantics(*semantics).start().unwrap();
            let version: Value =
                serde_json::from_str(&get(daemon.socket().unwrap(), "/version").body).unwrap();
            let text = |key: &str| version[key].as_str().unwrap().to_owned();
            format!("{} to {}", text("MinAPIVersion"), text("ApiVersion"))
        },
        invert: |semantics| semantics.api_versions = (44, 54),
    },
    Example {
        field: "image_list_takes_until",
        asked: r#"`GET /images/json?filters={"until":["1h"]}`"#,
        answer: |semantics| ask(semantics, "GET", "/images/json?filters=%7B%22until%22%3A%5B%221h%22%5D%7D"),
        invert: |semantics| semantics.image_list_takes_until = false,
    },
    Example {
        field: "inspect_errors_are_prefixed",
        asked: "`GET /images/A/json`",
        answer: |semantics| ask(semantics, "GET", "/images/A/json"),
        invert: |semantics| semantics.inspect_errors_are_prefixed = true,
    },
    Example {
        field: "tag_error_class",
        asked: "`POST /images/a/tag?repo=A`",
        answer: |semantics| ask(semantics, "POST", "/images/a/tag?repo=A"),
        invert: |semantics| semantics.tag_error_class = ErrorClass::System,
    },
    Example {
        field: "empty_tag_is_ignored",
        asked: "`POST /images/a/tag?tag=x`",
        answer: |semantics| ask(semantics, "POST", "/images/a/tag?tag=x"),
        invert: |semantics| semantics.empty_tag_is_ignored = false,
    },
    Example {
        field: "save_error_class",
        asked: "`GET /images/get?names=A`",
        answer: |semantics| ask(semantics, "GET", "/images/get?names=A"),
        invert: |semantics| semantics.save_error_class = ErrorClass::InvalidParameter,
    },
    Example {
        field: "volume_prune_takes_all",
        asked: r#"`POST /volumes/prune?filters={"all":["x"]}`"#,
        answer: |semantics| ask(semantics, "POST", "/volumes/prune?filters=%7B%22all%22%3A%5B%22x%22%5D%7D"),
        invert: |semantics| semantics.volume_prune_takes_all = false,
    },
    Example {
        field: "build_prune_error_prefix",
        asked: r#"`POST /build/prune?filters={"x":["y"]}`"#,
        answer: |semantics| ask(semantics, "POST", "/build/prune?filters=%7B%22x%22%3A%5B%22y%22%5D%7D"),
        invert: |semantics| semantics.build_prune_error_prefix = "",
    },
    Example {
        field: "container_filter_errors_are_named",
        asked: r#"`GET /containers/json?filters={"exited":["x"]}`"#,
        answer: |semantics| {
            ask(semantics, "GET", "/containers/json?filters=%7B%22exited%22%3A%5B%22x%22%5D%7D")
        },
        invert: |semantics| semantics.container_filter_errors_are_named = false,
    },
    Example {
        field: "empty_config_error",
        asked: "`POST /containers/create {}`",
        answer: |semantics| ask(semantics, "POST", "/containers/create"),
        invert: |semantics| semantics.empty_config_error = Semantics::MOBY_20_10.empty_config_error,
    },
    Example {
        field: "import_takes_platform",
        asked: "the architecture of `POST /images/create?fromSrc=-&platform=linux/sparc64`",
        answer: |semantics| {
            let daemon = daemon(semantics);
            let socket = daemon.socket().unwrap();
            let path = "/images/create?fromSrc=-&repo=i&tag=1&platform=linux/sparc64";
            request(socket, "POST", path, "application/x-tar", &[0; 1024]);
            let image: Value = serde_json::from_str(&get(socket, "/images/i:1/json").body).unwrap();
            format!("`{}`", image["Architecture"].as_str().unwrap())
        },
        invert: |semantics| semantics.import_takes_platform = false,
    },
    Example {
        field: "host_settings_beside_config",
        asked: r#"the memory of `POST /containers/create {"Image":"a","Cmd":["x"],"Memory":10485760}`"#,
        answer: |semantics| {
            let body = br#"{"Image":"a","Cmd":["x"],"Memory":10485760}"#;
            created(semantics, body)["HostConfig"]["Memory"].to_string()
        },
        invert: |semantics| semantics.host_settings_beside_config = true,
    },
    Example {
        field: "container_defaults_are_told",
        asked: "`NetworkMode` of a container on no network that was named",
        answer: |semantics| {
            created(semantics, br#"{"Image":"a","Cmd":["x"]}"#)["HostConfig"]["NetworkMode"].to_string()
        },
        invert: |semantics| semantics.container_defaults_are_told = false,
    },
];

/// A daemon with one image, `a:latest`, that has told of a prune.
fn daemon(semantics: &Semantics) -> TestDaemon {
    let now = Timestamp::new(1_700_000_000, 5);
    let daemon = TestDaemon::builder().semantics(*semantics).now(now).start().unwrap();
    let Stores { images, references, .. } = daemon.stores();
    let id = images.create(r#"{"os":"linux","rootfs":{"type":"layers"}}"#).unwrap();
    references.add_tag(Reference::parse("a:latest", semantics).unwrap(), id).unwrap();
    daemon.events().publish(ImageEvent::Prune(1));
    daemon
}

/// The status, and the message of an error, of such a daemon.
pub fn ask(semantics: &Semantics, method: &str, path: &str) -> String {
    let daemon = daemon(semantics);
    // A daemon that panics says nothing.
    let answer = raw(
        daemon.socket().unwrap(),
        format!("{method} {path} HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}")
            .as_bytes(),
    );
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return "no answer".to_owned() };
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    match serde_json::from_str::<Value>(body) {
        Ok(body) if status >= 400 => format!("{status}, `{}`", body["message"].as_str().unwrap()),
        _ => status.to_string(),
    }
}

/// The body of an answer of such a daemon.
pub fn body(semantics: &Semantics, path: &str) -> String {
    get(daemon(semantics).socket().unwrap(), path).body
}

/// The first API version of whose answer this is so.
pub fn since(semantics: &Semantics, path: &str, is_so: impl Fn(&Reply) -> bool) -> String {
    let daemon = daemon(semantics);
    let (oldest, newest) = semantics.api_versions;
    let found =
        (oldest..=newest).find(|minor| is_so(&get(daemon.socket().unwrap(), &format!("/v1.{minor}{path}"))));
    found.map_or("never".to_owned(), |minor| format!("from API 1.{minor} on"))
}

/// A container that was asked for so, and answered.
fn created(semantics: &Semantics, body: &[u8]) -> Value {
    let daemon = daemon(semantics);
    let socket = daemon.socket().unwrap();
    let reply = request(socket, "POST", "/containers/create?name=one", "application/json", body);
    assert_eq!(reply.status, 201, "{}", reply.body);
    serde_json::from_str(&get(socket, "/containers/one/json").body).unwrap()
}

/// Asks for the disk usage of a store that takes its time, many at once.
pub fn concurrent_usage(semantics: &Semantics) -> String {
    let daemon = daemon(semantics);
    for number in 0..2_000 {
        let config = format!(r#"{{"author":"{number}","os":"linux","rootfs":{{"type":"layers"}}}}"#);
        daemon.stores().images.create(config).unwrap();
    }
    let socket = daemon.socket().unwrap();
    // Two that never met would say nothing: they are sent until they do, or have had every chance to.
    for _ in 0..20 {
        let at_once = std::sync::Barrier::new(8);
        let is_refused = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        at_once.wait();
                        get(socket, "/system/df").status != 200
                    })
                })
                .collect();
            asked.into_iter().any(|asked| asked.join().unwrap())
        });
        if is_refused {
            return "refused".to_owned();
        }
    }
    "answered".to_owned()
}
