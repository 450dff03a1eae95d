//! The containerd image store: what moby recorded, laws, what random stores reach, and the oracle's judgement. Engine and
//! model are held against each other in `containerd_engine`.

#[cfg(feature = "cli")]
mod command;
mod coverage;
mod faults;
mod faulty;
mod laws;
mod length;
mod oracle;
mod recorded;
