//! A real Podman of our own that serves Docker's API: its images and processes are gone when it is dropped.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image_prune::client::{Client, Host};
use tempfile::TempDir;

use super::dockerd::is_installed;

/// How long it may take to come up: a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Podman with the vfs driver.
pub struct Podman {
    service: Child,
    folder: TempDir,
}

impl Podman {
    /// None where there is no Podman on this machine, or it does not serve its API; then one line says what was skipped.
    pub fn start(test: &str) -> Option<Self> {
        if !is_installed("podman") {
            eprintln!("skipped: {test} needs podman (apt-get install podman)");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("image-prune-podman-").tempdir().unwrap();
        let mut command = Command::new("podman");
        command.arg("--root").arg(folder.path().join("root")).arg("--runroot").arg(folder.path().join("run"));
        command.args(["--storage-driver", "vfs", "system", "service", "--time=0"]);
        command.arg(format!("unix://{}", folder.path().join("socket").display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let podman = Self { service: command.spawn().unwrap(), folder };
        let client = podman.client();
        let deadline = Instant::now() + PATIENCE;
        while client.api_version().is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
        }
        if client.api_version().is_err() {
            eprintln!("skipped: {test}: podman does not serve its API here");
            return None;
        }
        Some(podman)
    }

    pub fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("socket")
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub fn client(&self) -> Client {
        Client::new(Host::parse(&self.host()).unwrap()).unwrap()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}
