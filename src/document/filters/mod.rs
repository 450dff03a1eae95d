//! Filter arguments, `filters.Args` (F-1 to F-11; moby `api/types/filters/parse.go`).

use std::collections::BTreeMap;

mod pairs;

pub(crate) use pairs::Pairs;

use crate::base::error::{Error, Kind, Result};
use crate::go::json::{self, Html};
use crate::semantics::{BadFilterText, Semantics};

/// Keys with sets of values. A key may have no value, and a value may be flagged false: both come
/// from JSON only, and some readers see them.
///
/// Everything is in the order of its bytes where Go's maps have none (O-5, O-7).
///
/// ```
/// use image_prune::Semantics;
/// use image_prune::Filters;
///
/// let filters = Filters::parse(r#"{"label":["a=1","b"]}"#, &Semantics::MOBY_20_10)?;
/// assert_eq!(filters.get("label").collect::<Vec<_>>(), ["a=1", "b"]);
/// assert_eq!(filters.to_json(), r#"{"label":{"a=1":true,"b":true}}"#);
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters {
    /// No set is Go's nil map, which shows in JSON only.
    fields: BTreeMap<String, Option<Values>>,
}

type Values = BTreeMap<String, bool>;

impl Filters {
    /// Reads the `filters` parameter: an object of objects of booleans or, failing that, of arrays
    /// of strings (F-1). The empty text has no filters.
    ///
    /// # Errors
    ///
    /// The first attempt's error; class and text are those of `semantics`.
    pub fn parse(json: impl AsRef<[u8]>, semantics: &Semantics) -> Result<Self> {
        let json = json.as_ref();
        if json.is_empty() {
            return Ok(Self::default());
        }
        let fields = object_of_objects(json).or_else(|error| object_of_arrays(json).map_err(|_| error));
        let fields = fields.map_err(|error| {
            let prefix = semantics.invalid_filter_prefix;
            let text = match semantics.bad_filter_text {
                BadFilterText::Json => error.to_string(),
                BadFilterText::PrefixedJson => format!("{prefix}: {error}"),
                BadFilterText::Short => prefix.to_owned(),
            };
            Error::new(semantics.bad_filter_class, text).of_kind(Kind::FiltersMalformed)
        })?;
        Ok(Self { fields })
    }

    /// Adds one value.
    pub fn add(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.fields.entry(key.into()).or_default().get_or_insert_default().insert(value.into(), true);
    }

    /// Adds the value of one `--filter` as docker's CLI does (docker/cli `opts.FilterOpt`): cut at
    /// the first `=`, blanks around both parts dropped, the key in lower case. An empty argument is
    /// no filter.
    ///
    /// ```
    /// let mut filters = image_prune::Filters::default();
    /// filters.add_argument("Label = stage=build")?;
    /// assert!(filters.exact_match("label", "stage=build"));
    /// assert!(filters.add_argument("label").is_err());
    /// # Ok::<(), image_prune::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// There is no `=` in it.
    pub fn add_argument(&mut self, argument: &str) -> Result<()> {
        if argument.is_empty() {
            return Ok(());
        }
        let Some((key, value)) = argument.split_once('=') else {
            return Err(Error::invalid_parameter("bad format of filter (expected name=value)"));
        };
        // Go lowers a character to one character, whatever stands beside it.
        let key: String =
            key.trim().chars().filter_map(|character| character.to_lowercase().next()).collect();
        self.add(key, value.trim());
        Ok(())
    }

    /// Returns true when there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Returns true when the key is there, even without values (F-3).
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// The values of a key whatever their flags, sorted (F-4).
    pub fn get(&self, key: &str) -> impl Iterator<Item = &str> {
        self.flags(key).map(|(value, _)| value)
    }

    /// The values of a key with their flags, sorted.
    pub fn flags(&self, key: &str) -> impl Iterator<Item = (&str, bool)> {
        self.values(key).into_iter().flatten().map(|(value, flag)| (value.as_str(), *flag))
    }

    /// Returns true when `value` is flagged true, and also when the key has no values at all
    /// (F-5).
    #[must_use]
    pub fn exact_match(&self, key: &str, value: &str) -> bool {
        match self.values(key) {
            Some(values) => values.get(value).copied().unwrap_or(false),
            None => true,
        }
    }

