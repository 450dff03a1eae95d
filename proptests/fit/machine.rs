//! Volumes of a known size, and a daemon on one.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image_prune::client::{Client, Host};
use tempfile::TempDir;

use crate::registry::peer::has;

/// A tmpfs, unmounted in the end.
pub struct Mount(pub TempDir);

impl Mount {
    /// None where we may not mount.
    pub fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(folder.path())
            .output();
        if !mounted.is_ok_and(|done| done.status.success()) {
            println!("skipped: no tmpfs can be mounted here");
            return None;
        }
        Some(Self(folder))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A private dockerd.
pub struct Daemon {
    child: Child,
    pub host: String,
    pub root: PathBuf,
    _run: TempDir,
}

impl Daemon {
    pub fn start(volume: &Path) -> Option<Self> {
        if !has("dockerd") {
            return None;
        }
        let run = tempfile::tempdir().unwrap();
        let (root, socket) = (volume.join("root"), run.path().join("docker.sock"));
        let host = format!("unix://{}", socket.display());
        let child = Command::new("dockerd")
            .args(["--storage-driver", "vfs", "--iptables=false", "--ip6tables=false", "--bridge=none"])
            .arg("--data-root")
            .arg(&root)
            .arg("--exec-root")
            .arg(run.path().join("exec"))
            .arg("--pidfile")
            .arg(run.path().join("pid"))
            .args(["-H", &host])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Self { child, host, root, _run: run };
        let started = Instant::now();
        while daemon.client().version().is_err() {
            if started.elapsed() > Duration::from_secs(60) {
                println!("skipped: dockerd does not start here");
                return None;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(daemon)
    }

    pub fn client(&self) -> Client {
        Client::new(Host::parse(&self.host).unwrap()).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It unmounts and ends its containerd on SIGTERM.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
