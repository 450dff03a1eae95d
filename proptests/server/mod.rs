//! The daemon in memory: against dockerd, against real clients, against bad ones.

mod access;
mod bad_http;
mod clients;
mod equal;
mod faults;
mod life;
mod load;
mod peer;
mod pull;
#[cfg(feature = "cli")]
mod root;
mod slow;
mod surface;
mod uploads;

/// Hundreds of connections take more descriptors than many systems begin with.
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut descriptors = getrlimit(Resource::Nofile);
    descriptors.current = descriptors.maximum;
    setrlimit(Resource::Nofile, descriptors).unwrap();
}
