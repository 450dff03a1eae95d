//! The agent: prunes a daemon again and again, on a device that nobody looks after.
//!
//! ```text
//! View ─► RunPlan ─► journal ─► apply ─► RunResult ─► journal, report, metrics
//!  ▲                              │
//!  └───── backoff, once more ◄────┘ the daemon is busy, slow, cut off or away
//! ```
//!
//! Without [keep rules](super::KeepRules) a run is one `POST /images/prune`. With them it is one
//! [deletion](super::deletion) after the other, each looked at again right before: what changed since the plan stays.
//! What a run may delete is in the journal before it deletes anything, each deletion as soon as the daemon has answered,
//! and a failure makes a new plan, not another try of the old one.
//!
//! ```no_run
//! use image_prune::client::agent::{Agent, Journal, JournalLimits, Settings, SystemClock};
//! use image_prune::client::{Client, Host, KeepRules};
//!
//! let (clock, stopper) = SystemClock::new();
//! let (journal, _) = Journal::open("/var/lib/image-prune/journal.jsonl", JournalLimits::default())?;
//! let client = Client::new(Host::standard())?;
//! let mut agent = Agent::new(client, journal, Settings::default());
//! // A signal handler calls `stopper.stop()`.
//! let result = agent.run_once(&clock, &mut || Ok(KeepRules::new().last(2)));
//! println!("{:?}: {} bytes", result.outcome, result.bytes_reported);
//! # drop(stopper);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod backoff;
mod clock;
mod endpoint;
mod journal;
mod metrics;
mod plan;
mod report;
mod run;

pub use super::deletion::{Answered, Effects, LateContainer, SkippedStep, Step};
pub use super::view::View;
pub use apply::apply;
pub use backoff::{Backoff, Jitter};
pub use clock::{Clock, Stopper, SystemClock};
pub use endpoint::Endpoint;
pub use journal::{Journal, JournalLimits, Repair};
pub use metrics::Metrics;
pub use plan::{How, KeptImage, RunPlan, Why};
pub use report::Reporter;
pub use run::{Agent, Outcome, Retry, RunResult, Settings};
