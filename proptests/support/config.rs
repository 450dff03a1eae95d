//! How many cases are run, and where the seeds of failures are kept.

use proptest::test_runner::{Config, FileFailurePersistence};

/// Runs `cases` cases, or as many as `PROPTEST_CASES` says; seeds of failures go to `seeds` and are
/// committed. Any other place than a direct path would put them beside the sources.
pub fn config(seeds: &'static str, cases: u32) -> Config {
    let default = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    let persistence = FileFailurePersistence::Direct(seeds);
    Config { cases, failure_persistence: Some(Box::new(persistence)), ..default }
}
