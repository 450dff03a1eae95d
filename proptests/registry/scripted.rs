//! The client against registries that misbehave.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_prune::Digest;
use image_prune::registry::{AppliedPlan, Fetched, Options, Registry, Rules, Schemes, apply, collect, plan};

use super::script::{Asked, JSON_MANIFEST, Script, answer, head, manifest};

fn problem<T: std::fmt::Debug>(result: image_prune::Result<T>) -> String {
    result.unwrap_err().to_string()
}

fn tags_of(script: &Script) -> image_prune::Result<Vec<String>> {
    Ok(script.registry().tags("a")?.unwrap_or_default().into_iter().collect())
}

/// Runs the whole cleaner: repository `a`, of which all but `keep` goes.
pub fn run(registry: &Registry) -> AppliedPlan {
    let rules = Rules::parse("a keep ^keep", Schemes::default()).unwrap();
    let inventory = collect(registry, &rules, false, &|_, _| ()).unwrap();
    let plan = plan(&inventory, &rules, 0);
    apply(registry, &rules, &inventory, plan, 0, &mut |_| ())
}

/// Repository `a` with the tags `keep` and `old`; only what `odd` has no answer for.
fn two_tags(odd: impl Fn(&Asked) -> Option<String> + Send + Sync + 'static) -> Script {
    Script::new(move |asked| {
        if let Some(text) = odd(asked) {
            return text;
        }
        match (asked.method.as_str(), asked.path.rsplit_once('/').unwrap().1) {
            ("GET", "list?n=1000") => answer(200, &[], r#"{"name":"a","tags":["keep","old"]}"#),
            ("GET", tag) => answer(200, &[JSON_MANIFEST], &manifest(tag)),
            ("HEAD", tag) => head(Digest::of(manifest(tag).as_bytes())),
            _ => answer(202, &[], ""),
        }
    })
}

#[test]
fn pages_are_put_together() {
    let script = Script::new(|asked| match asked.path.as_str() {
        "/v2/a/tags/list?n=1000" => {
            answer(200, &[r#"Link: </v2/a/tags/list?n=1000&last=b>; rel="next""#], r#"{"tags":["a","b"]}"#)
        }
        _ => answer(200, &[], r#"{"tags":["c"]}"#),
    });
    assert_eq!(tags_of(&script).unwrap(), ["a", "b", "c"]);
}

#[test]
fn lists_that_do_not_end_or_lead_away_are_errors() {
    let elsewhere = Script::new(|_| answer(200, &[], r#"{"tags":["stolen"]}"#));
    let foreign = format!(r#"Link: <http://{}/v2/a/tags/list?last=a>; rel="next""#, elsewhere.address);
    for (link, expected) in [
        (r#"Link: </v2/a/tags/list?n=1000>; rel="next""#.to_owned(), "leads back"),
        (r#"Link: </v2/a/tags/list?last=x>; rel="next""#.to_owned(), "without a new name"),
        (foreign, "at another place"),
        (r#"Link: <//example.invalid/>; rel="next""#.to_owned(), "at another place"),
        (r#"Link: <ftp://x/>; rel="next""#.to_owned(), "no sound address"),
        (r#"Link: <http://user@x/>; rel="next""#.to_owned(), "no sound address"),
    ] {
        let script = Script::new(move |_| answer(200, &[&link], r#"{"tags":["a"]}"#));
        let error = problem(tags_of(&script));
        assert!(error.contains(expected), "{error}");
        assert!(script.log().len() <= 2);
    }
    assert!(elsewhere.log().is_empty(), "nobody asked there");

    let endless = Script::new(|asked| {
        let page: u32 = asked.path.rsplit_once("last=").map_or(0, |(_, page)| page.parse().unwrap());
        let link = format!(r#"Link: </v2/a/tags/list?last={}>; rel="next""#, page + 1);
        answer(200, &[&link], &format!(r#"{{"tags":["t{page}"]}}"#))
    });
    let error = problem(tags_of(&endless));
    assert!(error.contains("does not end"), "{error}");
}

#[test]
fn half_a_list_is_no_list() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{\"tags\":[\"a\"]}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{\"tags\":[\"a\"]",
        "HTTP/1.1 200 OK\r\n\r\n{\"tags\":[\"a\"",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n<html",
        "HTTP/1.1 200",
        "",
    ] {
        let script = Script::new(|_| text.to_owned());
        let error = problem(tags_of(&script));
        assert!(error.starts_with("the tags of a: "), "{text:?}: {error}");
        assert!(script.log().len() <= 5, "bounded: {}", script.log().len());
    }
    let page = Script::new(|asked| {
        if asked.path.contains("last") {
            answer(404, &[], "")
        } else {
            answer(200, &[r#"Link: <?last=a>; rel="next""#], r#"{"tags":["a"]}"#)
        }
    });
    assert!(problem(tags_of(&page)).contains("vanished"));
}

#[test]
fn many_tags_that_do_not_exist_are_counted() {
    let names: Vec<String> = (0..500).map(|number| format!("\"t{number}\"")).collect();
    let list = format!(r#"{{"tags":[{}]}}"#, names.join(","));
    let script = Script::new(move |asked| {
        if asked.path.contains("/tags/list") { answer(200, &[], &list) } else { answer(404, &[], "") }
    });
    let rules = Rules::parse("a keep ^keep", Schemes::default()).unwrap();
    let notes = collect(&script.registry(), &rules, false, &|_, _| ()).unwrap().notes;
    let absent = notes.iter().filter(|note| note.ends_with("is listed and does not exist"));
    assert_eq!(absent.count(), 10, "{notes:?}");
    assert!(notes.contains(&"490 more tags of `a` are listed and do not exist".to_owned()), "{notes:?}");
}

#[test]
fn odd_names_are_refused() {
    for (body, expected) in [
        (r#"{"tags":["../../x"]}"#, "`../../x` is no tag"),
        (r#"{"tags":[""]}"#, "`` is no tag"),
        (r#"{"tags":[7]}"#, "no JSON"),
        ("[]", "no JSON"),
    ] {
        let script = Script::new(|_| answer(200, &[], body));
        assert!(problem(tags_of(&script)).contains(expected), "{body}");
    }
    let script = Script::new(|_| answer(200, &[], r#"{"tags":null}"#));
    assert!(tags_of(&script).unwrap().is_empty());
    let script = Script::new(|_| answer(200, &[], r#"{"repositories":["a","../b","C"]}"#));
    assert_eq!(script.registry().repositories().unwrap().into_iter().collect::<Vec<_>>(), ["a"]);
    for name in ["", "..", "a/../b", "A", "a?b", "a b"] {
        assert!(script.registry().tags(name).is_err(), "{name}");
    }
}

#[test]
fn what_passes_is_tried_again_and_not_for_ever() {
    let pauses: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let heard = Arc::clone(&pauses);
    let script = Script::new(|asked| match asked.before {
        0 => answer(429, &["Retry-After: 7"], ""),
        1 => answer(
            503,
            &["Date: Sun, 06 Nov 2022 08:49:37 GMT", "Retry-After: Sun, 06 Nov 2022 08:49:40 GMT"],
            "",
        ),
        2 => String::new(),
        _ => answer(200, &[], r#"{"tags":["a"]}"#),
    });
    let options =
        Options { pause: Arc::new(move |pause| heard.lock().unwrap().push(pause)), ..script.options() };
    let tags = Registry::new(options).unwrap().tags("a").unwrap().unwrap();
    assert_eq!(tags.len(), 1);
    assert_eq!(
        *pauses.lock().unwrap(),
        [Duration::from_secs(7), Duration::from_secs(3), Duration::from_secs(1)]
    );

    for status in [429, 500, 502, 503, 504] {
        let script = Script::new(move |_| answer(status, &[], ""));
        assert!(problem(tags_of(&script)).contains(&status.to_string()));
        assert_eq!(script.log().len(), 5);
    }
    let script = Script::new(|_| answer(429, &["Retry-After: 99999999999"], ""));
    assert!(problem(tags_of(&script)).contains("asks to wait 99999999999 seconds"));
    assert_eq!(script.log().len(), 1);
    // A registry that always fails is not asked five times for each of a thousand tags.
    let script = Script::new(|_| answer(500, &[], ""));
    let registry = script.registry();
    (0..100).for_each(|_| drop(registry.tags("a")));
    assert_eq!(script.log().len(), 10 * 5 + 90);
}

#[test]
fn refusals_say_why() {
    let script = Script::new(|_| answer(403, &[], r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#));
    assert_eq!(problem(tags_of(&script)), "the tags of a: the registry answers 403, DENIED: not yours");
    let script = Script::new(|_| answer(401, &["WWW-Authenticate: Negotiate"], ""));
    assert!(problem(tags_of(&script)).contains("a kind of password"));
    let script = Script::new(|_| answer(404, &[], ""));
    assert_eq!(script.registry().tags("a"), Ok(None));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let options = Options { pause: Arc::new(|_| ()), ..Options::new(closed.parse().unwrap()) };
    assert!(
        problem(Registry::new(options).unwrap().tags("a")).contains("cannot be reached: Connection refused")
    );
}

#[test]
fn tokens_are_fetched_and_renewed() {
    let script = Script::new(|asked| match (asked.path.as_str(), asked.authorization.as_deref()) {
        (path, Some("Basic bWU6c2VjcmV0"))
            if path.starts_with("/token?service=s&scope=repository:a:pull%2Cpush") =>
        {
            answer(200, &[], &format!(r#"{{"token":"t{}"}}"#, asked.before))
        }
        (path, _) if path.starts_with("/token") => answer(403, &[], ""),
        // The first token runs out after two uses.
        (_, Some("Bearer t0")) if asked.before < 3 => answer(200, &[], r#"{"tags":["a"]}"#),
        (_, Some("Bearer t1")) => answer(200, &[], r#"{"tags":["b"]}"#),
        _ => {
            let realm = format!("Bearer realm=\"http://{}/token\"", HOST.get().unwrap());
            let rest = "service=\"s\",scope=\"repository:a:pull,push\"";
            answer(401, &[&format!("WWW-Authenticate: {realm},{rest}")], "")
        }
    });
    HOST.set(script.address.clone()).unwrap();
    let registry = script.registry_for("me", "secret");
    let read = || registry.tags("a").unwrap().unwrap().into_iter().next().unwrap();
    assert_eq!([read(), read(), read(), read()], ["a", "a", "b", "b"]);
    let wrong = script.registry_for("me", "wrong");
    assert!(problem(wrong.tags("a")).contains("answers 403 for a token"));
}

static HOST: std::sync::OnceLock<String> = std::sync::OnceLock::new();

#[test]
fn a_password_stays_where_it_belongs() {
    let elsewhere = Script::new(|asked| {
        if asked.path.starts_with("/token") {
            answer(200, &[], r#"{"token":"t"}"#)
        } else {
            answer(200, &[JSON_MANIFEST], &manifest("x"))
        }
    });
    let realm = format!("WWW-Authenticate: Bearer realm=\"http://{}/token\"", elsewhere.address);
    let script = Script::new(move |asked| match asked.authorization.as_deref() {
        Some("Bearer t") => answer(200, &[], r#"{"tags":["a"]}"#),
        _ => answer(401, &[&realm], ""),
    });
    let error = problem(script.registry_for("me", "secret").tags("a"));
    assert!(error.contains("which was not named"), "{error}");
    assert!(elsewhere.log().is_empty(), "not even asked");
    // Named by the user it may have it.
    let credentials =
        image_prune::registry::Credentials { user: "me".to_owned(), password: "secret".to_owned() };
    let token_server = Some(elsewhere.address.parse().unwrap());
    let options = Options { credentials: Some(credentials), token_server, ..script.options() };
    assert!(Registry::new(options).unwrap().tags("a").unwrap().is_some());
    assert_eq!(elsewhere.log()[0].authorization.as_deref(), Some("Basic bWU6c2VjcmV0"));

    // A redirect to another place is followed without it.
    let target = format!("Location: http://{}/blob", elsewhere.address);
    let script = Script::new(move |asked| match asked.authorization {
        None => answer(401, &["WWW-Authenticate: Basic"], ""),
        Some(_) => answer(307, &[&target], ""),
    });
    let blob = Digest::of(manifest("x").as_bytes());
    assert!(script.registry_for("me", "secret").blob("a", blob, 1000).unwrap().is_some());
    let followed = elsewhere.log().into_iter().find(|asked| asked.path == "/blob").unwrap();
    assert_eq!(followed.authorization, None);
}

#[test]
fn redirects_end() {
    let script = Script::new(|_| answer(302, &["Location: /v2/x"], ""));
    assert!(problem(script.registry().tags("a")).contains("one redirect after the other"));
    let script = Script::new(|_| answer(302, &[], ""));
    assert!(problem(script.registry().tags("a")).contains("leads nowhere"));
}

#[test]
fn large_answers_are_cut_short() {
    let script = Script::new(|_| answer(200, &[], &" ".repeat(5 << 20)));
    let Fetched::Unreadable { why, may_list, .. } = script.registry().manifest("a", "x").unwrap() else {
        panic!()
    };
    assert!(why.contains("more than 4194304 bytes") && may_list, "{why}");
    let token = format!(r#"{{"token":"{}"}}"#, "t".repeat(2 << 20));
    let script = Script::new(move |asked| {
        if asked.path.starts_with("/token") {
            answer(200, &[], &token)
        } else {
            answer(401, &["WWW-Authenticate: Bearer realm=\"/token\""], "")
        }
    });
    assert!(script.registry().tags("a").is_err());
}

#[test]
fn manifests_that_cannot_be_trusted_are_unreadable() {
    let sound = Digest::of(manifest("x").as_bytes());
    let other = Digest::of(b"other");
    let said = format!("docker-content-digest: {other}");
    for (text, known, lists) in [
        (answer(200, &[JSON_MANIFEST, &said], &manifest("x")), Some(other), false),
        (answer(200, &[JSON_MANIFEST], "{"), Some(Digest::of(b"{")), false),
        (answer(200, &["content-type: text/html"], "<html>"), Some(Digest::of(b"<html>")), true),
        (answer(200, &[], r#"{"fsLayers":[]}"#), Some(Digest::of(br#"{"fsLayers":[]}"#)), true),
        (answer(200, &[JSON_MANIFEST, "docker-content-digest: md5:x"], &manifest("x")), None, true),
        (answer(500, &[], ""), None, true),
    ] {
        let script = Script::new(move |_| text.clone());
        let fetched = script.registry().manifest("a", "x").unwrap();
        let Fetched::Unreadable { digest, may_list, .. } = fetched else { panic!("{fetched:?}") };
        assert_eq!((digest, may_list), (known, lists));
    }
    let script = Script::new(|_| answer(200, &[JSON_MANIFEST], &manifest("y")));
    let by_digest = script.registry().manifest("a", &sound.to_string()).unwrap();
    assert!(matches!(by_digest, Fetched::Unreadable { digest: Some(digest), .. } if digest == sound));
    assert!(script.registry().blob("a", sound, 1000).is_err());
}

#[test]
fn one_tag_goes_and_one_stays() {
    let script = two_tags(|_| None);
    let applied = run(&script.registry());
    assert_eq!(applied.plan.delete.len(), 1);
    let deletions: Vec<_> = script.log().into_iter().filter(|asked| asked.method == "DELETE").collect();
    assert_eq!(deletions.len(), 1);
    assert!(deletions[0].path.ends_with(&Digest::of(manifest("old").as_bytes()).to_string()));
    let log = script.log();
    let last = log.iter().rev().take(4).map(|asked| (asked.method.as_str(), asked.path.as_str()));
    let old = format!("/v2/a/manifests/{}", Digest::of(manifest("old").as_bytes()));
    let expected = [
        ("DELETE", old.as_str()),
        ("HEAD", "/v2/a/manifests/keep"),
        ("GET", "/v2/a/tags/list?n=1000"),
        ("HEAD", "/v2/a/manifests/old"),
    ];
    assert_eq!(last.collect::<Vec<_>>(), expected, "read again right before");
}

#[test]
fn a_tag_that_moved_stays() {
    let script = two_tags(|asked| (asked.method == "HEAD").then(|| head(Digest::of(b"moved"))));
    let applied = run(&script.registry());
    assert_eq!(applied.plan.delete.len(), 0);
    assert_eq!(applied.plan.keep.iter().find(|kept| kept.tag == "old").unwrap().reason.kind(), "moved");
    assert_eq!((script.count("DELETE"), applied.failed()), (0, 0));

    // It moved before the second look at the repository already.
    let script = two_tags(|asked| {
        let is_second = asked.method == "GET" && asked.path.ends_with("/old") && asked.before > 0;
        is_second.then(|| answer(200, &[JSON_MANIFEST], &manifest("newer")))
    });
    assert_eq!(run(&script.registry()).plan.delete.len(), 0);
    assert_eq!(script.count("DELETE"), 0);
}

#[test]
fn a_tag_that_came_meanwhile_protects_its_digest() {
    let script = two_tags(|asked| match (asked.path.rsplit_once('/').unwrap().1, asked.before) {
        ("list?n=1000", 1..) => Some(answer(200, &[], r#"{"tags":["keep","old","keep-too"]}"#)),
        ("keep-too", _) => Some(answer(200, &[JSON_MANIFEST], &manifest("old"))),
        _ => None,
    });
    let applied = run(&script.registry());
    assert_eq!((applied.plan.delete.len(), script.count("DELETE")), (0, 0));
    let reason = |tag: &str| applied.plan.keep.iter().find(|kept| kept.tag == tag).unwrap().reason.kind();
    assert_eq!((reason("old"), reason("keep-too")), ("shared_digest", "matches"));
}

#[test]
fn deletions_that_fail() {
    for (text, requests, problem) in [
        (answer(405, &[], r#"{"errors":[{"code":"UNSUPPORTED","message":"no"}]}"#), 1, "deletion disabled"),
        (answer(403, &[], ""), 1, "we may not delete"),
        (answer(401, &["WWW-Authenticate: Basic"], ""), 1, "asks for a user"),
        (answer(400, &[], ""), 1, "answers 400"),
        (answer(307, &["Location: /v2/elsewhere"], ""), 1, "answers 307"),
        (answer(500, &[], ""), 5, "fails again and again"),
        (answer(429, &["Retry-After: 3600"], ""), 1, "asks to wait 3600 seconds"),
        (String::new(), 5, "fails again and again"),
    ] {
        let script = two_tags(move |asked| (asked.method == "DELETE").then(|| text.clone()));
        let applied = run(&script.registry());
        assert_eq!((applied.plan.delete.len(), applied.failed()), (0, 1), "{problem}");
        let reason = applied.plan.keep.iter().find(|kept| kept.tag == "old").unwrap().reason.to_string();
        assert!(reason.contains(problem), "{reason}");
        assert_eq!(script.count("DELETE"), requests, "{problem}");
        let asked = |tag: &str| {
            script.log().iter().filter(|asked| asked.method == "HEAD" && asked.path.ends_with(tag)).count()
        };
        assert_eq!([asked("/old"), asked("/keep")], [requests; 2], "the tags are read again before each");
    }
    for (text, requests) in [(answer(404, &[], ""), 1), (answer(200, &[], ""), 1)] {
        let script = two_tags(move |asked| (asked.method == "DELETE").then(|| text.clone()));
        assert_eq!(run(&script.registry()).plan.delete.len(), 1);
        assert_eq!(script.count("DELETE"), requests);
    }
    let script = two_tags(|asked| {
        (asked.method == "DELETE" && asked.before == 0).then(|| answer(503, &["Retry-After: 1"], ""))
    });
    assert_eq!(run(&script.registry()).plan.delete.len(), 1);
}

#[test]
fn what_cannot_be_read_protects_itself_and_what_it_may_need() {
    let unread = |kind: &'static str| {
        two_tags(move |asked| {
            asked.path.ends_with("/keep").then(|| match asked.method.as_str() {
                "HEAD" => head(Digest::of(b"garbage")),
                _ => answer(200, &[&format!("content-type: {kind}")], "garbage"),
            })
        })
    };
    let plain = unread("application/vnd.oci.image.manifest.v1+json");
    assert_eq!(run(&plain.registry()).plan.delete.len(), 1, "a plain manifest lists no other");
    for kind in ["application/vnd.oci.image.index.v1+json", "text/plain"] {
        let script = unread(kind);
        let applied = run(&script.registry());
        assert_eq!(applied.plan.delete.len(), 0);
        assert_eq!(applied.plan.keep[1].reason.kind(), "held_back");
        assert!(!applied.plan.bytes_exact);
    }
    let script = two_tags(|asked| asked.path.ends_with("/old").then(|| answer(500, &[], "")));
    let applied = run(&script.registry());
    assert_eq!(applied.plan.keep[1].reason.kind(), "unreadable");
    assert_eq!(script.count("DELETE"), 0);
}
