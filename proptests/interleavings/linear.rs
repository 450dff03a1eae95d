//! Linearizability in small: what concurrent calls answer is what some order of them answers on the model.

use image_prune::graph::delete::DeleteErrorKind;
use image_prune::graph::plan::Plan;

use super::*;

/// Calls of the stores, each of which happens at one moment.
#[derive(Debug, Clone, Copy)]
enum Call {
    Create(&'static str),
    Delete(&'static str),
    Adopt(&'static str, &'static str),
    Tag(&'static str),
    Retag(&'static str),
    Untag,
    Start,
    Stop,
    List,
}

impl Call {
    const ALL: [Self; 12] = [
        Self::Create("a"),
        Self::Create("b"),
        Self::Delete("a"),
        Self::Delete("b"),
        Self::Adopt("a", "b"),
        Self::Adopt("b", "a"),
        Self::Tag("a"),
        Self::Retag("b"),
        Self::Untag,
        Self::Start,
        Self::Stop,
        Self::List,
    ];

    /// What the caller is told.
    fn run(self, daemon: &Daemon) -> String {
        let stores = daemon.stores();
        let id = |name: &str| ImageId::of(config(name, &["base", name]).as_bytes());
        let told = |result: Result<String>| result.unwrap_or_else(|error| error.to_string());
        match self {
            Self::Create(name) => {
                told(stores.images.create(config(name, &["base", name])).map(|id| id.to_string()))
            }
            Self::Delete(name) => told(stores.images.delete(id(name)).map(|freed| format!("{freed:?}"))),
            Self::Adopt(child, parent) => {
                told(stores.images.set_parent(id(child), id(parent)).map(|()| String::new()))
            }
            Self::Tag(name) => told(daemon.tag("t:1", id(name)).map(|()| String::new())),
            Self::Retag(name) => {
                told(stores.references.retag(reference("t:1"), id(name)).map(|old| format!("{old:?}")))
            }
            Self::Untag => told(stores.references.delete(&reference("t:1")).map(|()| String::new())),
            Self::Start => told(daemon.container(id("a")).map(|()| String::new())),
            Self::Stop => format!("{:?}", stores.containers.remove(container("c"))),
            Self::List => {
                let mut ids = stores.images.ids(true);
                ids.sort_unstable();
                format!("{ids:?}")
            }
        }
    }
}

type Told = ([Vec<String>; 2], Box<World>);

/// Two images, and nobody but they holds their layers.
fn two_images() -> Daemon {
    let daemon = Daemon::new();
    daemon.image("a", &["base", "a"]);
    daemon.image("b", &["base", "b"]);
    daemon
}

const ORDERS: [[usize; 4]; 6] =
    [[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0]];

fn told_one_by_one(order: [usize; 4], calls: [[Call; 2]; 2]) -> Told {
    let daemon = two_images();
    let mut told = [Vec::new(), Vec::new()];
    for thread in order {
        let next = told[thread].len();
        told[thread].push(calls[thread][next].run(&daemon));
    }
    (told, Box::new(daemon.stores().to_world()))
}

/// Whatever two threads are told by the stores, and whatever is left: some order of their calls, one after the
/// other, tells the same and leaves the same.
#[test]
fn stores_are_linearizable() {
    for number in 0..100_u32 {
        let random = Digest::of(&number.to_le_bytes());
        let call = |place: usize| Call::ALL[usize::from(random.as_bytes()[place]) % Call::ALL.len()];
        let calls = [[call(0), call(1)], [call(2), call(3)]];
        let possible = Arc::new(Mutex::new(Vec::new()));
        let one_by_one = Arc::clone(&possible);
        outcomes(1, move || {
            *one_by_one.lock().unwrap() = ORDERS.map(|order| told_one_by_one(order, calls)).to_vec();
        });
        outcomes(10, move || {
            let daemon = two_images();
            let run = |calls: [Call; 2]| calls.map(|call| call.run(&daemon)).to_vec();
            let (first, second) = both(|| run(calls[0]), || run(calls[1]));
            daemon.stores().validate().unwrap();
            let told = ([first, second], Box::new(daemon.stores().to_world()));
            let is_possible = possible.lock().unwrap().contains(&told);
            assert!(is_possible, "{calls:?} told {:?}, which no order does", told.0);
        });
    }
}

/// A dry run of a copy is of one moment, whatever a daemon does meanwhile.
#[test]
fn plan_of_a_copy_meets_prune() {
    outcomes(300, || {
        let (report, plan) = prune_beside(|stores| plan(&stores.copy()));
        assert_eq!(report, "ILL");
        assert!(["", "ILL"].contains(&kinds_of(&plan.report).as_str()));
        assert_eq!(plan.report.skipped, []);
    });
}

/// A dry run on a live daemon does not disturb it, and fails at nothing: what goes meanwhile it skips, and says so in the
/// words of the store that misses it.
#[test]
fn plan_meets_prune() {
    outcomes(300, || {
        let (report, plan) = prune_beside(plan);
        assert_eq!(report, "ILL");
        for skipped in &plan.report.skipped {
            let told = skipped.failure.to_string();
            assert!(told.contains(&skipped.image.to_string()), "{skipped:?}");
            assert!(!matches!(skipped.failure, DeleteErrorKind::Conflict(_)), "{skipped:?}");
        }
    });
}

fn plan(stores: &Stores) -> Plan {
    image_prune::graph::plan::plan(stores, ALL, &SEMANTICS, now(), &Order::ById).unwrap()
}

/// A prune of an image with two layers, and what another thread does with the stores meanwhile.
fn prune_beside<T: Send + 'static>(other: fn(&Stores) -> T) -> (String, T) {
    let daemon = Daemon::new();
    daemon.image("a", &["base", "a"]);
    let (report, told) = both(|| daemon.prune(ALL).unwrap(), || other(daemon.stores()));
    daemon.finish();
    (kinds_of(&report), told)
}
