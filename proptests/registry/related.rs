//! Lists, subjects and referrers, of a registry that follows a script.

use image_prune::Digest;
use image_prune::registry::{AppliedPlan, Rules, Schemes, collect, plan};

use super::script::{Asked, Script, answer, head, manifest};
use super::scripted::run;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Repository `a`, of these manifests by tag, and of others that only their digests name.
fn repository(tags: &[(&'static str, String)], others: &[String]) -> Script {
    repository_with(tags, others, |_| None)
}

/// The same; only what `odd` has no answer for.
fn repository_with(
    tags: &[(&'static str, String)],
    others: &[String],
    odd: impl Fn(&Asked) -> Option<String> + Send + Sync + 'static,
) -> Script {
    let (tags, others) = (tags.to_vec(), others.to_vec());
    Script::new(move |asked| {
        if let Some(text) = odd(asked) {
            return text;
        }
        let reference = asked.path.rsplit_once('/').unwrap().1;
        let all = tags.iter().map(|(_, text)| text).chain(&others);
        let tagged = tags.iter().find(|(tag, _)| *tag == reference).map(|(_, text)| text);
        let is_named = |text: &&String| Digest::of(text.as_bytes()).to_string() == reference;
        let is_of_manifests = asked.path.contains("/manifests/");
        let found = tagged.or_else(|| all.clone().find(is_named)).filter(|_| is_of_manifests);
        match (asked.method.as_str(), found) {
            ("GET", _) if reference == "list?n=1000" => {
                let names: Vec<String> = tags.iter().map(|(tag, _)| format!("\"{tag}\"")).collect();
                answer(200, &[], &format!(r#"{{"tags":[{}]}}"#, names.join(",")))
            }
            ("GET", Some(text)) => answer(200, &[], text),
            ("HEAD", Some(text)) => head(Digest::of(text.as_bytes())),
            ("DELETE", _) => answer(202, &[], ""),
            _ if asked.path.contains("/referrers/") => answer(404, &[], ""),
            _ if reference == Digest::of(b"gone").to_string() => answer(404, &[], ""),
            // As distribution answers for a layer that is asked for as a manifest.
            _ => answer(500, &[], ""),
        }
    })
}

pub fn listed(kind: &str, digest: Digest, size: usize) -> String {
    format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}"#)
}

pub fn index_of(listed: &[String]) -> String {
    format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#, listed.join(","))
}

/// An image with a subject.
pub fn about(mark: &str, subject: &str) -> String {
    let subject = listed(INDEX, Digest::of(subject.as_bytes()), subject.len());
    manifest(mark).replacen('{', &format!(r#"{{"subject":{subject},"#), 1)
}

fn tags_that_go(applied: &AppliedPlan) -> Vec<&str> {
    applied.plan.delete.iter().map(|deletion| deletion.tag.as_str()).collect()
}

fn reason_of<'a>(applied: &'a AppliedPlan, tag: &str) -> &'a str {
    let kept = applied.plan.keep.iter().find(|kept| kept.tag == tag);
    kept.unwrap_or_else(|| panic!("{tag} does not stay")).reason.kind()
}

/// `BuildKit`'s cache: an index of 60 layers and a config. Nothing of it is asked for as a manifest, and it counts.
#[test]
fn what_an_index_lists_by_another_type_is_no_manifest() {
    let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
    let blob = |number: usize| listed(layer, Digest::of(&number.to_le_bytes()), 1_000);
    let mut blobs: Vec<String> = (0..60).map(blob).collect();
    blobs.push(listed("application/vnd.buildkit.cacheconfig.v0", Digest::of(b"config"), 50));
    let cache = index_of(&blobs);
    for (kept, going) in [("keep", "cache"), ("keep-cache", "old")] {
        let image = manifest("x");
        let (kept_text, going_text) =
            if kept == "keep" { (image, cache.clone()) } else { (cache.clone(), image) };
        let script = repository(&[(kept, kept_text), (going, going_text.clone())], &[]);
        let applied = run(&script.registry());
        assert_eq!(tags_that_go(&applied), [going], "{:?}", applied.plan);
        let is_list = |path: &str| path.ends_with("/tags/list?n=1000");
        let once = script.log().into_iter().filter(|asked| !is_list(&asked.path));
        assert!(once.into_iter().all(|asked| asked.before < 2), "nothing is asked for again and again");
        let expected = if going == "cache" { 60 * 1_000 + 50 } else { 1 } + going_text.len();
        assert_eq!(applied.plan.bytes, expected as u64);
    }
    // A layer that an index that stays lists is not freed with an image that goes.
    let shared = index_of(&[listed(layer, Digest::of(b"x"), 1)]);
    let script = repository(&[("keep", shared), ("old", manifest("x"))], &[]);
    assert_eq!(run(&script.registry()).plan.bytes, manifest("x").len() as u64);
}

#[test]
fn what_is_about_something_that_stays_stays() {
    let (kept, old) = (manifest("kept"), manifest("old"));
    let platform = manifest("platform");
    let index = index_of(&[listed("", Digest::of(platform.as_bytes()), platform.len())]);
    let signature = about("signature", &kept);
    let tags = [
        ("keep", kept.clone()),
        ("keep-index", index),
        ("signature", signature.clone()),
        ("of-the-signature", about("of the signature", &signature)),
        ("of-the-platform", about("of the platform", &platform)),
        ("old", old.clone()),
        ("of-the-old", about("of the old", &old)),
        ("of-nobody", about("of nobody", "gone")),
    ];
    let script = repository(&tags, &[platform]);
    let applied = run(&script.registry());
    assert_eq!(tags_that_go(&applied), ["of-nobody", "of-the-old", "old"]);
    for tag in ["signature", "of-the-signature", "of-the-platform"] {
        assert_eq!(reason_of(&applied, tag), "belongs_to", "{tag}");
    }
    assert_eq!(script.count("DELETE"), 3);

    // Nor does it go along with an index that goes, and lists it.
    let list = index_of(&[listed("", Digest::of(signature.as_bytes()), signature.len())]);
    let script = repository(&[("keep", kept), ("list", list.clone())], &[signature]);
    let applied = run(&script.registry());
    assert_eq!(tags_that_go(&applied), ["list"]);
    assert_eq!(applied.plan.delete[0].images, []);
    assert_eq!((script.count("DELETE"), applied.plan.bytes), (1, list.len() as u64));
}

/// What belongs to an image that stays may be an index that cannot be read below: anything may be on its list.
#[test]
fn what_stays_with_its_subject_holds_back_what_it_may_need() {
    let kept = manifest("kept");
    let unreadable = Digest::of(b"unreadable");
    let subject = listed(INDEX, Digest::of(kept.as_bytes()), kept.len());
    let list =
        index_of(&[listed(INDEX, unreadable, 9)]).replacen('{', &format!(r#"{{"subject":{subject},"#), 1);
    let script = repository(&[("keep", kept), ("list", list), ("old", manifest("old"))], &[]);
    let applied = run(&script.registry());
    assert_eq!(tags_that_go(&applied), Vec::<&str>::new());
    assert_eq!((reason_of(&applied, "list"), reason_of(&applied, "old")), ("belongs_to", "held_back"));
}

#[test]
fn indexes_are_followed_to_an_end() {
    // Ten deep: what lies beyond the eighth is not asked for, and may be anything.
    let mut texts = vec![manifest("innermost")];
    for _ in 0..10 {
        let inner = texts.last().unwrap();
        texts.push(index_of(&[listed(INDEX, Digest::of(inner.as_bytes()), inner.len())]));
    }
    let outermost = texts.pop().unwrap();
    let script = repository(&[("keep", outermost), ("old", manifest("old"))], &texts);
    let applied = run(&script.registry());
    assert_eq!(tags_that_go(&applied), Vec::<&str>::new());
    assert_eq!(reason_of(&applied, "old"), "held_back");
    let asked = |script: &Script| {
        script.log().iter().filter(|asked| asked.path.contains("/manifests/sha256:")).count()
    };
    assert_eq!(asked(&script), 8);

    // And wide: six times 40,000 are more than are read, of any.
    let children = |index: usize| {
        let child =
            |number: usize| format!(r#"{{"digest":"{}","size":1}}"#, Digest::of(&number.to_le_bytes()));
        index_of(&(index * 40_000..(index + 1) * 40_000).map(child).collect::<Vec<_>>())
    };
    let tags = ["keep", "keep-b", "keep-c", "keep-d", "keep-e", "keep-f"].into_iter().enumerate();
    let mut tags: Vec<(&str, String)> = tags.map(|(index, tag)| (tag, children(index))).collect();
    tags.push(("old", manifest("old")));
    let script = repository(&tags, &[]);
    let applied = run(&script.registry());
    assert_eq!(reason_of(&applied, "old"), "held_back");
    assert_eq!((asked(&script), script.count("DELETE")), (0, 0));
}

/// An image `old` with signatures of every form, in a repository of which all but `keep` goes.
fn signed() -> (Vec<(&'static str, String)>, Vec<String>) {
    let (kept, old) = (manifest("kept"), manifest("old"));
    let signature = about("signature", &old);
    let untagged = about("untagged", &old);
    let list = index_of(&[listed("", Digest::of(untagged.as_bytes()), untagged.len())]);
    let tag = |subject: &str, end: &str| -> &'static str {
        format!("sha256-{}{end}", Digest::of(subject.as_bytes()).hex()).leak()
    };
    let tags = vec![
        ("keep", kept.clone()),
        ("old", old.clone()),
        ("a-signature", signature.clone()),
        ("a-signature-of-it", about("of the signature", &signature)),
        (tag(&old, ""), list),
        (tag(&old, ".sig"), manifest("by name")),
        (tag(&kept, ".att"), manifest("stays by name")),
        (tag("gone", ".sbom"), manifest("orphan")),
        ("orphan", about("another orphan", "gone")),
        ("keep-orphan", about("kept by name", "gone")),
    ];
    (tags, vec![untagged])
}

#[test]
fn signatures_go_with_their_images_and_behind_them() {
    let (tags, others) = signed();
    let script = repository(&tags, &others);
    let applied = run(&script.registry());
    let stays = [tags[0].0, tags[6].0, tags[9].0];
    let mut expected: Vec<&str> =
        tags.iter().map(|(tag, _)| *tag).filter(|tag| !stays.contains(tag)).collect();
    expected.sort_unstable();
    assert_eq!(tags_that_go(&applied), expected);
    assert_eq!(stays.map(|tag| reason_of(&applied, tag)), ["matches", "belongs_to", "matches"]);
    let follows = |tag: &str| {
        let deletion = applied.plan.delete.iter().find(|deletion| deletion.tag == tag).unwrap();
        deletion.follows.map(|subject| subject.is_gone)
    };
    assert_eq!((follows("old"), follows("a-signature"), follows("orphan")), (None, Some(false), Some(true)));
    assert_eq!(follows(tags[7].0), Some(true));
    let deleted: Vec<String> =
        script.log().into_iter().filter(|asked| asked.method == "DELETE").map(|asked| asked.path).collect();
    let place = |text: &str| {
        let digest = Digest::of(text.as_bytes()).to_string();
        deleted.iter().position(|path| path.ends_with(&digest)).unwrap_or_else(|| panic!("{text} stays"))
    };
    let [old, signature, of_it, list, by_name] = [1, 2, 3, 4, 5].map(|number| place(&tags[number].1));
    assert!(old < signature && signature < of_it && old < list && old < by_name, "{deleted:?}");
    assert!(place(&others[0]) < list, "an index goes behind what it lists");
    assert_eq!(deleted.len(), 8);
}

#[test]
fn an_image_that_cannot_be_deleted_keeps_its_signatures() {
    let (tags, others) = signed();
    let old = Digest::of(tags[1].1.as_bytes()).to_string();
    let script = repository_with(&tags, &others, move |asked| {
        (asked.method == "DELETE" && asked.path.ends_with(&old)).then(|| answer(400, &[], ""))
    });
    let applied = run(&script.registry());
    assert_eq!(reason_of(&applied, "old"), "failed");
    for tag in ["a-signature", "a-signature-of-it", tags[4].0, tags[5].0] {
        assert_eq!(reason_of(&applied, tag), "belongs_to", "{tag}");
    }
    assert_eq!(tags_that_go(&applied), ["orphan", tags[7].0]);
}

/// cosign can be told to keep the signatures of all images in one repository.
#[test]
fn signatures_of_images_elsewhere_are_no_orphans() {
    let script = repository(&[("orphan", about("a", "gone")), ("other", about("b", "gone"))], &[]);
    let applied = run(&script.registry());
    assert_eq!(tags_that_go(&applied), Vec::<&str>::new());
    assert_eq!(reason_of(&applied, "orphan"), "subject_unseen");

    let (tags, others) = signed();
    let rules = Rules::parse("a keep ^keep", Schemes::default()).unwrap();
    let mut inventory = collect(&repository(&tags, &others).registry(), &rules, false, &|_, _| ()).unwrap();
    let mut other = inventory.repositories[0].clone();
    let entry = other.manifests.values().next().unwrap().clone();
    other.name = "b".to_owned();
    other.manifests.insert(Digest::of(b"gone"), entry);
    inventory.repositories.push(other);
    let plan = plan(&inventory, &rules, 0);
    let kept = plan.keep.iter().find(|kept| kept.tag == "orphan").unwrap();
    assert_eq!(kept.reason.kind(), "subject_unseen");
}

/// They have no place among the newest, and no age of their own.
#[test]
fn signatures_are_not_counted() {
    let config = |day: u32| format!(r#"{{"created":"2024-01-0{day}T00:00:00Z"}}"#);
    let dated = |mark: &str, day: u32, subject: Option<&str>| {
        let config = config(day);
        let config = listed("", Digest::of(config.as_bytes()), config.len());
        let text = match subject {
            Some(subject) => about(mark, subject),
            None => manifest(mark),
        };
        text.replacen('{', &format!(r#"{{"config":{config},"#), 1)
    };
    let (one, two) = (dated("one", 1, None), dated("two", 2, None));
    let tags = [
        ("one", one.clone()),
        ("two", two.clone()),
        ("signature-of-one", dated("a", 8, Some(&one))),
        ("signature-of-two", dated("b", 9, Some(&two))),
    ];
    let script = repository_with(&tags, &[], move |asked| {
        let (_, digest) = asked.path.split_once("/blobs/")?;
        let configs = (1..=9).map(config);
        let mut found = configs.filter(|config| Digest::of(config.as_bytes()).to_string() == digest);
        found.next().map(|config| answer(200, &[], &config))
    });
    let rules = Rules::parse("a keep-last 1", Schemes::default()).unwrap();
    let inventory = collect(&script.registry(), &rules, false, &|_, _| ()).unwrap();
    let plan = plan(&inventory, &rules, 1_735_689_600);
    let gone: Vec<&str> = plan.delete.iter().map(|deletion| deletion.tag.as_str()).collect();
    assert_eq!(gone, ["one", "signature-of-one"]);
}

/// A registry with the API for referrers: what no tag leads to is found, in two pages, and goes and counts.
#[test]
fn referrers_without_a_tag_are_found() {
    let (kept, old) = (manifest("kept"), manifest("old"));
    let of_kept = [about("of kept", &kept)];
    let mut of_old: Vec<String> = ["one", "two"].map(|mark| about(mark, &old)).to_vec();
    of_old.push(about("three", &of_old[0]));
    let all: Vec<String> = of_kept.iter().chain(&of_old).cloned().collect();
    let texts = all.clone();
    let script = repository_with(&[("keep", kept.clone()), ("old", old.clone())], &all, move |asked| {
        let (_, rest) = asked.path.split_once("/referrers/")?;
        let (digest, page) = rest.split_once('?').unwrap_or((rest, ""));
        let is_about = |text: &&String| {
            text.contains(&format!(r#""subject":{{"mediaType":"{INDEX}","digest":"{digest}""#))
        };
        let of = texts.iter().filter(is_about);
        let all: Vec<String> = of.map(|text| listed("", Digest::of(text.as_bytes()), text.len())).collect();
        let (first, second) = all.split_at(all.len().min(1));
        let next = format!("Link: </v2/a/referrers/{digest}?page=2>; rel=\"next\"");
        Some(match page {
            "" => answer(200, &[&next], &index_of(first)),
            _ => answer(200, &[], &index_of(second)),
        })
    });
    let applied = run(&script.registry());
    assert_eq!(tags_that_go(&applied), ["old"]);
    let mut expected: Vec<Digest> = of_old.iter().map(|text| Digest::of(text.as_bytes())).collect();
    expected.sort_unstable();
    assert_eq!(applied.plan.delete[0].referrers, expected);
    // Each has a layer of as many bytes as its mark.
    let marks = ["old", "one", "two", "three"].concat().len();
    let sum: usize = of_old.iter().chain([&old]).map(String::len).sum();
    assert_eq!(applied.plan.bytes, (sum + marks) as u64);
    assert_eq!(script.count("DELETE"), 4);
    let last = script.log().into_iter().rev().find(|asked| asked.method == "DELETE").unwrap();
    assert!(last.path.ends_with(&Digest::of(old.as_bytes()).to_string()), "the image goes behind them");
}

/// A registry without it is asked once a repository, whatever it answers.
#[test]
fn a_registry_without_referrers_is_asked_once() {
    for odd in
        [answer(404, &[], ""), answer(400, &[], ""), answer(200, &[], "<html>"), answer(200, &[], "{}")]
    {
        let (tags, others) = signed();
        let script = repository_with(&tags, &others, move |asked| {
            asked.path.contains("/referrers/").then(|| odd.clone())
        });
        let rules = Rules::parse("a keep ^keep", Schemes::default()).unwrap();
        collect(&script.registry(), &rules, false, &|_, _| ()).unwrap();
        let asked = script.log().into_iter().filter(|asked| asked.path.contains("/referrers/")).count();
        assert_eq!(asked, 1);
    }
}
