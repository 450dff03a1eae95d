//! The agent: runs, and what comes between them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::base::digest::ImageId;
use crate::go::time::Timestamp;

use super::super::api::Client;
use super::super::deletion::{Answered, Effects, LateContainer, SkippedStep};
use super::super::error::ClientError;
use super::super::keep::KeepRules;
use super::super::state::image_id;
use super::super::view::View;
use super::apply::Execution;
use super::backoff::{Backoff, Jitter};
use super::clock::Clock;
use super::journal::Journal;
use super::plan::{How, KeptImage, RunPlan};

/// What an agent does, and how patiently.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The filters of a prune, as the API takes them.
    pub filters: String,
    /// Between the attempts of one run.
    pub backoff: Backoff,
    /// The time, from the first attempt of a run, after which none begins any more; the number of attempts has no limit
    /// then. `None` leaves that to `backoff`.
    pub retry_for: Option<Duration>,
    /// Chooses the jitter.
    pub seed: u64,
}

impl Default for Settings {
    /// All unused images: `dangling=false`.
    fn default() -> Self {
        Self {
            filters: r#"{"dangling":["false"]}"#.to_owned(),
            backoff: Backoff::default(),
            retry_for: None,
            seed: 0,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All that was planned is gone.
    Done,
    /// Some of it stays: it had changed since.
    Partial,
    /// The agent gave up; the next run begins anew.
    Failed,
    /// The agent was to stop.
    Stopped,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Done, Self::Partial, Self::Failed, Self::Stopped];

    /// As the journal writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// What a run did: a line of the journal, and what is reported.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename = "result")]
pub struct RunResult {
    /// The same for all lines of a run.
    pub run: String,
    /// When it ended, RFC 3339.
    pub time: String,
    /// Unix seconds of the same.
    #[serde(skip)]
    pub unix_seconds: i64,
    /// Where the daemon listens.
    pub host: String,
    /// The daemon's ID; empty where it did not answer.
    pub daemon: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Plans that were made.
    pub attempts: u32,
    /// How long it took.
    pub seconds: i64,
    /// The images that went, in order, and whatever else the daemon says it deleted that is no known layer.
    pub deleted: Vec<String>,
    /// Images that were to be deleted and are gone, though no answer about them arrived. Where the daemon could not be
    /// looked at afterwards, all whose answer was lost.
    pub unconfirmed: Vec<String>,
    /// The references that went.
    pub untagged: Vec<String>,
    /// The most bytes that the first plan foretold.
    pub bytes_foretold: u64,
    /// The least that it foretold, where it did not know all sizes.
    pub bytes_at_least: u64,
    /// Bytes that came back, as the daemon says; of single deletions the layers that it says went.
    pub bytes_reported: u64,
    /// What was planned and left.
    pub skipped: Vec<SkippedStep>,
    /// Containers that were created from an image while it was deleted; among the warnings, too.
    pub late_containers: Vec<LateContainer>,
    /// Why the images stay that the last plan keeps. Empty where the answer to a prune was lost and the daemon could not
    /// be looked at afterwards.
    pub kept: Vec<KeptImage>,
    /// What does not mean what it seems to.
    pub warnings: Vec<String>,
    /// What went wrong last, also where it was overcome.
    pub error: Option<String>,
}

/// Prunes one daemon.
#[derive(Debug)]
pub struct Agent {
    client: Client,
    journal: Journal,
    settings: Settings,
    jitter: Jitter,
    runs: u64,
}

/// A plan's line in the journal.
#[derive(Serialize)]
#[serde(tag = "kind", rename = "plan")]
struct PlanLine<'a> {
    run: &'a str,
    attempt: u32,
    time: String,
    host: String,
    daemon: &'a str,
    filters: &'a str,
    #[serde(flatten)]
    plan: &'a RunPlan,
}

/// A deletion's line in the journal, written as soon as the daemon has answered: the result of a run that is killed never
/// comes.
#[derive(Serialize)]
#[serde(tag = "kind", rename = "step")]
struct StepLine<'a> {
    run: &'a str,
    time: String,
    #[serde(flatten)]
    answered: &'a Answered,
}

/// A failure that is not the end of its run yet: a line of the journal, and what [`Agent::run_watched`] tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename = "retry")]
pub struct Retry {
    /// The same for all lines of a run.
    pub run: String,
    /// The attempt that failed, counted from 1.
    pub attempt: u32,
    /// When it failed, RFC 3339.
    pub time: String,
    /// Why.
    pub error: String,
    /// The time until the next attempt.
    #[serde(rename = "wait_seconds", serialize_with = "seconds")]
    pub wait: Duration,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

impl Agent {
    /// An agent for the daemon behind `client`, which writes down what it does.
    #[must_use]
    pub fn new(client: Client, journal: Journal, settings: Settings) -> Self {
        let jitter = Jitter::new(settings.seed);
        Self { client, journal, settings, jitter, runs: 0 }
    }

