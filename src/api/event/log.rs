//! The ring that remembers events, and those who listen (E-1 to E-6; moby's
//! `daemon/events/events.go`, `pkg/pubsub/publisher.go`).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::subscription::{Predicate, Queue, Subscription};
use super::{Actor, Event, EventSink, ImageEvent};
use crate::base::sync::{Mutex, capacity};
use crate::go::time::Timestamp;

/// How many events the ring remembers (E-3).
const RING: usize = capacity(256);

/// How long a full subscriber may hold everybody up (E-5).
const PATIENCE: Duration = Duration::from_millis(100);

/// Tells the time of an event.
pub type EventClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The events of a daemon: the last 256, and subscribers that hear of new ones.
///
/// ```
/// use image_prune::event::{EventLog, EventSink, ImageEvent};
/// use image_prune::Timestamp;
///
/// let log = EventLog::new(|| Timestamp::new(1_700_000_000, 5));
/// let (past, live) = log.subscribe();
/// log.publish(ImageEvent::Prune(42));
/// assert!(past.is_empty());
/// assert_eq!(live.try_next().unwrap().attribute("reclaimed"), Some("42"));
/// ```
pub struct EventLog {
    clock: EventClock,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    ring: VecDeque<Message>,
    subscribers: Vec<Arc<Queue>>,
}

/// An event in the ring: text is made of it when somebody asks.
#[derive(Clone)]
struct Message {
    time: Timestamp,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Image(ImageEvent),
    Other(Arc<Event>),
}

impl Message {
    fn to_event(&self) -> Event {
        match &self.body {
            Body::Image(event) => Event::new(event, self.time),
            Body::Other(event) => Event::clone(event),
        }
    }
}

impl EventLog {
    /// No events yet. `clock` is asked once for each event.
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), inner: Mutex::new(Inner::default()) }
    }

    /// Logs any event (E-1).
    pub fn log(
        &self,
        kind: impl Into<Cow<'static, str>>,
        action: impl Into<Cow<'static, str>>,
        actor: Actor,
    ) {
        let time = (self.clock)();
        let event = Event { kind: kind.into(), action: action.into(), actor, time };
        self.append(Message { time, body: Body::Other(Arc::new(event)) });
    }

    /// The events of the ring, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<Event> {
        let messages = self.inner.lock().ring.clone();
        messages.iter().map(Message::to_event).collect()
    }

    /// The ring, and all that comes from now on (E-4). No event is missed or seen twice.
    #[must_use]
    pub fn subscribe(&self) -> (Vec<Event>, Subscription) {
        let mut inner = self.inner.lock();
        let messages = inner.ring.clone();
        let subscription = inner.add_subscriber(None);
        drop(inner);
        (messages.iter().map(Message::to_event).collect(), subscription)
    }

    /// The events of the ring between `since` and `until`, both included, that `filter` lets pass, oldest
    /// first; and all those that come from now on and pass it (E-4, E-6). Without a bound nothing is
    /// replayed.
    #[must_use]
    pub fn subscribe_filtered(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        filter: Option<Predicate>,
    ) -> (Vec<Event>, Subscription) {
        let replayed = filter.clone();
        let passes = |event: &Event| replayed.as_ref().is_none_or(|filter| filter(event));
        let mut inner = self.inner.lock();
        let newest_first: Vec<_> = inner.between(since, until).cloned().collect();
        let subscription = inner.add_subscriber(filter);
        // The filter is somebody's code: no lock is held while it runs.
        drop(inner);
        (newest_first.iter().rev().map(Message::to_event).filter(passes).collect(), subscription)
    }

    /// The number of subscribers.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        let mut inner = self.inner.lock();
        inner.drop_evicted();
        inner.subscribers.len()
    }

    fn append(&self, message: Message) {
        let mut inner = self.inner.lock();
        if inner.ring.len() == RING {
            inner.ring.pop_front();
        }
        if inner.subscribers.is_empty() {
            inner.ring.push_back(message);
            return;
        }
        inner.ring.push_back(message.clone());
        inner.drop_evicted();
        let subscribers = inner.subscribers.clone();
        drop(inner);
        let event = message.to_event();
        // DIFFERENCE(deadline-of-subscribers): moby sends to all at once and waits for all; one deadline for all of them is
        // the same (E-5).
        let deadline = std::time::Instant::now() + PATIENCE;
        for subscriber in subscribers {
            subscriber.push(&event, deadline);
        }
    }
}

