//! Locks, lists, subscribers and cancellation: C9 to C13.

use super::*;

/// C9: whoever takes the locks of several stores takes them in one order.
#[test]
fn locks_are_taken_in_one_order() {
    outcomes(200, || {
        let daemon = Daemon::new();
        let image = daemon.image("a", &["base", "a"]);
        daemon.tag("a:1", image).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| daemon.prune(ALL).unwrap());
            scope.spawn(|| {
                let built = daemon.image("b", &["base", "b"]);
                let _moved = daemon.stores().references.retag(reference("a:1"), built);
                drop(daemon.stores().images.delete(built));
            });
            scope.spawn(|| {
                drop(daemon.stores().copy());
                drop(usage(daemon.stores(), &SEMANTICS));
                drop(daemon.stores().to_world());
                drop(daemon.stores().layers.sizes());
            });
        });
        daemon.finish();
    });
}

/// C10: a subscriber hears the past and all that comes, each event once and in order.
#[test]
fn subscriber_meets_publisher() {
    let seen = outcomes(300, || {
        let log = EventLog::new(|| Timestamp::ZERO);
        let publish = || (1..=3).for_each(|number| log.publish(ImageEvent::Prune(number)));
        let listen = || {
            let (_, evicted) = log.subscribe();
            let (past, live) = log.subscribe();
            drop(evicted);
            (past, live)
        };
        let ((), (past, live)) = both(publish, listen);
        let past_count = past.len();
        let heard = past.into_iter().chain(std::iter::from_fn(|| live.try_next()));
        let heard: Vec<_> = heard.map(|event| event.attribute("reclaimed").unwrap().to_owned()).collect();
        assert_eq!(heard, ["1", "2", "3"]);
        assert_eq!(log.subscribers(), 1);
        past_count
    });
    expect(seen, 0..=3);
}

/// C10: one that does not listen loses events, holds nobody up for ever, and keeps no more than its buffer.
#[test]
fn slow_subscriber_meets_publishers() {
    let seen = outcomes(300, || {
        let log = EventLog::new(|| Timestamp::ZERO);
        let (_, slow) = log.subscribe();
        let publish = |numbers: [u64; 3]| numbers.map(|number| log.publish(ImageEvent::Prune(number)));
        let (_, first) = both(
            || {
                publish([1, 2, 3]);
                publish([4, 5, 6]);
            },
            || slow.try_next(),
        );
        let heard = first.into_iter().chain(std::iter::from_fn(|| slow.try_next()));
        let heard: Vec<u64> =
            heard.map(|event| event.attribute("reclaimed").unwrap().parse().unwrap()).collect();
        assert!(heard.is_sorted() && heard.starts_with(&[1, 2, 3]), "{heard:?}");
        assert_eq!(log.history().len(), 3);
        heard.len()
    });
    expect(seen, 3..=4);
}

/// C11: no entry of a map is held while another is asked for in the other order.
#[test]
fn containers_come_and_go() {
    outcomes(200, || {
        let stores = Stores::new(&SEMANTICS);
        let images = ["a", "b"].map(|name| ImageId::of(name.as_bytes()));
        let create = |name: &str, image: usize| {
            let image_mounts = vec![images[1 - image]];
            let made = Container { id: container(name), image: images[image], running: true, image_mounts };
            stores.containers.create(made)
        };
        create("old", 0).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                create("new", 1).unwrap();
                stores.containers.remove(container("old"));
            });
            scope.spawn(|| {
                stores.containers.set_running(container("old"), false);
                stores.containers.set_running(container("new"), false);
                stores.containers.remove(container("new"));
            });
            scope.spawn(|| {
                for image in images {
                    let users = stores.containers.users(image);
                    assert!(users.running.is_none() || users.stopped.is_none());
                    assert!(stores.containers.count(image) <= 2);
                    let _any = stores.containers.first(image, ContainerState::Any);
                    let _mounting = stores.containers.first_mounting(image, ContainerState::Any);
                }
                assert!(stores.containers.containers().len() <= 2);
            });
        });
        stores.validate().unwrap();
    });
}

/// C12: lists are of one moment. A writer that always leaves one image or two is never caught with none or three,
/// and what is copied meanwhile is a state that was.
#[test]
fn snapshots_are_of_one_moment() {
    let seen = outcomes(300, || {
        let daemon = Daemon::new();
        let first = daemon.image("0", &["base", "0"]);
        daemon.tag("a:1", first).unwrap();
        let write = || {
            let mut last = first;
            for (name, layers) in [("1", ["base", "1"]), ("2", ["base", "2"])] {
                let next = daemon.image(name, &layers);
                daemon.stores().references.retag(reference("a:1"), next).unwrap();
                daemon.stores().images.delete(last).unwrap();
                last = next;
            }
        };
        let read = || {
            let listed = daemon.stores().images.ids(false).len();
            assert_eq!(daemon.stores().references.all().len(), 1);
            let copy = daemon.stores().copy();
            copy.validate().unwrap();
            let engine = Engine::new(copy, SEMANTICS, Recorder::default());
            let report = engine.prune(&parsed(ALL), now(), &Never).unwrap();
            assert_eq!(report.skipped, []);
            listed
        };
        let ((), listed) = both(write, read);
        daemon.finish();
        listed
    });
    expect(seen, 1..=2);
}

/// C13: whenever the caller gives up, the report is what happened.
#[test]
fn cancellation_meets_the_last_deletion() {
    let seen = outcomes(300, || {
        let daemon = Daemon::new();
        let images = ["a", "b"].map(|name| daemon.image(name, &[name]));
        let gave_up = AtomicBool::new(false);
        let cancel = || gave_up.load(Ordering::SeqCst);
        let (answer, ()) = both(
            || daemon.engine.prune(&parsed(ALL), now(), &cancel),
            || gave_up.store(true, Ordering::SeqCst),
        );
        let gone = images.iter().filter(|image| !daemon.has(**image)).count();
        let outcome = match answer {
            Ok(report) => {
                assert_eq!(kinds_of(&report), "IL".repeat(gone));
                assert_eq!(report.space_reclaimed, 10 * gone as u64);
                Some((gone, report.cancelled))
            }
            Err(error) => {
                assert!(error.is_cancelled() && gone == 0);
                None
            }
        };
        daemon.finish();
        outcome
    });
    expect(seen, [None, Some((0, true)), Some((1, true)), Some((2, false))]);
}
