#![allow(clippy::unwrap_used, reason = "test code")]

use std::borrow::Cow;

use super::*;

fn skip(text: impl AsRef<[u8]>) -> Result<()> {
    decode(text.as_ref(), Decoder::skip)
}

fn string(text: &[u8]) -> Cow<'_, str> {
    decode(text, |decoder| decoder.string("string")).unwrap().unwrap()
}

/// Texts of Go 1.19.8's `json.Unmarshal`.
#[test]
fn syntax_errors_are_gos() {
    for (text, error) in [
        ("", "unexpected end of JSON input"),
        (" \n", "unexpected end of JSON input"),
        ("anything", "invalid character 'a' looking for beginning of value"),
        ("['a','list']", r"invalid character '\'' looking for beginning of value"),
        ("{'key': 'value'}", r"invalid character '\'' looking for beginning of object key string"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("01", "invalid character '1' after top-level value"),
        (r#"{"a":{"x":true},}"#, "invalid character '}' looking for beginning of object key string"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("[01]", "invalid character '1' after array element"),
        ("[1", "unexpected end of JSON input"),
        (r#"{"a""#, "unexpected end of JSON input"),
        (r#"{"a" 1}"#, "invalid character '1' after object key"),
        (r#"{"a":1 "b"}"#, "invalid character '\"' after object key:value pair"),
        (r#"{"a":1]"#, "invalid character ']' after object key:value pair"),
        // The end of the input is one more blank to a token.
        ("tru", "invalid character ' ' in literal true (expecting 'e')"),
        ("nul", "invalid character ' ' in literal null (expecting 'l')"),
        ("[falze]", "invalid character 'z' in literal false (expecting 's')"),
        ("-", "invalid character ' ' in numeric literal"),
        ("-a", "invalid character 'a' in numeric literal"),
        ("1.", "invalid character ' ' after decimal point in numeric literal"),
        ("1.e", "invalid character 'e' after decimal point in numeric literal"),
        ("1e+", "invalid character ' ' in exponent of numeric literal"),
        ("\"abc", "unexpected end of JSON input"),
        ("\"\\", "invalid character ' ' in string escape code"),
        ("\"\\'\"", r"invalid character '\'' in string escape code"),
        ("\"\\u12\"", "invalid character '\"' in \\u hexadecimal character escape"),
        ("\"\n\"", r"invalid character '\n' in string literal"),
        ("\"\u{1}\"", r"invalid character '\x01' in string literal"),
        ("\u{7f}", r"invalid character '\x7f' looking for beginning of value"),
        ("\\", r"invalid character '\\' looking for beginning of value"),
        // The first byte of U+00E9 and of U+0130, as if it were a character.
        ("é", "invalid character 'Ã' looking for beginning of value"),
        ("İ", "invalid character 'Ä' looking for beginning of value"),
    ] {
        assert_eq!(skip(text), Err(JsonError::new(error)), "{text:?}");
    }
    for (byte, shown) in [(0x80, r"\u0080"), (0xa0, r"\u00a0"), (0xad, r"\u00ad"), (0xff, "ÿ")] {
        let error = format!("invalid character '{shown}' after top-level value");
        assert_eq!(skip([b'1', byte]), Err(JsonError::new(error)));
    }
}

#[test]
fn nests_ten_thousand_levels_deep() {
    for (open, inner, close, error) in [("[", "", "]", '['), (r#"{"a":"#, "1", "}", '{')] {
        let nested = |depth: usize| format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(skip(nested(10_000)), Ok(()));
        let error = JsonError::new(format!("invalid character '{error}' exceeded max depth"));
        assert_eq!(skip(nested(10_001)), Err(error.clone()));
        // What the caller has opened counts, too.
        let read = |text: &str| decode(text.as_bytes(), |decoder| decoder.array("[]any", |_| Ok(())));
        assert_eq!(read(&format!("[{}]", nested(9_999))), Ok(true));
        assert_eq!(read(&format!("[{}]", nested(10_000))), Err(error));
    }
}

#[test]
fn strings_decode_as_gos() {
    for (json, text) in [
        (&br#""""#[..], ""),
        (br#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (br#""\u00e9\uD83D\ude00""#, "é😀"),
        (br#""\ud83d""#, "\u{fffd}"),
        (br#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
        (br#""\ud83d\u0041""#, "\u{fffd}A"),
        (br#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (br#""\ud83dx\ude00""#, "\u{fffd}x\u{fffd}"),
        // One replacement a byte, not one a sequence.
        (b"\"\xe2\x82\"", "\u{fffd}\u{fffd}"),
        (b"\"\xed\xa0\x80\"", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\"\xf0\x9f\x98x\\n\"", "\u{fffd}\u{fffd}\u{fffd}x\n"),
        (b"\"\xc0\x80\xff\"", "\u{fffd}\u{fffd}\u{fffd}"),
    ] {
        assert_eq!(string(json), text, "{}", json.escape_ascii());
    }
    assert!(matches!(string("\"é\"".as_bytes()), Cow::Borrowed("é")));
}

#[test]
fn keys_fold_as_struct_fields() {
    let is = |key: &str, name: &str| {
        let json = format!("{{\"{key}\":1}}");
        let mut found = false;
        let read = |decoder: &mut Decoder<'_>| {
            decoder.object("T", |_, key| {
                found = key.is(name);
                Ok(())
            })
        };
        decode(json.as_bytes(), read).unwrap();
        found
    };
    for key in ["rootfs", "ROOTFS", "RootFs", "rootfſ", "rootf\\u017f", "\\u0072ootfs"] {
        assert!(is(key, "rootfs"), "{key}");
    }
    assert!(is("\u{212a}\u{17f}", "kS"));
    assert!(is("Os.Version", "os.version") && is("a_b", "A_B"));
    for key in ["rootf", "rootfss", "rootf\u{df}", "rootf ", "roоtfs", "ROOTFŞ", "\u{17f}\u{17f}\u{17f}"] {
        assert!(!is(key, "rootfs"), "{key}");
    }
    // Only letters fold: these differ by the bit that is the case of a letter.
    assert!(!is("a\\u007f", "a_") && !is("`", "@") && !is("\\u000e", "."));
}

#[test]
fn errors_rank_syntax_then_refusal_then_first_mismatch() {
    let read = |text: &str| {
        decode(text.as_bytes(), |decoder| {
            decoder.object("image.Image", |decoder, key| {
                if key.is("self") {
                    decoder.refuse(JsonError::new("refused"));
                    return Ok(());
                }
                decoder.field("Image", "os", |decoder| decoder.string("string").map(drop))
            })
        })
    };
    let mismatch = |value: &str| {
        let text = format!("json: cannot unmarshal {value} into Go struct field Image.os of type string");
        Err(JsonError::new(text))
    };
    assert_eq!(read(r#"{"os":null,"os":"x"}"#), Ok(true));
    assert_eq!(read("null"), Ok(false));
    assert_eq!(read(r#"{"os":[{}],"os":1}"#), mismatch("array"));
    assert_eq!(read(r#"{"os":1,"self":1}"#), Err(JsonError::new("refused")));
    assert_eq!(read(r#"{"os":1,"self":1"#), Err(JsonError::new("unexpected end of JSON input")));
    let top = JsonError::new("json: cannot unmarshal bool into Go value of type image.Image");
    assert_eq!(read("true"), Err(top));
}

#[test]
fn numbers_are_gos_int64() {
    let read = |text: &str| decode(text.as_bytes(), |decoder| decoder.integer("int64"));
    for (text, number) in [("0", 0), ("-0", 0), (" -12 ", -12), ("9223372036854775807", i64::MAX)] {
        assert_eq!(read(text), Ok(Some(number)));
    }
    for text in ["1.0", "1e3", "9223372036854775808"] {
        let error = format!("json: cannot unmarshal number {text} into Go value of type int64");
        assert_eq!(read(text), Err(JsonError::new(error)));
    }
    let error = "json: cannot unmarshal string into Go value of type int64";
    assert_eq!(read("\"1\""), Err(JsonError::new(error)));
}

#[test]
fn raw_values_have_no_blanks_around_them() {
    let mut values = Vec::new();
    let text = b"[ 1 , [ 2,{\"a\" : \"]\"} ] ,null ]";
    decode(text, |decoder| {
        decoder.array("[]any", |decoder| {
            values.push(decoder.raw()?);
            Ok(())
        })
    })
    .unwrap();
    assert_eq!(values, [&b"1"[..], b"[ 2,{\"a\" : \"]\"} ]", b"null"]);
}

#[test]
fn writes_strings_as_go() {
    let write = |text, html| {
        let mut json = String::new();
        write_string(&mut json, text, html);
        json
    };
    let text = "\"\\\n\r\t\u{8}\u{7f}<&>é\u{2028}\u{2029}";
    assert_eq!(
        write(text, Html::Escaped),
        "\"\\\"\\\\\\n\\r\\t\\u0008\u{7f}\\u003c\\u0026\\u003eé\\u2028\\u2029\""
    );
    assert_eq!(write("<&>", Html::AsIs), "\"<&>\"");
}
