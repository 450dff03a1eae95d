//! Reading many small files with two threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Progress;
use crate::base::error::Result;

/// Fewer items than this are not worth a thread.
const WORTH_A_THREAD: usize = 256;
/// How many items of the caller's thread lie between two reports.
const BETWEEN_REPORTS: usize = 64;

/// How far a reading is.
pub(super) struct Tracker<'a> {
    done: AtomicUsize,
    total: usize,
    report: Option<&'a dyn Fn(Progress)>,
}

impl<'a> Tracker<'a> {
    pub(super) fn new(total: usize, report: Option<&'a dyn Fn(Progress)>) -> Self {
        let tracker = Self { done: AtomicUsize::new(0), total, report };
        tracker.report();
        tracker
    }

    fn report(&self) {
        if let Some(report) = self.report {
            report(Progress { done: self.done.load(Ordering::Relaxed), total: self.total });
        }
    }
}

/// Does `work` to each item, in order as far as the answers go. Each thread has one buffer.
pub(super) fn map<T: Sync, R: Send>(
    items: &[T],
    tracker: &Tracker<'_>,
    work: impl Fn(&T, &mut Vec<u8>) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    // The caller's function is for the caller's thread alone.
    let done = &tracker.done;
    let run = |items: &[T], report: &dyn Fn()| -> Result<Vec<R>> {
        let mut buffer = Vec::new();
        let mut answers = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            answers.push(work(item, &mut buffer)?);
            done.fetch_add(1, Ordering::Relaxed);
            if index % BETWEEN_REPORTS == 0 {
                report();
            }
        }
        Ok(answers)
    };
    if items.len() < WORTH_A_THREAD {
        let answers = run(items, &|| tracker.report())?;
        tracker.report();
        return Ok(answers);
    }
    let (ours, theirs) = items.split_at(items.len() / 2);
    let (first, second) = thread::scope(|scope| {
        let second = scope.spawn(|| run(theirs, &|| {}));
        (run(ours, &|| tracker.report()), second.join())
    });
    let mut answers = first?;
    answers.extend(second.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
    tracker.report();
    Ok(answers)
}
