//! The kinds of files: rows, a case as JSON over many lines, or a case as a script.

use std::collections::BTreeSet;

use image_prune::ErrorClass;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::cli::args::{ReplayArgs, Rows};
use crate::cli::error::{Failure, Result};
use crate::cli::read::{Lines, is_script, named, text_of};

pub enum Input<'a> {
    /// A row a line, each of the kind that was asked for as far as the first one shows.
    Rows(Lines<'a>),
    /// A case as JSON.
    Case(Vec<u8>),
    /// A case as a script.
    Script(String),
}

impl<'a> Input<'a> {
    pub fn open(args: &'a ReplayArgs) -> Result<Self> {
        let mut lines = Lines::open(&args.file)?;
        let Some((number, first)) = lines.next()? else { return Ok(Self::Rows(lines)) };
        let keys = serde_json::from_slice::<Keys>(first);
        let is_case = args.rows == Rows::Scenarios;
        match keys {
            Ok(keys) => {
                keys.check(args, &format!("line {number}: "))?;
                lines.again();
                Ok(Self::Rows(lines))
            }
            Err(_) if is_case => Self::whole(args, lines.into_text()?),
            Err(error) => {
                let problem = format!("line {number}: it is not {}: {error}", in_words(args.rows));
                Err(wrong_kind(args, problem))
            }
        }
    }

    /// A file that is one case.
    fn whole(args: &ReplayArgs, text: Vec<u8>) -> Result<Self> {
        if is_script(&args.file, &text) {
            return text_of(&args.file, text).map(Self::Script).map_err(Into::into);
        }
        match serde_json::from_slice::<Keys>(&text) {
            Ok(keys) => keys.check(args, "").map(|()| Self::Case(text)),
            Err(error) => {
                let problem = format!("it is neither a case nor rows of scenarios: {error}");
                Err(wrong_kind(args, problem))
            }
        }
    }
}

/// The keys of an object.
struct Keys(BTreeSet<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Keys;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Keys, A::Error> {
                let mut keys = BTreeSet::new();
                while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    keys.insert(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Keys {
    fn has(&self, key: &str) -> bool {
        self.0.contains(key)
    }

    /// What an object with these keys is. References and filter arguments look alike where no answer stands beside them.
    fn kinds(&self) -> &'static [Rows] {
        let has_any = |keys: &[&str]| keys.iter().any(|key| self.has(key));
        if self.has("ops") {
            &[Rows::Scenarios]
        } else if !self.has("value") {
            &[]
        } else if has_any(&["now", "utc_offset_seconds"]) {
            &[Rows::Until]
        } else if has_any(&["any", "any_error", "string"]) {
            &[Rows::Reference]
        } else if has_any(&["fields", "dangling_exact_match", "validate_error"]) {
            &[Rows::Filters]
        } else {
            &[Rows::Reference, Rows::Filters]
        }
    }

    /// Refuses a file whose first object is of another kind than was asked for: each row behind it would be an error, too.
    fn check(&self, args: &ReplayArgs, place: &str) -> Result<()> {
        let kinds = self.kinds();
        if kinds.contains(&args.rows) {
            return Ok(());
        }
        let asked = in_words(args.rows);
        let found = match kinds.first() {
            Some(kind) => format!("it is {}, not {asked}", in_words(*kind)),
            None if self.has("format") => format!("it is a state file, not {asked}: it has no `ops`"),
            None => format!("it is not {asked}"),
        };
        Err(wrong_kind(args, format!("{place}{found}")).with_hint(match kinds.first() {
            Some(Rows::Scenarios) => "leave out --rows",
            Some(Rows::Until) => "say --rows until",
            Some(Rows::Reference) if kinds.len() == 1 => "say --rows reference",
            Some(Rows::Filters) => "say --rows filters",
            Some(Rows::Reference) => "say --rows reference or --rows filters",
            None => HINT,
        }))
    }
}

const HINT: &str =
    "replay takes a case, as a script or as JSON, and rows of JSON, a line each; all of them gzipped, too";

fn in_words(rows: Rows) -> &'static str {
    match rows {
        Rows::Scenarios => "a scenario",
        Rows::Until => "a row of `until`",
        Rows::Reference => "a row of references",
        Rows::Filters => "a row of filter arguments",
    }
}

fn wrong_kind(args: &ReplayArgs, problem: String) -> Failure {
    Failure::at(named(&args.file), ErrorClass::InvalidParameter, problem).with_hint(HINT)
}