    /// Its journal.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// One run: plans until a plan could be carried out, or patience ends. `rules` is asked before each plan, so that
    /// files are read as they are then; where it fails nothing is deleted.
    pub fn run_once(
        &mut self,
        clock: &dyn Clock,
        rules: &mut dyn FnMut() -> crate::base::error::Result<KeepRules>,
    ) -> RunResult {
        self.run_watched(clock, rules, &mut |_| ())
    }

    /// [`Agent::run_once`]; calls `on_retry` before each wait for another attempt.
    pub fn run_watched(
        &mut self,
        clock: &dyn Clock,
        rules: &mut dyn FnMut() -> crate::base::error::Result<KeepRules>,
        on_retry: &mut dyn FnMut(&Retry),
    ) -> RunResult {
        let began = clock.now();
        self.runs += 1;
        let mut run = Run::new(format!("{began}-{}", self.runs));
        let outcome = loop {
            run.attempts += 1;
            match self.attempt(&mut run, clock, rules) {
                Ok(()) if clock.is_stopping() => break Outcome::Stopped,
                Ok(()) if run.gone.skipped.is_empty() => break Outcome::Done,
                Ok(()) => break Outcome::Partial,
                Err(error) => {
                    run.error = Some(error.to_string());
                    let wait = self.next_wait(&run, clock.now().unix_seconds(), began.unix_seconds());
                    match wait.filter(|_| error.is_transient()) {
                        _ if clock.is_stopping() => break Outcome::Stopped,
                        None => break Outcome::Failed,
                        Some(wait) => {
                            let retry = run.retry(&error, wait, clock.now());
                            self.journal.append(&retry);
                            on_retry(&retry);
                            clock.sleep(wait);
                            run.waited += wait;
                        }
                    }
                    if clock.is_stopping() {
                        break Outcome::Stopped;
                    }
                }
            }
        };
        run.settle(&self.client, clock);
        let result = run.into_result(outcome, began, clock.now(), &self.client);
        self.journal.append(&result);
        result
    }

    /// How long to wait for the next attempt; `None` where there is none. The last one begins when the time is over.
    fn next_wait(&mut self, run: &Run, now: i64, began: i64) -> Option<Duration> {
        let Some(retry_for) = self.settings.retry_for else {
            return self.settings.backoff.wait(run.attempts, &mut self.jitter);
        };
        // A clock that is set back must not make a run endless.
        let passed = u64::try_from(now.saturating_sub(began)).map_or(Duration::ZERO, Duration::from_secs);
        let left = retry_for.checked_sub(passed.max(run.waited)).filter(|left| !left.is_zero())?;
        let endless = Backoff { attempts: u32::MAX, ..self.settings.backoff.clone() };
        endless.wait(run.attempts, &mut self.jitter).map(|wait| wait.min(left))
    }

    /// Looks, plans, writes the plan down, and carries it out.
    fn attempt(
        &mut self,
        run: &mut Run,
        clock: &dyn Clock,
        rules: &mut dyn FnMut() -> crate::base::error::Result<KeepRules>,
    ) -> Result<(), ClientError> {
        let wrong = |error: crate::base::error::Error| ClientError::invalid(error.to_string());
        let rules = rules().map_err(wrong)?;
        let view = View::read(&self.client)?;
        run.look(&view);
        let plan = RunPlan::new(&view, &self.settings.filters, &rules).map_err(wrong)?;
        run.note_plan(&plan);
        self.journal.append(&PlanLine {
            run: &run.id,
            attempt: run.attempts,
            time: clock.now().to_string(),
            host: self.client.host().to_string(),
            daemon: &view.daemon,
            filters: &self.settings.filters,
            plan: &plan,
        });
        if plan.is_empty() || clock.is_stopping() {
            return Ok(());
        }
        let filters = &self.settings.filters;
        let execution =
            Execution { client: &self.client, view: &view, filters, rules: &rules, plan: &plan, clock };
        let (journal, id) = (&mut self.journal, &run.id);
        let mut on_answer = |answered: &Answered| {
            journal.append(&StepLine { run: id, time: clock.now().to_string(), answered });
        };
        let done = execution.run(&mut on_answer, &mut run.gone);
        run.note_unconfirmed(&view, &plan);
        done
    }
}

/// A run as it goes.
struct Run {
    id: String,
    daemon: String,
    attempts: u32,
    /// Between the attempts.
    waited: Duration,
    gone: Effects,
    /// Images that may have gone with a request whose answer was lost.
    doubtful: BTreeSet<ImageId>,
    foretold: Option<(u64, u64)>,
    kept: Vec<KeptImage>,
    warnings: Vec<String>,
    error: Option<String>,
}

impl Run {
    fn new(id: String) -> Self {
        Self {
            id,
            daemon: String::new(),
            attempts: 0,
            waited: Duration::ZERO,
            gone: Effects::default(),
            doubtful: BTreeSet::new(),
            foretold: None,
            kept: Vec::new(),
            warnings: Vec::new(),
            error: None,
        }
    }

