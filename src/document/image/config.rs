//! An image config as Go decodes it into moby's `image.Image` (I-2, I-2a).
//!
//! Every field of the struct has a type, and a value of another type is refused even where nobody
//! looks at it. The tables below are those types; the code behind them reads the few fields that
//! matter.

use std::borrow::Cow;

use crate::go::json::{self, Decoder, JsonError, Key, Kind, Result};
use crate::go::layout;
use crate::go::time::Timestamp;
use crate::semantics::{GoTime, Semantics};

/// The type of a field.
enum Shape {
    /// A string type of this name.
    Text(&'static str),
    Flag,
    /// A 64-bit integer type of this name.
    Integer(&'static str),
    /// `[]string`.
    Texts,
    /// `strslice.StrSlice`: an array of strings, or just one.
    Words,
    /// A map of this type to `struct{}`.
    Set(&'static str),
    /// `map[string]string`.
    Map,
    Time,
    Struct(&'static Struct),
    /// A slice of this type of structs.
    Structs(&'static str, &'static Struct),
    /// A slice of this type of strings of that type.
    Names(&'static str, &'static str),
}

use Shape::{Flag, Integer, Map, Names, Set, Text, Texts, Time, Words};

struct Struct {
    name: &'static str,
    go_type: &'static str,
    fields: &'static [(&'static str, Shape)],
}

/// `image/image.go`, with the embedded `V1Image`.
static IMAGE: Struct = Struct {
    name: "Image",
    go_type: "image.Image",
    fields: &[
        ("architecture", Text("string")),
        ("config", Shape::Struct(&CONFIG)),
        ("created", Time),
        ("history", Shape::Structs("[]image.History", &HISTORY)),
        ("os", Text("string")),
        ("rootfs", Shape::Struct(&ROOTFS)),
        ("container", Text("string")),
        ("container_config", Shape::Struct(&CONFIG)),
        ("docker_version", Text("string")),
        ("author", Text("string")),
        ("comment", Text("string")),
        ("id", Text("string")),
        ("parent", Text("image.ID")),
        ("variant", Text("string")),
        ("Size", Integer("int64")),
        ("os.version", Text("string")),
        ("os.features", Texts),
    ],
};

/// `image/rootfs.go`.
static ROOTFS: Struct = Struct {
    name: "RootFS",
    go_type: "image.RootFS",
    fields: &[("type", Text("string")), ("diff_ids", Names("[]layer.DiffID", "layer.DiffID"))],
};

static HISTORY: Struct = Struct {
    name: "History",
    go_type: "image.History",
    fields: &[
        ("created", Time),
        ("created_by", Text("string")),
        ("empty_layer", Flag),
        ("author", Text("string")),
        ("comment", Text("string")),
    ],
};

/// `api/types/container/config.go`.
static CONFIG: Struct = Struct {
    name: "Config",
    go_type: "container.Config",
    fields: &[
        ("Hostname", Text("string")),
        ("Domainname", Text("string")),
        ("User", Text("string")),
        ("AttachStdin", Flag),
        ("AttachStdout", Flag),
        ("AttachStderr", Flag),
        ("ExposedPorts", Set("nat.PortSet")),
        ("Tty", Flag),
        ("OpenStdin", Flag),
        ("StdinOnce", Flag),
        ("Env", Texts),
        ("Cmd", Words),
        ("Healthcheck", Shape::Struct(&HEALTHCHECK)),
        ("ArgsEscaped", Flag),
        ("Image", Text("string")),
        ("Volumes", Set("map[string]struct {}")),
        ("WorkingDir", Text("string")),
        ("Entrypoint", Words),
        ("NetworkDisabled", Flag),
        ("MacAddress", Text("string")),
        ("OnBuild", Texts),
        ("Labels", Map),
        ("StopSignal", Text("string")),
        ("StopTimeout", Integer("int")),
        ("Shell", Words),
    ],
};

/// As in 20.10. DIFFERENCE(start-interval): 25.0 added `StartInterval`, whose type is not checked here.
static HEALTHCHECK: Struct = Struct {
    name: "HealthConfig",
    go_type: "container.HealthConfig",
    fields: &[
        ("Test", Texts),
        ("Interval", Integer("time.Duration")),
        ("Timeout", Integer("time.Duration")),
        ("StartPeriod", Integer("time.Duration")),
        ("Retries", Integer("int")),
    ],
};

/// What matters of a decoded `image.Image`.
#[derive(Default)]
pub(super) struct View<'a> {
    pub created: Option<Timestamp>,
    pub config: Option<RunConfig<'a>>,
    pub os: Cow<'a, str>,
    pub rootfs: Option<RootFs<'a>>,
    pub history: Slice<HistoryEntry>,
}

#[derive(Default)]
pub(super) struct RunConfig<'a> {
    /// In the order of the text; the last value of a key counts.
    pub labels: Option<Vec<(Cow<'a, str>, Cow<'a, str>)>>,
}

