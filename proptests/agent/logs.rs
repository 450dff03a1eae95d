//! `clean --logs` and `df --logs` on a daemon that says where logs are, and may say anything.

use std::fs;
use std::path::{Path, PathBuf};

use image_prune::server::TestDaemon;
use serde_json::{Value, json};

use crate::command::case::command;
use crate::support::proxy::Proxy;

fn id() -> String {
    "a".repeat(64)
}

/// A daemon with this root, and one container whose log is here.
fn daemon(behind: &TestDaemon, root: &Path, log: &Path) -> Proxy {
    let (root, log) = (root.to_owned(), log.to_owned());
    Proxy::new(behind, move |request| -> Option<Value> {
        let image = format!("sha256:{}", "b".repeat(64));
        match request {
            "GET /info" => Some(
                json!({ "ID": "x", "DockerRootDir": root, "Driver": "vfs", "SystemTime": "2026-01-01T00:00:00Z" }),
            ),
            "GET /containers/json" => Some(
                json!([{ "Id": id(), "Names": ["/c"], "Image": image, "ImageID": image, "State": "running" }]),
            ),
            _ if request == format!("GET /containers/{}/json", id()) => Some(
                json!({ "Id": id(), "Name": "/c", "Created": "2026-01-01T00:00:00Z", "Image": image, "LogPath": log }),
            ),
            _ => None,
        }
    })
}

fn write(file: &Path) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, "precious").unwrap();
}

/// The rest of the file after `clean --logs`, and its output.
fn clean(root: &Path, log: &Path) -> (String, String) {
    let behind = TestDaemon::builder().start().unwrap();
    let proxy = daemon(&behind, root, log);
    let output = command(root).args(["clean", "--logs", "-f", "--host", &proxy.host()]).output().unwrap();
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (fs::read_to_string(log).unwrap(), told)
}

#[test]
fn only_a_containers_own_log_is_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("docker");
    let (own, other) = (id(), "c".repeat(64));
    fs::create_dir_all(root.join("containers").join(&own)).unwrap();
    for below in [
        "containers/../volumes/db/_data/wal.log".to_owned(),
        "containers/../../auth.log".to_owned(),
        format!("containers/{own}/../../volumes/{own}-json.log"),
        format!("containers/{own}/hostname.log"),
        format!("containers/{own}/checkpoints/{own}-json.log"),
        format!("containers/{own}/{own}-json.logs"),
        format!("containers/{other}/{other}-json.log"),
        format!("containers/{own}/{other}-json.log"),
        format!("containers/{other}/{own}-json.log"),
        format!("containers/{own}-json.log"),
        format!("volumes/{own}/{own}-json.log"),
        "x.log".to_owned(),
    ] {
        let log: PathBuf = root.join(&below);
        write(&log);
        let (left, told) = clean(&root, &log);
        assert_eq!(left, "precious", "{below}: {told}");
        assert!(told.contains("own log") || told.contains("not below"), "{below}: {told}");
    }
    for below in [format!("containers/{own}/{own}-json.log"), format!("containers/{own}/{own}-json.log.1")] {
        let log = root.join(&below);
        write(&log);
        let (left, told) = clean(&root, &log);
        assert_eq!(left, "", "{below}: {told}");
    }
}

/// A root of a daemon that lies: the folder of another program's logs.
#[test]
fn another_programs_folder_is_no_root() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("var/log");
    for below in ["containers/../auth.log", "containers/app.log"] {
        let log = root.join(below);
        fs::create_dir_all(root.join("containers")).unwrap();
        write(&log);
        assert_eq!(clean(&root, &log).0, "precious", "{below}");
    }
    let log = folder.path().join("x.log");
    write(&log);
    assert_eq!(clean(Path::new("/"), &log).0, "precious");
}