    /// Returns true on an [exact match](Self::exact_match), and when `text` starts with some value
    /// (F-7).
    #[must_use]
    pub fn fuzzy_match(&self, key: &str, text: &str) -> bool {
        self.exact_match(key, text) || self.get(key).any(|prefix| text.starts_with(prefix))
    }

    /// Returns true when all values of the key, each `key` or `key=value`, are found in `map`, which
    /// has each key once; also when the key has no values (F-6).
    pub fn match_kv_list<'m>(&self, key: &str, map: impl IntoIterator<Item = (&'m str, &'m str)>) -> bool {
        self.get(key).collect::<Pairs>().all_in(map)
    }

    /// Looks for a key that is not accepted (F-2); of several it names the first.
    ///
    /// # Errors
    ///
    /// `Invalid filter '<key>'`.
    pub fn validate(&self, accepted: &[&str], semantics: &Semantics) -> Result<()> {
        // DIFFERENCE(first-of-several): moby names any, as a Go map gives them.
        match self.keys().find(|key| !accepted.contains(key)) {
            None => Ok(()),
            Some("") if semantics.empty_key_is_bare => {
                Err(Error::invalid_parameter(semantics.invalid_filter_prefix).of_kind(Kind::FilterUnknown))
            }
            Some(key) => Err(invalid_filter(key, Kind::FilterUnknown, semantics)),
        }
    }

    /// The parameter that moby's client sends: empty without filters (F-11).
    #[must_use]
    pub fn to_json(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let mut json = String::new();
        write_object(&mut json, &self.fields, |json, values| match values {
            None => json.push_str("null"),
            Some(values) => {
                write_object(json, values, |json, flag| json.push_str(if *flag { "true" } else { "false" }));
            }
        });
        json
    }

    /// The values of a key, if there are any.
    fn values(&self, key: &str) -> Option<&Values> {
        self.fields.get(key)?.as_ref().filter(|values| !values.is_empty())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Filters {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut filters = Self::default();
        for (key, value) in pairs {
            filters.add(key, value);
        }
        filters
    }
}

/// moby's error about `what`: a key, or `key=[values]`.
pub(crate) fn invalid_filter(what: &str, kind: Kind, semantics: &Semantics) -> Error {
    Error::invalid_parameter(format!("{} '{what}'", semantics.invalid_filter_prefix)).of_kind(kind)
}

fn object_of_objects(json: &[u8]) -> json::Result<BTreeMap<String, Option<Values>>> {
    json::decode(json, |decoder| {
        let mut fields = BTreeMap::new();
        decoder.object("map[string]map[string]bool", |decoder, key| {
            let mut values = Values::new();
            let is_map = decoder.object("map[string]bool", |decoder, value| {
                let flag = decoder.boolean("bool")?.unwrap_or_default();
                values.insert(value.text().into_owned(), flag);
                Ok(())
            })?;
            fields.insert(key.text().into_owned(), is_map.then_some(values));
            Ok(())
        })?;
        Ok(fields)
    })
}

fn object_of_arrays(json: &[u8]) -> json::Result<BTreeMap<String, Option<Values>>> {
    json::decode(json, |decoder| {
        let mut fields = BTreeMap::new();
        decoder.object("map[string][]string", |decoder, key| {
            let mut values = Values::new();
            decoder.array("[]string", |decoder| {
                let value = decoder.string("string")?.unwrap_or_default();
                values.insert(value.into_owned(), true);
                Ok(())
            })?;
            fields.insert(key.text().into_owned(), Some(values));
            Ok(())
        })?;
        Ok(fields)
    })
}

fn write_object<T>(json: &mut String, map: &BTreeMap<String, T>, write: impl Fn(&mut String, &T)) {
    let mut separator = '{';
    for (key, value) in map {
        json.push(separator);
        json::write_string(json, key, Html::Escaped);
        json.push(':');
        write(json, value);
        separator = ',';
    }
    json.push_str(if map.is_empty() { "{}" } else { "}" });
}