#[derive(Default)]
pub(super) struct RootFs<'a> {
    pub diff_ids: Slice<Cow<'a, str>>,
}

#[derive(Default)]
pub(super) struct HistoryEntry {
    pub empty_layer: bool,
}

/// Decodes a config.
pub(super) fn read<'a>(config: &'a [u8], semantics: &Semantics) -> Result<View<'a>> {
    let mut view = View::default();
    json::decode(config, |decoder| view.read(decoder, semantics))?;
    Ok(view)
}

impl<'a> View<'a> {
    fn read(&mut self, decoder: &mut Decoder<'a>, semantics: &Semantics) -> Result<()> {
        let go = semantics.go_time;
        IMAGE.read(decoder, |decoder, name, shape| match name {
            "created" => {
                let created = instant(decoder, go)?;
                if created.is_some() || semantics.null_clears_created {
                    self.created = created;
                }
                Ok(())
            }
            "config" => {
                let config = self.config.get_or_insert_default();
                if !config.read(decoder, go)? {
                    self.config = None;
                }
                Ok(())
            }
            "os" => {
                if let Some(os) = decoder.string("string")? {
                    self.os = os;
                }
                Ok(())
            }
            "rootfs" => {
                let rootfs = self.rootfs.get_or_insert_default();
                if !rootfs.read(decoder, go)? {
                    self.rootfs = None;
                }
                Ok(())
            }
            "history" => {
                self.history.read(decoder, "[]image.History", |decoder, entry| entry.read(decoder, go))
            }
            _ => shape.check(decoder, go),
        })?;
        Ok(())
    }
}

impl<'a> RunConfig<'a> {
    fn read(&mut self, decoder: &mut Decoder<'a>, go: GoTime) -> Result<bool> {
        CONFIG.read(decoder, |decoder, name, shape| {
            if name != "Labels" {
                return shape.check(decoder, go);
            }
            let labels = self.labels.get_or_insert_default();
            let is_map = decoder.object("map[string]string", |decoder, key| {
                // A null is the zero value of a map's element.
                let value = decoder.string("string")?.unwrap_or_default();
                labels.push((key.text(), value));
                Ok(())
            })?;
            if !is_map {
                self.labels = None;
            }
            Ok(())
        })
    }
}

impl<'a> RootFs<'a> {
    fn read(&mut self, decoder: &mut Decoder<'a>, go: GoTime) -> Result<bool> {
        ROOTFS.read(decoder, |decoder, name, shape| {
            if name != "diff_ids" {
                return shape.check(decoder, go);
            }
            self.diff_ids.read(decoder, "[]layer.DiffID", |decoder, slot| {
                if let Some(diff_id) = decoder.string("layer.DiffID")? {
                    *slot = diff_id;
                }
                Ok(())
            })
        })
    }
}