    fn retry(&self, error: &ClientError, wait: Duration, now: Timestamp) -> Retry {
        let (run, error) = (self.id.clone(), error.to_string());
        Retry { run, attempt: self.attempts, time: now.to_string(), error, wait }
    }

    fn look(&mut self, view: &View) {
        view.daemon.clone_into(&mut self.daemon);
        // They are planned anew, or not.
        self.gone.skipped.clear();
    }

    fn note_plan(&mut self, plan: &RunPlan) {
        self.foretold.get_or_insert((plan.bytes_foretold, plan.bytes_at_least));
        self.kept.clone_from(&plan.kept);
        self.warnings.clone_from(&plan.warnings);
    }

    /// A prune may take what was not planned, a single deletion takes nothing else.
    fn note_unconfirmed(&mut self, view: &View, plan: &RunPlan) {
        let asked = self.gone.unconfirmed.iter().filter_map(|id| id.parse::<ImageId>().ok());
        self.doubtful.extend(asked);
        if plan.how == How::Request && !self.gone.unconfirmed.is_empty() {
            self.doubtful.extend(view.stores.images.images().into_iter().map(|(id, ..)| id));
        }
    }

    /// Finds out what went with requests whose answers were lost.
    fn settle(&mut self, client: &Client, clock: &dyn Clock) {
        if self.doubtful.is_empty() {
            return;
        }
        // Who is to stop does not wait for a daemon that may not answer.
        let listed = if clock.is_stopping() { None } else { client.images(true).ok() };
        let Some(listed) = listed else {
            let doubtful = &self.doubtful;
            self.kept.retain(|kept| !doubtful.contains(&kept.id));
            return;
        };
        let there: BTreeSet<ImageId> = listed.iter().filter_map(|image| image_id(&image.id).ok()).collect();
        let lost = self.doubtful.difference(&there);
        self.gone.unconfirmed = lost.map(ToString::to_string).collect();
    }

    /// Nothing that went is said to be kept, and nothing is said to have gone twice.
    fn tidy(&mut self) {
        let Effects { deleted, unconfirmed, .. } = &mut self.gone;
        let mut said: BTreeSet<&String> = deleted.iter().collect();
        let is_new: Vec<bool> = unconfirmed.iter().map(|id| said.insert(id)).collect();
        let went: BTreeSet<ImageId> = said.into_iter().filter_map(|id| id.parse().ok()).collect();
        self.kept.retain(|kept| !went.contains(&kept.id));
        let mut is_new = is_new.into_iter();
        unconfirmed.retain(|_| is_new.next() == Some(true));
        self.warnings.extend(self.gone.late_containers.iter().map(ToString::to_string));
    }

    fn into_result(
        mut self,
        outcome: Outcome,
        began: Timestamp,
        ended: Timestamp,
        client: &Client,
    ) -> RunResult {
        self.tidy();
        let (bytes_foretold, bytes_at_least) = self.foretold.unwrap_or_default();
        RunResult {
            run: self.id,
            time: ended.to_string(),
            unix_seconds: ended.unix_seconds(),
            host: client.host().to_string(),
            daemon: self.daemon,
            outcome,
            attempts: self.attempts,
            // A clock may be set back meanwhile.
            seconds: ended.unix_seconds().saturating_sub(began.unix_seconds()).max(0),
            deleted: self.gone.deleted,
            unconfirmed: self.gone.unconfirmed,
            untagged: self.gone.untagged,
            bytes_foretold,
            bytes_at_least,
            bytes_reported: self.gone.bytes,
            skipped: self.gone.skipped,
            late_containers: self.gone.late_containers,
            kept: self.kept,
            warnings: self.warnings,
            error: self.error,
        }
    }
}

impl RunResult {
    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = format!(
            "{}: {} images deleted, {} reclaimed of {} foretold, {} kept",
            self.outcome.as_str(),
            self.deleted.len(),
            crate::base::units::human_size(self.bytes_reported.into()),
            crate::base::units::human_size(self.bytes_foretold.into()),
            self.kept.len(),
        );
        for (count, what) in [(self.unconfirmed.len(), "unconfirmed"), (self.skipped.len(), "left")] {
            if count > 0 {
                // Writing to a string does not fail.
                let _ = write!(text, ", {count} {what}");
            }
        }
        match &self.error {
            Some(error) if self.outcome == Outcome::Failed => format!("{text}: {error}"),
            _ => text,
        }
    }
}
