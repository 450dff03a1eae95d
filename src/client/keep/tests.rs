#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use super::*;

const SEMANTICS: Semantics = Semantics::MOBY_20_10;
/// 2023-11-14.
const NOW: Timestamp = Timestamp::new(1_700_000_000, 0);

/// Images, each created one day behind the one before, with these references.
fn stores(images: &[&[&str]]) -> (Stores, Vec<ImageId>) {
    let stores = Stores::new(&SEMANTICS);
    let mut ids = Vec::new();
    for (number, references) in images.iter().enumerate() {
        let config = format!(
            r#"{{"created":"2020-01-{:02}T00:00:00Z","config":{{"Labels":{{"number":"{number}"}}}},"rootfs":{{"type":"layers"}}}}"#,
            number + 1
        );
        let id = stores.images.create(config).unwrap();
        for reference in *references {
            let reference = Reference::parse(reference, &SEMANTICS).unwrap();
            if reference.is_canonical() {
                stores.references.add_digest(reference, id).unwrap();
            } else {
                stores.references.add_tag(reference, id).unwrap();
            }
        }
        ids.push(id);
    }
    (stores, ids)
}

/// The numbers of the images that stay.
fn kept(rules: &KeepRules, images: &[&[&str]]) -> Vec<usize> {
    let (stores, ids) = stores(images);
    let keeping = rules.apply(&stores, NOW);
    (0..ids.len()).filter(|number| keeping.images.contains_key(&ids[*number])).collect()
}

const DIGEST: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// A longer one made the matcher panic, and ended the agent.
#[test]
fn a_pattern_and_a_name_of_any_length_are_read_or_refused() {
    for length in [255, 4_000, 5_000, 400_000, 900_000] {
        let long = "a".repeat(length);
        let tagged = format!("a:{long}");
        let variable = format!("services: {{s: {{image: '{long}${{TAG}}'}}}}");
        let plain = format!("services: {{s: {{image: '{long}'}}}}");
        let results = [
            KeepRules::new().pattern(&long),
            KeepRules::new().pattern(&tagged),
            KeepRules::new().needed_by("compose.yaml", &variable),
            KeepRules::new().needed_by("compose.yaml", &plain),
        ];
        for result in results {
            assert_eq!(result.is_ok(), length < 4_096);
            assert!(result.is_ok_and(|rules| !rules.is_empty()) || length > 4_096);
        }
        let error = KeepRules::new().pattern(&long).err();
        assert!(error.is_none_or(|error| error.to_string().len() < 250));
    }
}

#[test]
fn patterns_match_repositories_and_tags() {
    let at_digest = format!("app@{DIGEST}");
    let images: &[&[&str]] =
        &[&["app:1"], &["app:2", "reg.io:5000/team/app:2"], &[&at_digest], &["team/app:1"], &["web:1"]];
    let check = |pattern: &str, expected: &[usize]| {
        assert_eq!(kept(&KeepRules::new().pattern(pattern).unwrap(), images), expected, "{pattern}");
    };
    check("app", &[0, 1, 2]);
    check("app:*", &[0, 1]);
    check("app:1", &[0]);
    check("docker.io/library/app:1", &[0]);
    check("library/app:1", &[0]);
    check("*", &[0, 1, 2, 4]);
    check("**", &[0, 1, 2, 3, 4]);
    check("**/app", &[0, 1, 2, 3]);
    check("*/app", &[3]);
    check("reg.io:5000/*/app", &[1]);
    check("reg.io:5000/*/app:[13]", &[]);
    check("app@sha256:5f70*", &[2]);
    check("{app,web}:1", &[0, 4]);
    check("nothing", &[]);
}

#[test]
fn wrong_patterns_say_so() {
    for text in ["", ":1", "app:", "app@", "app:[", "a{b"] {
        let error = KeepRules::new().pattern(text).unwrap_err().to_string();
        assert!(error.contains(&format!("`{text}`")), "{error}");
    }
    assert!(KeepRules::new().label("=v").is_err() && KeepRules::new().label("").is_err());
}

#[test]
fn labels_match_keys_and_values() {
    let images: &[&[&str]] = &[&[], &[]];
    assert_eq!(kept(&KeepRules::new().label("number").unwrap(), images), [0, 1]);
    assert_eq!(kept(&KeepRules::new().label("number=1").unwrap(), images), [1]);
    assert_eq!(kept(&KeepRules::new().label("Number").unwrap(), images), [] as [usize; 0]);
}

#[test]
fn the_newest_of_each_repository_stay() {
    // Two tags on one image count once: otherwise `latest` would cost a rollback.
    let images: &[&[&str]] =
        &[&["app:1"], &["app:2", "web:1"], &["app:3", "app:latest"], &["other/app:1"], &[]];
    assert_eq!(kept(&KeepRules::new().last(1), images), [1, 2, 3]);
    assert_eq!(kept(&KeepRules::new().last(2), images), [1, 2, 3]);
    assert_eq!(kept(&KeepRules::new().last(3), images), [0, 1, 2, 3]);
    assert_eq!(kept(&KeepRules::new().last(0), images), [] as [usize; 0]);
}

