//! What the daemon in memory answers as each version, by example.

use image_prune::graph::store::Stores;
use image_prune::server::TestDaemon;
use image_prune::{ErrorClass, Reference, Semantics};

use super::Example;
use crate::support::http::request;

pub const EXAMPLES: [Example; 9] = [
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
];

/// The status, and the message of an error, of a daemon with one image, `a:latest`.
fn ask(semantics: &Semantics, method: &str, path: &str) -> String {
    let daemon = TestDaemon::builder().semantics(*semantics).start().unwrap();
    let Stores { images, references, .. } = daemon.stores();
    let id = images.create(r#"{"os":"linux","rootfs":{"type":"layers"}}"#).unwrap();
    references.add_tag(Reference::parse("a:latest", semantics).unwrap(), id).unwrap();
    let reply = request(daemon.socket().unwrap(), method, path, "application/json", b"{}");
    match serde_json::from_str::<serde_json::Value>(&reply.body) {
        Ok(body) if reply.status >= 400 => {
            format!("{}, `{}`", reply.status, body["message"].as_str().unwrap())
        }
        _ => reply.status.to_string(),
    }
}
