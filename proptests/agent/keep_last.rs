//! `--keep-last` where dates do not decide, asked of `agent`, `clean` and `df` alike.

use image_prune::server::TestDaemon;
use image_prune::{Digest, ImageId, Reference, Timestamp};

use super::{SEMANTICS, left};
use crate::command::case::command;

/// Five images of `app`, pulled by tag or by digest; `created` is what each config says.
fn five(daemon: &TestDaemon, created: &dyn Fn(u32) -> Option<String>, is_digest: bool) -> Vec<ImageId> {
    let make = |number| {
        let created = created(number).map(|created| format!(r#""created":"{created}","#));
        let config = format!(
            r#"{{{}"author":"{number}","os":"linux","rootfs":{{"type":"layers"}}}}"#,
            created.unwrap_or_default()
        );
        let id = daemon.stores().images.create(config).unwrap();
        let digest = Digest::of(format!("manifest {number}").as_bytes());
        let name = if is_digest { format!("app@{digest}") } else { format!("app:{number}") };
        let name = Reference::parse(&name, &SEMANTICS).unwrap();
        let references = &daemon.stores().references;
        if is_digest { references.add_digest(name, id) } else { references.add_tag(name, id) }.unwrap();
        id
    };
    (1..=5).map(make).collect()
}

/// The shown text of each command that knows the rule.
fn shown(daemon: &TestDaemon, count: &str) -> [String; 3] {
    let folder = tempfile::tempdir().unwrap();
    let host = daemon.host();
    let run = |args: &[&str]| {
        let args = [args, &["--keep-last", count, "--host", &host]].concat();
        let output = command(folder.path()).args(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    [
        run(&["agent", "--dry-run"]),
        run(&["clean", "--images", "--all", "--dry-run"]),
        run(&["df", "--free", "1GB"]),
    ]
}

#[test]
fn of_images_without_a_date_none_goes() {
    for created in
        [None, Some("0001-01-01T00:00:00Z"), Some("1970-01-01T00:00:00Z"), Some("1980-01-01T00:00:01Z")]
    {
        for is_digest in [false, true] {
            let daemon = TestDaemon::builder().start().unwrap();
            five(&daemon, &|_| created.map(str::to_owned), is_digest);
            let [agent, clean, df] = shown(&daemon, "2");
            for text in [agent, clean] {
                assert!(text.contains("Kept (5):") && !text.contains("Deleted ("), "{created:?}: {text}");
                let reason = "dates do not say whether it is newer than 4 other images of app";
                assert_eq!(text.matches(reason).count(), 5, "{text}");
                assert!(!text.contains("it is the newest"), "{text}");
            }
            assert!(!df.contains("app"), "{created:?}: {df}");
        }
    }
}

#[test]
fn of_images_pulled_by_digest_the_newest_stay() {
    let daemon = TestDaemon::builder().start().unwrap();
    let ids = five(&daemon, &|number| Some(format!("2024-05-0{number}T00:00:00Z")), true);
    let [agent, clean, df] = shown(&daemon, "1");
    let newest = &ids[4].hex()[..12];
    for text in [agent, clean] {
        assert!(text.contains("Deleted (4):") && text.contains("it is the newest of app"), "{text}");
    }
    assert!(!df.contains(newest) && df.matches("app@sha256:").count() == 4, "{df}");
}

/// A machine whose clock was wrong built the old one; it would be the newest for ever.
#[test]
fn an_image_of_the_future_is_not_the_newest() {
    let daemon = TestDaemon::builder().now(Timestamp::new(1_780_272_000, 0)).start().unwrap();
    for (tag, created) in [("old", "2099-01-01T00:00:00Z"), ("new", "2026-05-01T00:00:00Z")] {
        let config = format!(r#"{{"created":"{created}","os":"linux","rootfs":{{"type":"layers"}}}}"#);
        let id = daemon.stores().images.create(config).unwrap();
        let name = Reference::parse(&format!("app:{tag}"), &SEMANTICS).unwrap();
        daemon.stores().references.add_tag(name, id).unwrap();
    }
    let [agent, clean, df] = shown(&daemon, "1");
    for text in [agent, clean] {
        assert!(text.contains("Kept (2):") && !text.contains("it is the newest"), "{text}");
    }
    assert!(!df.contains("app"), "{df}");
    let folder = tempfile::tempdir().unwrap();
    let args = ["agent", "--once", "--journal", "j", "--keep-last", "1", "--host", &daemon.host()];
    let output = command(folder.path()).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(left(&daemon).len(), 2, "one was deleted");
}