#[test]
fn compose_files_name_what_is_needed() {
    let compose = format!(
        "x-base: &base\n  image: reg.io/base:1\n  restart: always\n\
         services:\n\
         \x20 web: {{image: 'web:${{TAG}}', ports: ['80:80']}}\n\
         \x20 merged: {{<<: *base}}\n\
         \x20 digest: {{image: 'app:9@{DIGEST}'}}\n\
         \x20 plain: {{image: plain}}\n\
         \x20 mounts: {{image: plain, volumes: ['data:/data', {{type: image, source: mounted:1, target: /m}}]}}\n"
    );
    let at_digest = format!("app@{DIGEST}");
    let images: &[&[&str]] = &[
        &["web:7"],
        &["reg.io/base:1"],
        &[&at_digest],
        &["plain:latest"],
        &["plain:1"],
        &["mounted:1"],
        &["reg.io/web:1"],
        &["app:8"],
    ];
    let rules = KeepRules::new().needed_by("compose.yml", &compose).unwrap();
    assert_eq!(kept(&rules, images), [0, 1, 2, 3, 5]);
    let (stores, ids) = stores(images);
    assert_eq!(rules.apply(&stores, NOW).images[&ids[0]].to_string(), "compose.yml needs web:${TAG}");
}

#[test]
fn a_variable_stands_for_anything() {
    let images: &[&[&str]] = &[&["app:1"], &["reg.io/team/app:2"], &["web:1"]];
    let check = |name: &str, expected: &[usize]| {
        let compose = format!("services: {{a: {{image: '{name}'}}}}");
        assert_eq!(kept(&KeepRules::new().needed_by("f", &compose).unwrap(), images), expected, "{name}");
    };
    check("${REGISTRY}app:2", &[1]);
    check("${REGISTRY:-reg.io/team/}app:${TAG:-2}", &[1]);
    check("${REGISTRY:-reg.io/team/}app:${TAG:-3}", &[]);
    // `app` is docker.io/library/app.
    check("$REGISTRY/app:${TAG:?no ${X}}", &[0, 1]);
    check("${IMAGE}", &[0, 1, 2]);
    check("a${P}p", &[0]);
    check("*:1", &[]);
}

#[test]
fn what_is_no_compose_file_keeps_nothing_silently() {
    let nest = |depth: usize| format!("services: {}", "[".repeat(depth));
    let bomb: String = (1..12).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        let below = format!("*a{}, ", level - 1).repeat(9);
        format!("{text}a{level}: &a{level} [{}]\n", below.trim_end_matches(", "))
    });
    let nested = nest(100_000);
    for (text, expected) in [
        ("", "no `services`"),
        ("a: 1", "there are no `services`"),
        ("services: 3", "not a compose file"),
        ("services: {a: {image: [1]}}", "service a: `image` is no name of an image"),
        ("include: [x.yml]\nservices: {}", "`include`: it refers to another file"),
        ("services: {a: {extends: {file: b.yml, service: x}}}", "it refers to another file"),
        ("services: {a: {build: .}}", "service a is built without an `image`"),
        ("services: {a: {image: '${X'}}", "never closed"),
        ("services: {a: {image: ''}}", "service a: `image` is no name of an image"),
        ("services: {a: {image: x}", "no YAML"),
        (nested.as_str(), "no YAML"),
        (bomb.as_str(), "aliases stand for more than"),
    ] {
        let error = KeepRules::new().needed_by("c.yml", text).unwrap_err().to_string();
        assert!(error.starts_with("c.yml: ") && error.contains(expected), "{error}");
    }
    let long = " ".repeat(compose_limit() + 1);
    assert!(KeepRules::new().needed_by("c.yml", &long).unwrap_err().to_string().contains("longer than"));
}

const fn compose_limit() -> usize {
    1 << 20
}

#[test]
fn a_variable_that_is_not_known_is_told_with_what_it_keeps() {
    let (stores, _) = stores(&[&["app:1", "app:one"], &["app:2"], &["web:1"]]);
    let rules =
        KeepRules::new().needed_by("c.yml", "services: {a: {image: 'app:$TAG'}, b: {image: 'web:1'}}");
    let keeping = rules.unwrap().apply(&stores, NOW);
    let expected = "c.yml: TAG is not set and stands for anything: `app:${TAG}` keeps 2 images";
    assert_eq!((keeping.warnings, keeping.images.len()), (vec![expected.to_owned()], 3));
}

#[test]
fn rules_that_keep_nothing_are_told() {
    let (stores, _) = stores(&[&["app:1"]]);
    let rules = KeepRules::new().pattern("ap:1").unwrap().label("no").unwrap().pattern("app").unwrap();
    assert_eq!(rules.apply(&stores, NOW).idle, ["pattern `ap:1`", "label `no`"]);
}
