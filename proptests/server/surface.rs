//! The HTTP surface of each version, as it was recorded on dockerd 28.5.2 and on a dockerd built from the branch of 29.

use image_prune::event::{EventSink, ImageEvent};
use image_prune::server::TestDaemon;
use image_prune::{Semantics, Timestamp};
use serde_json::{Value, json};

use crate::support::http::{get, post, raw, request};
use crate::support::image_tar::{ImageTar, TestLayer};

fn daemon(semantics: Semantics) -> TestDaemon {
    TestDaemon::builder().semantics(semantics).now(Timestamp::new(1_700_000_000, 5)).start().unwrap()
}

fn json_of(daemon: &TestDaemon, path: &str) -> Value {
    let reply = get(daemon.socket().unwrap(), path);
    serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", reply.body))
}

/// `base` with a container, and a child of each `u:1` and `u:2` of one layer more.
fn filled(semantics: Semantics) -> TestDaemon {
    let daemon = daemon(semantics);
    let base = TestLayer::new("base", "12345");
    let mut tar = ImageTar::new();
    let config = json!({ "created": "2020-01-01T00:00:00Z", "config": { "Cmd": ["x"], "Hostname": "h" } });
    let parent = tar.image(config, std::slice::from_ref(&base), &["base:1"], None);
    for (name, content) in [("u:1", "1"), ("u:2", "22")] {
        let layers = [base.clone(), TestLayer::new(name, content)];
        tar.image(json!({ "created": "2021-01-01T00:00:00Z" }), &layers, &[name], Some(parent));
    }
    let socket = daemon.socket().unwrap();
    request(socket, "POST", "/images/load", "application/x-tar", &tar.finish());
    request(socket, "POST", "/containers/create?name=one", "application/json", br#"{"Image":"base:1"}"#);
    daemon
}

#[test]
fn versions_are_gated() {
    let daemon = daemon(Semantics::MOBY_29);
    let socket = daemon.socket().unwrap();
    for (path, expected) in [
        ("/v1.56/info", "client version 1.56 is too new. Maximum supported API version is 1.55"),
        (
            "/v1.39/info",
            "client version 1.39 is too old. Minimum supported API version is 1.40, please upgrade your client to a \
             newer version",
        ),
    ] {
        let reply = get(socket, path);
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (400, &*format!("{{\"message\":\"{expected}\"}}\n")),
            "{path}"
        );
    }
    for (version, content_type) in [
        ("1.12", "text/plain; charset=utf-8"),
        ("1.23", "text/plain; charset=utf-8"),
        ("1.24", "application/json"),
    ] {
        let reply = get(socket, &format!("/v{version}/info"));
        assert_eq!((reply.status, reply.header("content-type")), (400, Some(content_type)), "{version}");
    }
    let version = json_of(&daemon, "/version");
    assert_eq!((&version["ApiVersion"], &version["MinAPIVersion"]), (&json!("1.55"), &json!("1.40")));
}

