//! Retention in a registry: which tags of which repositories go, by rules, and which bytes that frees.
//!
//! ```text
//! input file ─► Rules ─┐
//!                      ├─► plan ─► apply ─► what is gone, what stays and why
//! registry ─► collect ─┘   pure     looks at everything again
//!              Inventory
//! ```
//!
//! A registry does not delete tags, but digests, and with a digest every tag that points to it. So a digest goes
//! only where no tag that stays points to it, no index of such a tag lists it, it is not about anything that stays, and
//! everything could be read that might.
//!
//! ```no_run
//! use image_prune::registry::{Options, Registry, Rules, Schemes, apply, collect, plan};
//!
//! let rules = Rules::parse("62798b9bee0eb12322fc97e8 4 7 8", Schemes::default())?;
//! let registry = Registry::new(Options::new("localhost:5000".parse()?))?;
//! let now = 1_700_000_000;
//! let inventory = collect(&registry, &rules, true, &|_, _| ())?;
//! let plan = plan(&inventory, &rules, now);
//! println!("{} tags would go", plan.delete.len());
//! let applied = apply(&registry, &rules, &inventory, plan, now, &mut |_| ());
//! println!("{} tags are gone", applied.plan.delete.len());
//! # Ok::<(), image_prune::Error>(())
//! ```

mod address;
mod apply;
mod auth;
mod client;
mod collect;
mod http;
mod inventory;
mod names;
mod plan;
mod refusal;
mod rules;
mod ruling;
mod watch;

pub use address::Address;
pub use apply::{AppliedPlan, apply};
pub use auth::Credentials;
pub use client::{CONFIG_SIZE, Content, Fetched, Registry};
pub use collect::{Progress, collect};
pub use http::{Options, Pause};
pub use inventory::{Entry, Inventory, Pointer, Repository};
pub use plan::{Deletion, KeptTag, RetentionPlan, Subject, plan};
pub use refusal::Refusal;
pub use rules::{OWN_PREFIX, Rules, SHARED_REPOSITORY, Schemes};
pub use ruling::KeepReason;
