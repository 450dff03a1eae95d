//! The table of R-2 and what later versions changed in it, the accessors, and the laws.
#![allow(clippy::unwrap_used, reason = "test code")]

use super::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const LOWER_CASE: &str = "invalid reference format: repository name must be lowercase";
const FORMAT: &str = "invalid reference format";
const OLD: Semantics = Semantics::MOBY_20_10;

fn parse(text: &str, semantics: &Semantics) -> Result<Reference, String> {
    Reference::parse(text, semantics).map_err(|error| {
        assert!(error.is_invalid_parameter(), "{text}");
        error.to_string()
    })
}

fn error(text: &str, semantics: &Semantics) -> String {
    parse(text, semantics).unwrap_err()
}

#[test]
fn r2_valid() {
    let digest = format!("a:t@sha256:{HEX}");
    let tag_of_128 = format!("a:{}", "t".repeat(128));
    let hex_63 = HEX.get(1..).unwrap();
    let tagged_hex = format!("{HEX}:x");
    let as_tag = format!("sha256:{HEX}");
    for (text, normalized, familiar) in [
        ("a", "docker.io/library/a", "a"),
        ("library/a", "docker.io/library/a", "a"),
        ("docker.io/a", "docker.io/library/a", "a"),
        ("index.docker.io/a", "docker.io/library/a", "a"),
        ("index.docker.io/a/b", "docker.io/a/b", "a/b"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("a/b", "docker.io/a/b", "a/b"),
        ("localhost", "docker.io/library/localhost", "localhost"),
        ("localhost/c", "localhost/c", "localhost/c"),
        ("a.b", "docker.io/library/a.b", "a.b"),
        ("a.b/c", "a.b/c", "a.b/c"),
        ("a:5000/c:t", "a:5000/c:t", "a:5000/c:t"),
        ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
        ("Foo.com/x", "Foo.com/x", "Foo.com/x"),
        ("docker.io/foo.com/a", "docker.io/foo.com/a", "foo.com/a"),
        ("ex_ample.com/a", "ex_ample.com/a", "ex_ample.com/a"),
        ("foo.com/library/a", "foo.com/library/a", "foo.com/library/a"),
        ("sha256:abc", "docker.io/library/sha256:abc", "sha256:abc"),
        (&as_tag, &format!("docker.io/library/{as_tag}"), &as_tag),
        (hex_63, &format!("docker.io/library/{hex_63}"), hex_63),
        (&tagged_hex, &format!("docker.io/library/{tagged_hex}"), &tagged_hex),
        (&digest, &format!("docker.io/library/{digest}"), &digest),
        (&tag_of_128, &format!("docker.io/library/{tag_of_128}"), &tag_of_128),
        ("a__b", "docker.io/library/a__b", "a__b"),
        ("a--b", "docker.io/library/a--b", "a--b"),
        ("a:_b", "docker.io/library/a:_b", "a:_b"),
    ] {
        for semantics in Semantics::ALL {
            let reference = parse(text, &semantics).unwrap();
            assert_eq!((reference.as_str(), reference.familiar()), (normalized, familiar), "{text}");
            check_laws(&reference, &semantics);
        }
    }
}

#[test]
fn r2_invalid_in_every_version() {
    for text in [
        "",
        "a:",
        ":b",
        "a:-b",
        "a//b",
        "/a",
        "a/",
        "-a",
        "a-",
        "a..b",
        "a._b",
        "a___b",
        "a@",
        "<none>:<none>",
        "a:t:u",
        "a:5000/",
        "a:b/c",
        "a.b:/c",
        "[::1/a",
        "[]/a",
        "é",
        "a/é:x",
        "a@b@c",
        "a\n",
        "a.b/c:x/y",
    ] {
        for semantics in Semantics::ALL {
            assert_eq!(error(text, &semantics), FORMAT, "{text}");
        }
    }
    let hex = |length| "0".repeat(length);
    for (text, expected) in [
        (
            HEX.to_owned(),
            format!("invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
        ),
        (format!("a:{}", "t".repeat(129)), FORMAT.to_owned()),
        (format!("a@sha256:{}", hex(31)), FORMAT.to_owned()),
        (format!("a@sha256:{}", hex(32)), "invalid checksum digest length".to_owned()),
        (format!("a@sha256:{}", hex(63)), "invalid checksum digest length".to_owned()),
        (format!("a@sha256:{}", HEX.to_uppercase()), "invalid checksum digest format".to_owned()),
        (format!("a@sha384:{}", hex(64)), "invalid checksum digest length".to_owned()),
        (format!("a:t@SHA256:{HEX}"), "invalid checksum digest format".to_owned()),
        (format!("a@md5:{}", hex(32)), "unsupported digest algorithm".to_owned()),
        (format!("a@sha256+b64:{HEX}"), "unsupported digest algorithm".to_owned()),
        (format!("a@sha256+64:{HEX}"), FORMAT.to_owned()),
        // These pass the check for lower case and fail in the parser behind it.
        ("Ex_ample.com/a".to_owned(), "repository name must be lowercase".to_owned()),
        ("a:\u{212a}".to_owned(), "repository name must be lowercase".to_owned()),
        ("\u{130}.com/a".to_owned(), "repository name must be lowercase".to_owned()),
        ("a:\u{c9}".to_owned(), FORMAT.to_owned()),
    ] {
        for semantics in Semantics::ALL {
            assert_eq!(error(&text, &semantics), expected, "{text}");
        }
    }
}

#[test]
fn r2_lower_case() {
    let digest = format!("a@SHA256:{HEX}");
    for text in ["A", "foo.com/C", "example.com/A:x", "\u{c9}", &digest] {
        assert_eq!(error(text, &OLD), LOWER_CASE, "{text}");
    }
    for (text, remainder) in [
        ("A", "library/A"),
        ("foo.com/C", "C"),
        ("example.com/A:x", "A"),
        ("library/A@sha384:x", "library/A@sha384"),
        (&digest, "library/a@SHA256"),
    ] {
        let expected = format!("invalid reference format: repository name ({remainder}) must be lowercase");
        assert_eq!(error(text, &Semantics::MOBY_26_1), expected);
        assert_eq!(error(text, &Semantics::MOBY_28_5), expected);
    }
    for text in ["Foo/c", "LOCALHOST/c", "Localhost/x"] {
        assert_eq!(error(text, &OLD), LOWER_CASE, "{text}");
        for semantics in [Semantics::MOBY_26_1, Semantics::MOBY_28_5] {
            let reference = parse(text, &semantics).unwrap();
            assert_eq!(reference.familiar(), text);
            assert_eq!(Some(reference.domain()), text.split('/').next());
        }
    }
    // A capital of Unicode 14: no letter in Go 1.19, a domain in Go 1.24.
    assert_eq!(error("\u{a7c0}", &OLD), FORMAT);
    assert_eq!(
        error("\u{a7c0}", &Semantics::MOBY_28_5),
        "invalid reference format: repository name (library/\u{a7c0}) must be lowercase"
    );
    // And of Unicode 16: none in either.
    assert_eq!(error("\u{a7da}", &Semantics::MOBY_28_5), FORMAT);
}

#[test]
fn r1_ipv6_hosts() {
    for text in ["[::1]/a", "[::1]:5000/a", "[:]/a", "[aBc]/a", "[F.]/a", "[::1]x/a", "[::1]:/a", "[::g]/a"] {
        assert!(parse(text, &OLD).is_err(), "{text}");
        let valid = ["[::1]/a", "[::1]:5000/a", "[:]/a", "[aBc]/a"].contains(&text);
        for semantics in [Semantics::MOBY_26_1, Semantics::MOBY_28_5] {
            assert_eq!(parse(text, &semantics).is_ok(), valid, "{text}");
        }
    }
    // No upper-case letter, dot or colon: not even taken for a domain.
    assert_eq!(error("[abc]/a", &Semantics::MOBY_28_5), FORMAT);
}

#[test]
fn r1_limit_of_names() {
    let name = |length| "a".repeat(length);
    let too_long = "repository name must not be more than 255 characters";
    for semantics in [OLD, Semantics::MOBY_26_1] {
        assert!(parse(&format!("b.c/{}", name(251)), &semantics).is_ok());
        assert_eq!(error(&format!("b.c/{}", name(252)), &semantics), too_long);
        assert!(parse(&name(255 - 18), &semantics).is_ok());
        assert_eq!(error(&name(256 - 18), &semantics), too_long);
        // Before the digest is looked at.
        assert_eq!(error(&format!("{}@md5:{}", name(255), name(32)), &semantics), too_long);
    }
    let new = Semantics::MOBY_28_5;
    assert!(parse(&format!("b.c/{}", name(255)), &new).is_ok());
    assert_eq!(error(&format!("b.c/{}", name(256)), &new), too_long);
    assert!(parse(&name(247), &new).is_ok());
    assert_eq!(error(&name(248), &new), too_long);
    assert_eq!(error(&format!("e_x.c/{}", name(250)), &new), too_long);
    let long_domain = format!("{}.c/{}:1", name(100_000), name(255));
    let reference = parse(&long_domain, &new).unwrap();
    assert_eq!(reference.as_str(), long_domain);
    assert_eq!(reference.domain().len(), 100_002);
    check_laws(&reference, &new);
}

#[test]
fn parts() {
    let text = format!("a.b:5000/c/d:t@sha256:{HEX}");
    let reference = parse(&text, &OLD).unwrap();
    assert_eq!(reference.name(), "a.b:5000/c/d");
    assert_eq!(reference.domain(), "a.b:5000");
    assert_eq!(reference.path(), "c/d");
    assert_eq!(reference.tag(), Some("t"));
    assert_eq!(reference.digest(), text.split('@').nth(1));

    let reference = parse("ex_ample.com/a:1", &OLD).unwrap();
    assert_eq!((reference.domain(), reference.path()), ("", "ex_ample.com/a"));
    assert_eq!((reference.tag(), reference.digest()), (Some("1"), None));

    let reference = parse("library/a", &OLD).unwrap();
    assert_eq!((reference.name(), reference.familiar_name()), ("docker.io/library/a", "a"));
    assert_eq!((reference.tag(), reference.digest()), (None, None));
}

#[test]
fn r3_r6_other_kinds() {
    let tagged = parse("a", &OLD).unwrap().tag_name_only();
    assert_eq!(tagged, parse("a:latest", &OLD).unwrap());
    assert_eq!(tagged.tag(), Some("latest"));
    let both = parse(&format!("a:t@sha256:{HEX}"), &OLD).unwrap();
    let canonical = parse(&format!("a@sha256:{HEX}"), &OLD).unwrap();
    assert_eq!(both.clone().tag_name_only(), both);
    assert_eq!(canonical.clone().tag_name_only(), canonical);
    let favored = both.favor_digest();
    assert_eq!(favored, canonical);
    assert_eq!((favored.tag(), favored.digest()), (None, canonical.digest()));
    assert_eq!(tagged.clone().favor_digest(), tagged);
}

#[test]
fn r5_any() {
    let digest = |text: &str| match Reference::parse_any(text, &OLD) {
        Ok(AnyReference::Digest(digest)) => Some(digest),
        _ => None,
    };
    let sha256 = format!("sha256:{HEX}");
    assert_eq!(digest(HEX), Some(sha256.clone()));
    assert_eq!(digest(&sha256), Some(sha256));
    let sha512 = format!("sha512:{HEX}{HEX}");
    assert_eq!(digest(&sha512), Some(sha512));
    assert_eq!(digest("sha256:"), None);
    assert_eq!(digest(&format!("md5:{HEX}")), None);
    let named = AnyReference::Named(parse("sha256:abc", &OLD).unwrap());
    assert_eq!(Reference::parse_any("sha256:abc", &OLD), Ok(named));
}

#[test]
fn r10_order_is_bytewise() {
    let sorted = [
        "Foo.com/a".to_owned(),
        "a-b:1".to_owned(),
        "a:10".to_owned(),
        "a:2".to_owned(),
        "a:Z".to_owned(),
        "a:a".to_owned(),
        format!("a@sha256:{HEX}"),
        "foo.com/a".to_owned(),
        "localhost:5000/a".to_owned(),
    ];
    let references: Vec<_> = sorted.iter().map(|text| parse(text, &OLD).unwrap()).collect();
    assert!(references.is_sorted());
}

#[test]
fn is_small() {
    assert!(size_of::<Reference>() <= 32);
}

/// What holds for every reference.
fn check_laws(reference: &Reference, semantics: &Semantics) {
    let again = parse(reference.as_str(), semantics).unwrap();
    let parts = |reference: &Reference| {
        [reference.domain(), reference.path(), reference.familiar(), reference.familiar_name()]
            .map(str::to_owned)
    };
    assert_eq!(&again, reference);
    assert_eq!(parts(&again), parts(reference));
    assert!(reference.as_str().ends_with(reference.familiar()));
}
