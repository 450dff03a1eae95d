//! A real dockerd of our own: its state, socket and processes are gone when it is dropped.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a daemon may take to come up: a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// dockerd with the vfs driver and no network.
pub struct Dockerd {
    process: Child,
    folder: TempDir,
}

impl Dockerd {
    /// None where there is no dockerd on this machine, or not by root; then one line says what was skipped.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_on(test, None)
    }

    /// The same, with its data root at a place of the test's.
    pub fn start_on(test: &str, root: Option<&Path>) -> Option<Self> {
        if !is_installed("dockerd") || !rustix::process::getuid().is_root() {
            eprintln!("skipped: {test} needs dockerd (Debian's docker.io), run as root");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("image-prune-dockerd-").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let log = File::create(at("log")).unwrap();
        let process = Command::new("dockerd")
            .args(["--storage-driver", "vfs", "--iptables=false", "--ip6tables=false", "--bridge=none"])
            .arg("--data-root")
            .arg(root.map_or_else(|| at("root"), Path::to_owned))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("-H")
            .arg(format!("unix://{}", at("docker.sock").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut daemon = Self { process, folder };
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(daemon.socket()).is_err() {
            let ended = daemon.process.try_wait().unwrap();
            let log = || std::fs::read_to_string(daemon.folder.path().join("log")).unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "dockerd did not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(daemon)
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

/// Whether there is such a program in the search path.
pub fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder: PathBuf| Path::new(&folder).join(program).is_file())
}