impl HistoryEntry {
    fn read(&mut self, decoder: &mut Decoder<'_>, go: GoTime) -> Result<()> {
        HISTORY.read(decoder, |decoder, name, shape| {
            if name != "empty_layer" {
                return shape.check(decoder, go);
            }
            if let Some(empty_layer) = decoder.boolean("bool")? {
                self.empty_layer = empty_layer;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// A Go slice that arrays are decoded into. Its memory outlives a shorter array, and an element that
/// leaves something out has what stood there before (I-2a).
#[derive(Default)]
pub(super) struct Slice<T> {
    memory: Vec<T>,
    len: usize,
}

impl<T: Default> Slice<T> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.memory.iter().take(self.len)
    }

    fn read<'a>(
        &mut self,
        decoder: &mut Decoder<'a>,
        go_type: &str,
        mut element: impl FnMut(&mut Decoder<'a>, &mut T) -> Result<()>,
    ) -> Result<()> {
        self.len = 0;
        decoder.array(go_type, |decoder| {
            if self.len == self.memory.len() {
                self.memory.push(T::default());
            }
            self.len += 1;
            match self.memory.get_mut(self.len - 1) {
                Some(slot) => element(decoder, slot),
                None => Ok(()),
            }
        })?;
        if self.len == 0 {
            // Null, or an empty array: Go starts anew.
            self.memory.clear();
        }
        Ok(())
    }
}

impl Struct {
    /// Reads an object, its known fields with `field`. Returns false for null.
    fn read<'a>(
        &'static self,
        decoder: &mut Decoder<'a>,
        mut field: impl FnMut(&mut Decoder<'a>, &'static str, &'static Shape) -> Result<()>,
    ) -> Result<bool> {
        decoder.object(self.go_type, |decoder, key| match self.find(&key) {
            Some((name, shape)) => decoder.field(self.name, name, |decoder| field(decoder, name, shape)),
            None => Ok(()),
        })
    }

    fn find(&'static self, key: &Key<'_>) -> Option<(&'static str, &'static Shape)> {
        self.fields.iter().find_map(|(name, shape)| key.is(name).then_some((*name, shape)))
    }
}

impl Shape {
    /// Passes over a value, noting what does not fit. Recurs as deep as the tables are nested.
    fn check(&'static self, decoder: &mut Decoder<'_>, go: GoTime) -> Result<()> {
        match self {
            Self::Text(go_type) => decoder.pass(Kind::String, go_type),
            Self::Flag => decoder.pass(Kind::Bool, "bool"),
            Self::Integer(go_type) => decoder.integer(go_type).map(drop),
            Self::Texts => strings(decoder, "[]string", "string"),
            Self::Names(go_type, element) => strings(decoder, go_type, element),
            Self::Words => words(decoder),
            Self::Set(go_type) => decoder
                .object(go_type, |decoder, _| decoder.object("struct {}", |_, _| Ok(())).map(drop))
                .map(drop),
            Self::Map => decoder
                .object("map[string]string", |decoder, _| decoder.pass(Kind::String, "string"))
                .map(drop),
            Self::Time => instant(decoder, go).map(drop),
            Self::Struct(structure) => {
                structure.read(decoder, |decoder, _, shape| shape.check(decoder, go)).map(drop)
            }
            Self::Structs(go_type, structure) => decoder
                .array(go_type, |decoder| {
                    structure.read(decoder, |decoder, _, shape| shape.check(decoder, go)).map(drop)
                })
                .map(drop),
        }
    }
}

fn strings(decoder: &mut Decoder<'_>, go_type: &str, element: &str) -> Result<()> {
    decoder.array(go_type, |decoder| decoder.pass(Kind::String, element)).map(drop)
}

/// `strslice.StrSlice` decodes itself: an array of strings, or else a string, whose refusal it
/// reports.
fn words(decoder: &mut Decoder<'_>) -> Result<()> {
    let kind = decoder.kind()?;
    let mut fits = matches!(kind, Kind::String | Kind::Null | Kind::Array);
    if kind == Kind::Array {
        decoder.array("[]string", |decoder| {
            fits &= matches!(decoder.kind()?, Kind::String | Kind::Null);
            decoder.skip()
        })?;
    } else {
        decoder.skip()?;
    }
    if !fits {
        decoder.refuse(decoder.mismatch_here(kind.as_str(), "string"));
    }
    Ok(())
}

/// `time.Time` decodes itself, from the raw bytes of the value: an escape in it is an error (
/// I-2a). None for null.
fn instant(decoder: &mut Decoder<'_>, go: GoTime) -> Result<Option<Timestamp>> {
    let raw = decoder.raw()?;
    if raw == b"null" {
        return Ok(None);
    }
    let quoted = raw.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
    let parsed = match quoted {
        Some(text) => layout::parse_rfc3339(text, go).map_err(|error| JsonError::new(error.to_string())),
        None => Err(JsonError::new("Time.UnmarshalJSON: input is not a JSON string")),
    };
    match parsed {
        Ok(instant) => Ok(Some(instant)),
        Err(error) => {
            decoder.refuse(error);
            Ok(None)
        }
    }
}
