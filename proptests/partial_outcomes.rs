//! Outcomes of the model of which parts were not looked at. What the specification does is never refuted, however
//! little of it is known.
//!
//! `PROPTEST_CASES=100000 cargo test --test proptests partial_outcomes -- --nocapture` tells how often nobody can
//! decide.

use std::cell::Cell;

use image_prune::oracle::check::{Asked, Left, Observed, Verdict, check};
use image_prune::oracle::graph::Model;
use image_prune::{Error, World};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::oracle::{forget, observe, refused};
use crate::support::{Shape, config, filters, now, semantics_of, world};

const SEEDS: &str = "proptests/regressions/partial_outcomes.txt";

/// How a prune went: to its end, until so many polls for a cancellation, or not at all.
#[derive(Debug, Clone, Copy)]
enum Course {
    Whole,
    CancelledAfter(usize),
    Busy,
}

fn course() -> impl Strategy<Value = Course> {
    prop_oneof![
        4 => Just(Course::Whole),
        4 => (0..24_usize).prop_map(Course::CancelledAfter),
        1 => Just(Course::Busy),
    ]
}

fn outcome(world: &World, filters: String, course: Course, seed: u64) -> (Asked, Observed) {
    let semantics = semantics_of(world);
    let mut model = Model::new(world, &semantics).unwrap();
    let asked = Asked::new(filters, now());
    match course {
        Course::Whole => {
            let observed = observe(&mut model, &asked, seed, None);
            (asked, observed)
        }
        Course::CancelledAfter(polls) => {
            let observed = observe(&mut model, &asked, seed, Some(polls));
            (Asked { cancelled: true, ..asked }, observed)
        }
        Course::Busy => {
            let answer = Some(refused(&Error::conflict("a prune operation is already running")));
            let observed = Observed { answer, events: Some(Vec::new()), after: Left::of(world, &semantics) };
            (Asked { busy: true, ..asked }, observed)
        }
    }
}

#[test]
fn no_part_of_what_the_model_does_is_refuted() {
    let worlds = prop_oneof![
        2 => world(Shape::broken()),
        1 => world(Shape::small()),
        1 => world(Shape::typical()),
    ];
    let cases = (worlds, filters(), course(), any::<u64>(), any::<u8>());
    let (decided, undecided) = (Cell::new(0_u32), Cell::new(0_u32));
    let judge = |(world, filters, course, seed, parts): (World, String, Course, u64, u8)| {
        let (asked, observed) = outcome(&world, filters, course, seed);
        let observed = forget(observed, parts);
        let verdict = check(&world, &asked, &observed, &semantics_of(&world)).unwrap();
        let count = if verdict.is_explained() { &decided } else { &undecided };
        count.set(count.get() + 1);
        prop_assert!(
            !matches!(verdict, Verdict::Impossible(_)),
            "{verdict}\n{asked:?}\n{observed:#?}\n{}",
            serde_json::to_string(&world).unwrap()
        );
        Ok(())
    };
    TestRunner::new(config(SEEDS, 600)).run(&cases, judge).unwrap_or_else(|error| panic!("{error}"));
    let (decided, undecided) = (decided.get(), undecided.get());
    println!("explained {decided}, undecided {undecided}");
    assert!(undecided * 50 <= decided, "explained {decided}, undecided {undecided}");
}
