//! A check of what some daemon did: can it be moby's, and if not, what comes first that cannot?
//!
//! ```sh
//! cargo run --example judge_an_outcome
//! ```

use image_prune::oracle::check::{Asked, Observed, Verdict, check};
use image_prune::{Now, Semantics, World, rules};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let before = World::default();
    let asked = Asked::new(r#"{"dangling":["false"]}"#, Now::utc(chrono::DateTime::UNIX_EPOCH));
    // An empty daemon that says it freed something.
    let observed: Observed =
        serde_json::from_str(r#"{"status":200,"body":{"ImagesDeleted":null,"SpaceReclaimed":7}}"#)?;

    match check(&before, &asked, &observed, &Semantics::MOBY_20_10)? {
        Verdict::Impossible(contradiction) => {
            println!("{contradiction}");
            let rule = rules::find(contradiction.rule).ok_or("a rule that is not there")?;
            println!("\n{rule}");
            assert_eq!(rule.id(), "P-9");
            Ok(())
        }
        verdict => Err(format!("taken for possible: {verdict}").into()),
    }
}