#[test]
fn events_have_their_versions_form() {
    let told = |semantics, version: &str| {
        let daemon = daemon(semantics);
        daemon.events().publish(ImageEvent::Prune(1));
        get(daemon.socket().unwrap(), &format!("{version}/events?since=1&until=1700000000.1"))
    };
    let time = r#""time":1700000000,"timeNano":1700000000000000005}"#;
    let legacy = format!(
        r#"{{"status":"prune","Type":"image","Action":"prune","Actor":{{"ID":"","Attributes":{{"reclaimed":"1"}}}},"scope":"local",{time}"#
    );
    let sorted = format!(
        r#"{{"Action":"prune","Actor":{{"Attributes":{{"reclaimed":"1"}},"ID":""}},"Type":"image","id":"","scope":"local","status":"prune",{time}"#
    );
    let plain = format!(
        r#"{{"Type":"image","Action":"prune","Actor":{{"ID":"","Attributes":{{"reclaimed":"1"}}}},"scope":"local",{time}"#
    );
    for (semantics, version, expected, content_type) in [
        (Semantics::MOBY_28_5, "", &legacy, "application/json"),
        (Semantics::MOBY_29, "/v1.51", &sorted, "application/json"),
        (Semantics::MOBY_29, "/v1.52", &plain, "application/jsonl"),
        (Semantics::MOBY_29, "", &plain, "application/jsonl"),
    ] {
        let reply = told(semantics, version);
        assert_eq!(reply.body, format!("{expected}\n"), "{semantics} {version}");
        assert_eq!(reply.header("content-type"), Some(content_type), "{semantics} {version}");
    }
    let daemon = filled(Semantics::MOBY_29);
    let socket = daemon.socket().unwrap();
    let container = get(
        socket,
        "/v1.51/events?since=1&until=1700000000.1&filters=%7B%22type%22:%5B%22container%22%5D%7D",
    );
    assert!(container.body.contains(r#""Type":"container","from":"base:1","id":""#), "{}", container.body);
    for (accept, content_type, start) in [
        ("application/x-ndjson", "application/x-ndjson", "{"),
        ("application/json-seq", "application/json-seq", "\u{1e}{"),
        ("application/json", "application/jsonl", "{"),
        ("application/json-seq, */*", "application/jsonl", "{"),
    ] {
        let head =
            format!("GET /events?since=1&until=1700000000.1 HTTP/1.0\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
        let answer = raw(socket, head.as_bytes());
        assert!(answer.contains(&format!("Content-Type: {content_type}\r\n")), "{accept}: {answer}");
        assert!(answer.split_once("\r\n\r\n").unwrap().1.starts_with(start), "{accept}: {answer}");
    }
}

/// A status and a message.
type Answered = (u16, &'static str);

#[test]
fn times_of_events_are_read_as_their_version_reads_them() {
    let table: [(&str, Answered, Answered); 6] = [
        (
            "since=x",
            (500, r#"strconv.ParseInt: parsing "x": invalid syntax"#),
            (400, r#"invalid value for 'since': invalid timestamp "x": invalid seconds "x": invalid syntax"#),
        ),
        (
            "until=1.x",
            (500, r#"strconv.ParseInt: parsing "x": invalid syntax"#),
            (
                400,
                r#"invalid value for 'until': invalid timestamp "1.x": invalid nanoseconds: invalid character 'x' at position 0"#,
            ),
        ),
        (
            "since=%20",
            (500, r#"strconv.ParseInt: parsing " ": invalid syntax"#),
            (400, r#"invalid value for 'since': invalid timestamp " ": invalid seconds " ": invalid syntax"#),
        ),
        (
            "since=99999999999999999999",
            (500, r#"strconv.ParseInt: parsing "99999999999999999999": value out of range"#),
            (
                400,
                r#"invalid value for 'since': invalid timestamp "99999999999999999999": invalid seconds "99999999999999999999": value out of range"#,
            ),
        ),
        (
            "since=5&until=3",
            (400, "`since` time (5) cannot be after `until` time (3)"),
            (400, "`since` time (5) cannot be after `until` time (3)"),
        ),
        ("since=1.&until=2.", (500, r#"strconv.ParseInt: parsing "": invalid syntax"#), (200, "")),
    ];
    let (old, new) = (daemon(Semantics::MOBY_28_5), daemon(Semantics::MOBY_29));
    for (query, of_old, of_new) in table {
        for (daemon, (status, message)) in [(&old, of_old), (&new, of_new)] {
            let reply = get(daemon.socket().unwrap(), &format!("/events?{query}"));
            let body = serde_json::from_str::<Value>(&reply.body).unwrap_or(json!({ "message": "" }));
            assert_eq!((reply.status, body["message"].as_str().unwrap()), (status, message), "{query}");
        }
    }
}

#[test]
fn disk_usage_has_its_versions_form() {
    let body = |daemon: &TestDaemon, path: &str| get(daemon.socket().unwrap(), path).body;
    let empty = daemon(Semantics::MOBY_29);
    let lists = "{\"Images\":[],\"Containers\":[],\"Volumes\":[],\"BuildCache\":[]}\n";
    assert_eq!(body(&empty, "/v1.51/system/df"), lists);
    assert_eq!(body(&empty, "/v1.51/system/df?type=image"), "{\"Images\":[]}\n");
    let empty = daemon(Semantics::MOBY_28_5);
    assert_eq!(body(&empty, "/system/df"), lists.replacen('{', "{\"LayersSize\":0,", 1));
    assert_eq!(
        body(&empty, "/system/df?type=container"),
        "{\"LayersSize\":0,\"Images\":null,\"Containers\":[],\"Volumes\":null,\"BuildCache\":null}\n"
    );
    for (path, status) in [("/system/df?type=x", 400), ("/v1.41/system/df?type=x", 200)] {
        let reply = get(empty.socket().unwrap(), path);
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.body.contains("unknown object type: x"), status == 400, "{}", reply.body);
    }

    let daemon = filled(Semantics::MOBY_29);
    let usage = json_of(&daemon, "/system/df");
    assert!(usage["Images"].is_array() && usage["Volumes"].is_array(), "{usage}");
    let images = &usage["ImageUsage"];
    assert_eq!(
        (&images["TotalCount"], &images["ActiveCount"], &images["TotalSize"], &images["Reclaimable"]),
        (&json!(3), &json!(1), &json!(8), &json!(3)),
        "{images}"
    );
    assert_eq!(usage["ContainerUsage"]["TotalCount"], 1);
    assert_eq!(usage["BuildCacheUsage"], json!({}));
    let usage = json_of(&daemon, "/system/df?verbose=1");
    assert!(
        usage.get("Images").is_none() && usage["ImageUsage"]["Items"].as_array().unwrap().len() == 3,
        "{usage}"
    );
    let usage = json_of(&daemon, "/system/df?type=image&verbose=1");
    assert_eq!(usage.as_object().unwrap().keys().collect::<Vec<_>>(), ["ImageUsage"]);
}

#[test]
fn lists_of_images_have_their_versions_form() {
    let daemon = filled(Semantics::MOBY_29);
    let count = |daemon: &TestDaemon, query: &str| {
        json_of(daemon, &format!("/images/json?{query}")).as_array().map_or(0, Vec::len)
    };
    for pattern in ["docker.io/library/base", "docker.io/library/base:1", "docker.io/library/b*", "base"] {
        let query = format!("filters=%7B%22reference%22:%5B%22{}%22%5D%7D", pattern.replace('/', "%2F"));
        assert_eq!(count(&daemon, &query), 1, "{pattern}");
        let old = usize::from(pattern == "base");
        assert_eq!(count(&filled(Semantics::MOBY_28_5), &query), old, "{pattern}");
    }
    let until = |value: &str| format!("filters=%7B%22until%22:%5B%22{value}%22%5D%7D");
    assert_eq!(count(&daemon, &until("2020-06-01")), 1);
    assert_eq!(count(&daemon, "filters=%7B%22until%22:%5B%222020-06-01%22,%222022-01-01%22%5D%7D"), 1);
    let wrong = |daemon: &TestDaemon| {
        let reply = get(daemon.socket().unwrap(), &format!("/images/json?{}", until("x")));
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        (reply.status, body["message"].as_str().unwrap().to_owned())
    };
    let (status, message) = wrong(&daemon);
    assert!(status == 400 && message.starts_with("invalid value for 'until' filter: "), "{message}");
    assert_eq!(
        wrong(&filled(Semantics::MOBY_28_5)),
        (500, "failed to parse value as time or duration: \"x\"".to_owned())
    );
    let socket = daemon.socket().unwrap();
    for (path, status) in [
        ("/v1.54/images/json?identity=1", 400),
        ("/v1.54/images/json?identity=1&manifests=1", 200),
        ("/v1.53/images/json?identity=1", 200),
    ] {
        assert_eq!(get(socket, path).status, status, "{path}");
    }
    let containers = |version: u16| {
        let images = json_of(&daemon, &format!("/v1.{version}/images/json"));
        images.as_array().unwrap().iter().map(|image| image["Containers"].as_i64().unwrap()).sum::<i64>()
    };
    assert_eq!((containers(50), containers(51)), (-3, 1));
    let shared = json_of(&daemon, "/images/json?shared-size=1");
    assert!(shared.as_array().unwrap().iter().all(|image| image["SharedSize"] == 5), "{shared}");
}

#[test]
fn inspected_images_have_their_versions_form() {
    let keys = |daemon: &TestDaemon, version: u16| {
        let body = get(daemon.socket().unwrap(), &format!("/v1.{version}/images/u:1/json")).body;
        let image: Value = serde_json::from_str(&body).unwrap();
        (body.split('"').nth(1).unwrap().to_owned(), image)
    };
    let (new, old) = (filled(Semantics::MOBY_29), filled(Semantics::MOBY_28_5));
    assert_eq!((keys(&new, 51).0.as_str(), keys(&old, 51).0.as_str()), ("Architecture", "Id"));
    let (_, image) = keys(&new, 52);
    for gone in ["Author", "Comment", "DockerVersion", "Container", "ContainerConfig"] {
        assert!(image.get(gone).is_none(), "{gone}");
    }
    assert!(image["Parent"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(keys(&new, 51).1["Author"], "");
    let base = |version: u16| json_of(&old, &format!("/v1.{version}/images/base:1/json"));
    assert!(base(44).get("ContainerConfig").is_some() && base(45).get("ContainerConfig").is_none());
    assert!(base(49)["Config"].get("Hostname").is_some());
    let config = base(50)["Config"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(config, ["Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "User", "Volumes", "WorkingDir"]);
    let compact = json_of(&new, "/images/base:1/json");
    assert_eq!(compact["Config"], json!({ "Cmd": ["x"] }));
    let missing = get(new.socket().unwrap(), "/images/nosuch/json").body;
    assert_eq!(missing, "{\"message\":\"No such image: nosuch:latest\"}\n");
}

#[test]
fn prunes_have_their_versions_texts() {
    let until = |value: &str| format!("filters=%7B%22until%22:{value}%7D");
    let new = daemon(Semantics::MOBY_29);
    let socket = new.socket().unwrap();
    for route in ["containers", "networks"] {
        let reply = post(socket, &format!("/{route}/prune?{}", until("%5B%22x%22%5D")));
        let text = "failed to parse value as time or duration: invalid seconds \\\"x\\\": invalid syntax";
        assert_eq!((reply.status, reply.body), (400, format!("{{\"message\":\"{text}\"}}\n")), "{route}");
    }
    let reply = post(socket, &format!("/networks/prune?{}", until("%7B%7D")));
    assert_eq!((reply.status, reply.body.as_str()), (200, "{\"NetworksDeleted\":null}\n"));
    // Volumes with a name stay since API 1.42, unless all are asked for.
    let make = |body: &str| request(socket, "POST", "/volumes/create", "application/json", body.as_bytes());
    make("{}");
    make(r#"{"Name":"named"}"#);
    let pruned = |path: &str| post(socket, path).body.matches('"').count();
    assert_eq!(pruned("/volumes/prune"), 6);
    assert!(get(socket, "/volumes/named").status == 200);
    post(socket, "/volumes/prune?filters=%7B%22all%22:%5B%22true%22%5D%7D");
    assert_eq!(get(socket, "/volumes/named").status, 404);
    make(r#"{"Name":"named"}"#);
    post(socket, "/v1.41/volumes/prune");
    assert_eq!(get(socket, "/volumes/named").status, 404);
}

#[test]
fn filters_of_containers_have_their_versions_texts() {
    let daemon = daemon(Semantics::MOBY_28_5);
    for (key, status, message) in [
        ("before", 404, "No such container: x"),
        ("exited", 400, "invalid filter 'exited=x': strconv.Atoi: parsing \"x\": invalid syntax"),
        (
            "status",
            400,
            "invalid filter 'status=x': invalid value for state (x): must be one of created, running, paused, restarting, \
             removing, exited, dead",
        ),
    ] {
        let path = format!("/containers/json?filters=%7B%22{key}%22:%5B%22x%22%5D%7D");
        let reply = get(daemon.socket().unwrap(), &path);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status, body["message"].as_str().unwrap()), (status, message));
    }
}

#[test]
fn prunes_have_a_lowest_version() {
    let mut semantics = Semantics::MOBY_29;
    semantics.api_versions.0 = 24;
    let daemon = daemon(semantics);
    for (path, minimum) in
        [("images", 25), ("containers", 25), ("volumes", 25), ("networks", 25), ("build", 31)]
    {
        let asked = |minor: u16| post(daemon.socket().unwrap(), &format!("/v1.{minor}/{path}/prune"));
        let text =
            format!("{{\"message\":\"POST /{path}/prune requires minimum API version 1.{minimum}\"}}\n");
        assert_eq!((asked(24).status, asked(24).body), (400, text));
        assert_eq!(asked(minimum).status, 200, "{path}");
    }
}

#[test]
fn images_are_asked_for_by_platform() {
    let daemon = filled(Semantics::MOBY_28_5);
    let socket = daemon.socket().unwrap();
    let arm = "platform=%7B%22os%22:%22linux%22,%22architecture%22:%22arm64%22%7D";
    let text = "image with reference base:1 was found but its platform (linux/amd64) does not match the specified platform \
                (linux/arm64)";
    for (path, status, message) in [
        (format!("/images/base:1/json?{arm}"), 404, text),
        (format!("/images/base:1/history?{arm}"), 404, text),
        (
            format!("/images/base:1/get?{arm}"),
            500,
            "no suitable export target found for platform linux/arm64",
        ),
        (
            "/images/base:1/json?platform=x".to_owned(),
            400,
            "failed to parse platform: invalid character 'x' looking for beginning of value",
        ),
    ] {
        let reply = get(socket, &path);
        assert_eq!(
            (reply.status, reply.body),
            (status, format!("{{\"message\":\"{message}\"}}\n")),
            "{path}"
        );
    }
    let amd = arm.replace("arm64", "amd64");
    for path in [format!("/images/base:1/json?{amd}"), format!("/v1.47/images/base:1/history?{arm}")] {
        assert_eq!(get(socket, &path).status, 200, "{path}");
    }
    let refused = request(socket, "DELETE", "/images/u:1?platforms=x", "", b"");
    assert!(refused.status == 400 && refused.body.contains("failed to parse platform"), "{}", refused.body);
}

#[test]
fn containers_have_their_versions_form() {
    let daemon = filled(Semantics::MOBY_28_5);
    let container = json_of(&daemon, "/containers/one/json");
    let settings = &container["HostConfig"];
    assert_eq!(settings["NetworkMode"], "bridge");
    assert_eq!(settings["RestartPolicy"], json!({ "Name": "no", "MaximumRetryCount": 0 }));
    assert_eq!(
        (&settings["Runtime"], settings["MaskedPaths"].as_array().unwrap().len()),
        (&json!("runc"), 12)
    );
    assert!(settings.get("KernelMemory").is_none() && settings.get("KernelMemoryTCP").is_none());
    assert!(container["GraphDriver"]["Data"]["ID"].is_string());
    let network = &container["NetworkSettings"]["Networks"]["bridge"];
    assert_eq!((&network["DNSNames"], &network["GwPriority"]), (&Value::Null, &json!(0)));
    let listed = &json_of(&daemon, "/containers/json?all=1")[0];
    assert_eq!(listed["HostConfig"]["NetworkMode"], "bridge");
    assert!(listed["NetworkSettings"]["Networks"]["bridge"].get("DNSNames").is_some());
}

#[test]
fn a_daemon_tells_of_itself_as_its_version_does() {
    let daemon = daemon(Semantics::MOBY_28_5);
    let has = |version: u16, key: &str| json_of(&daemon, &format!("/v1.{version}/info")).get(key).is_some();
    assert!(has(49, "BridgeNfIptables") && has(49, "BridgeNfIp6tables"));
    assert!(!has(50, "BridgeNfIptables") && !has(50, "BridgeNfIp6tables"));
    let info = json_of(&daemon, "/info");
    assert!(info["MemTotal"].as_i64().unwrap() > 0);
    assert!(info["CDISpecDirs"].is_array() && info["Containerd"].is_object(), "{info}");
}

#[test]
fn what_is_not_here_is_said_so() {
    let daemon = daemon(Semantics::MOBY_28_5);
    let socket = daemon.socket().unwrap();
    for (method, path) in [("POST", "/auth"), ("GET", "/distribution/busybox/json"), ("POST", "/build")] {
        let reply = request(socket, method, path, "application/json", b"{}");
        assert_eq!(reply.status, 501, "{path}");
        assert!(reply.body.contains(&format!("{method} {path} is not implemented")), "{}", reply.body);
    }
}

#[test]
fn an_archive_has_the_times_of_its_images() {
    let daemon = filled(Semantics::MOBY_20_10);
    let bytes = raw(daemon.socket().unwrap(), b"GET /images/base:1/get HTTP/1.0\r\nHost: x\r\n\r\n");
    let (_, archive) = bytes.split_once("\r\n\r\n").unwrap();
    let mut archive = tar::Archive::new(archive.as_bytes());
    let mut seen = 0;
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let expected =
            if matches!(path.as_str(), "manifest.json" | "repositories") { 0 } else { 1_577_836_800 };
        assert_eq!(entry.header().mtime().unwrap(), expected, "{path}");
        assert_eq!(entry.header().username().unwrap(), Some("root"), "{path}");
        seen += 1;
    }
    assert!(seen > 5, "{seen}");
}
