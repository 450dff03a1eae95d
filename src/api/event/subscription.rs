//! One subscriber: a queue of 1024 events between the log and whoever reads them (E-5).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::Event;
use crate::base::sync::{Condvar, Mutex, capacity};

/// How many events may wait for a subscriber (E-4).
const BUFFER: usize = capacity(1024);

/// Decides which events a subscriber sees.
pub type Predicate = Arc<dyn Fn(&Event) -> bool + Send + Sync>;

/// What both ends share. std's bounded channel cannot wait for a place with a deadline.
pub(super) struct Queue {
    filter: Option<Predicate>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Event>,
    is_evicted: bool,
}

impl Queue {
    pub(super) fn new(filter: Option<Predicate>) -> Self {
        Self { filter, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn is_evicted(&self) -> bool {
        self.state.lock().is_evicted
    }

    /// Adds the event, or drops it where no place gets free before the deadline.
    pub(super) fn push(&self, event: &Event, deadline: Instant) {
        if self.filter.as_ref().is_some_and(|filter| !filter(event)) {
            return;
        }
        let mut state = self.state.lock();
        while state.waiting.len() >= BUFFER && !state.is_evicted {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
        state.waiting.push_back(event.clone());
        self.changed.notify_all();
    }
}

/// The events that a subscriber has not read yet. Dropping it ends the subscription.
pub struct Subscription {
    queue: Arc<Queue>,
}

impl Subscription {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn try_next(&self) -> Option<Event> {
        self.take(&mut self.queue.state.lock())
    }

    /// The next event; waits for it until the deadline.
    #[must_use]
    pub fn next_until(&self, deadline: Instant) -> Option<Event> {
        let mut state = self.queue.state.lock();
        while state.waiting.is_empty() {
            if self.queue.changed.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        self.take(&mut state)
    }

    fn take(&self, state: &mut State) -> Option<Event> {
        let event = state.waiting.pop_front();
        if event.is_some() {
            self.queue.changed.notify_all();
        }
        event
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.queue.state.lock().is_evicted = true;
        self.queue.changed.notify_all();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.queue.state.lock().waiting.len();
        formatter.debug_struct("Subscription").field("waiting", &waiting).finish_non_exhaustive()
    }
}