impl Inner {
    /// E-6, newest first.
    fn between(&self, since: Option<Timestamp>, until: Option<Timestamp>) -> impl Iterator<Item = &Message> {
        let is_bounded = since.is_some() || until.is_some();
        let since = since.map(Timestamp::unix_nanos).filter(|_| is_bounded);
        let until = until.map(Timestamp::unix_nanos).filter(|until| *until > 0);
        let newest_first = self.ring.iter().rev().take_while(move |message| {
            is_bounded && since.is_none_or(|since| message.time.unix_nanos() >= since)
        });
        newest_first.filter(move |message| until.is_none_or(|until| message.time.unix_nanos() <= until))
    }

    fn add_subscriber(&mut self, filter: Option<Predicate>) -> Subscription {
        let queue = Arc::new(Queue::new(filter));
        self.subscribers.push(Arc::clone(&queue));
        Subscription::new(queue)
    }

    fn drop_evicted(&mut self) {
        self.subscribers.retain(|subscriber| !subscriber.is_evicted());
    }
}

impl EventSink for EventLog {
    fn publish(&self, event: ImageEvent) {
        self.append(Message { time: (self.clock)(), body: Body::Image(event) });
    }
}

impl<T: EventSink + ?Sized> EventSink for Arc<T> {
    fn publish(&self, event: ImageEvent) {
        (**self).publish(event);
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner.lock();
        formatter
            .debug_struct("EventLog")
            .field("events", &inner.ring.len())
            .field("subscribers", &inner.subscribers.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Instant;

    use super::*;

    /// A log in which the n-th event happens at second n, from 1 on.
    fn log() -> EventLog {
        let seconds = AtomicI64::new(0);
        EventLog::new(move || Timestamp::new(seconds.fetch_add(1, Ordering::Relaxed) + 1, 0))
    }

    fn at(seconds: i64, nanos: u32) -> Timestamp {
        Timestamp::new(seconds, nanos)
    }

    #[test]
    fn replay_keeps_bounds_and_order() {
        let log = log();
        for bytes in 1..=3 {
            log.publish(ImageEvent::Prune(bytes));
        }
        let replay = |since: Option<Timestamp>, until: Option<Timestamp>| {
            let (replay, _) = log.subscribe_filtered(since, until, None);
            replay.iter().map(|event| event.time.unix_seconds()).collect::<Vec<_>>()
        };
        assert_eq!(replay(Some(at(2, 0)), None), [2, 3]);
        assert_eq!(replay(Some(at(2, 1)), None), [3]);
        assert_eq!(replay(None, Some(at(2, 0))), [1, 2]);
        assert_eq!(replay(Some(at(0, 0)), Some(at(0, 0))), [1, 2, 3]);
        assert!(replay(None, None).is_empty());
    }

    #[test]
    fn the_ring_forgets_the_oldest() {
        let log = log();
        for bytes in 0..300 {
            log.publish(ImageEvent::Prune(bytes));
        }
        let history = log.history();
        assert_eq!(history.len(), 256);
        assert_eq!(history[0].attribute("reclaimed"), Some("44"));
    }

    #[test]
    fn a_full_subscriber_loses_events_after_a_while_and_stays() {
        let log = log();
        let (_, slow) = log.subscribe();
        for bytes in 0..1024 {
            log.publish(ImageEvent::Prune(bytes));
        }
        let before = Instant::now();
        log.publish(ImageEvent::Prune(1024));
        assert!(before.elapsed() >= PATIENCE);
        assert_eq!(std::iter::from_fn(|| slow.try_next()).count(), 1024);
        log.publish(ImageEvent::Prune(1025));
        assert_eq!(slow.try_next().unwrap().attribute("reclaimed"), Some("1025"));
        drop(slow);
        assert_eq!(log.subscribers(), 0);
    }

    #[test]
    fn a_message_is_written_as_moby_writes_it() {
        let log = EventLog::new(|| Timestamp::new(1, 2));
        log.publish(ImageEvent::Prune(0));
        log.log("container", "die", Actor { id: "abc".into(), attributes: None });
        let texts: Vec<_> = log.history().iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        assert_eq!(
            texts[0],
            r#"{"status":"prune","Type":"image","Action":"prune","Actor":{"ID":"","Attributes":{"reclaimed":"0"}},"scope":"local","time":1,"timeNano":1000000002}"#
        );
        assert_eq!(
            texts[1],
            r#"{"status":"die","id":"abc","Type":"container","Action":"die","Actor":{"ID":"abc","Attributes":null},"scope":"local","time":1,"timeNano":1000000002}"#
        );
    }
}
