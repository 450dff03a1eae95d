//! A case before it is made: a small store and the filters of a prune, in numbers, so that it can shrink.

use super::random::Random;

/// A store and a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sketch {
    pub images: Vec<ImageSketch>,
    pub containers: Vec<ContainerSketch>,
    pub filters: FilterSketch,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageSketch {
    /// Tells it from the others, and makes its ID its own.
    pub number: usize,
    /// Which of the contents, base first.
    pub layers: Vec<u8>,
    /// The number of an image that stands before it.
    pub parent: Option<usize>,
    /// A field of the config, or nothing.
    pub created: &'static str,
    /// The same.
    pub config: &'static str,
    pub tags: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContainerSketch {
    /// The number of its image.
    pub image: usize,
    pub running: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FilterSketch {
    /// Fields of an object.
    Parts(Vec<&'static str>),
    /// A text as it is.
    Raw(&'static str),
}

/// How many contents layers have.
pub(super) const CONTENTS: u8 = 6;

/// Two of them are limits in [`UNTIL`], and one is their neighbour.
const CREATED: [&str; 8] = [
    r#","created":"2020-01-01T00:00:00Z""#,
    r#","created":"2019-12-31T23:59:59.999999999Z""#,
    r#","created":"2020-01-01T00:00:00.5Z""#,
    r#","created":"2021-02-03T04:05:06+07:00""#,
    r#","created":"2999-01-01T00:00:00Z""#,
    "",
    r#","created":null"#,
    r#","created":"0001-01-01T00:00:00Z""#,
];

const CONFIG: [&str; 9] = [
    r#","config":{"Labels":{"k":"v"}}"#,
    r#","config":{"Labels":{"k":"v","j":"1"}}"#,
    r#","config":{"Labels":{"k":"w"}}"#,
    r#","config":{"Labels":{"j":"1","name":"x"}}"#,
    r#","config":{}"#,
    "",
    r#","config":{"Labels":{}}"#,
    r#","config":null"#,
    r#","config":{"Labels":null}"#,
];

/// Sorted otherwise in full than as they are shown (R-10).
const REPOSITORIES: [&str; 5] = [
    "image-prune-conform/a",
    "image-prune-conform/a-b",
    "foo.com/image-prune-conform",
    "localhost:5000/image-prune-conform",
    "image-prune-conform",
];

const TAGS: [&str; 5] = ["1", "2", "10", "latest", "Z"];

const DANGLING: [&str; 13] = [
    r#""dangling":["false"]"#,
    r#""dangling":["false"]"#,
    r#""dangling":["0"]"#,
    "",
    r#""dangling":["true"]"#,
    r#""dangling":["1"]"#,
    r#""dangling":{"true":true}"#,
    r#""dangling":{"false":true}"#,
    r#""dangling":["1","0"]"#,
    r#""dangling":["true","x"]"#,
    r#""dangling":[]"#,
    r#""dangling":null"#,
    r#""dangling":{"false":false,"true":true}"#,
];

const LABEL: [&str; 8] = [
    r#""label":["k"]"#,
    r#""label":["k=v"]"#,
    r#""label":["k","j"]"#,
    r#""label":["k=v","k=w"]"#,
    r#""label":["K"]"#,
    r#""label":{"k":false}"#,
    r#""label":[]"#,
    r#""label":["k="]"#,
];

const NEGATED_LABEL: [&str; 6] = [
    r#""label!":["k"]"#,
    r#""label!":["k=v"]"#,
    r#""label!":["k","j"]"#,
    r#""label!":["k=v","k=w"]"#,
    r#""label!":[]"#,
    r#""label!":["name"]"#,
];

const UNTIL: [&str; 14] = [
    r#""until":["2020-01-01T00:00:00Z"]"#,
    r#""until":["2020-01-01T00:00:00.5Z"]"#,
    r#""until":["1577836800"]"#,
    r#""until":["1577836800.5"]"#,
    r#""until":["24h"]"#,
    r#""until":["-1h"]"#,
    r#""until":["1.5h30m"]"#,
    r#""until":{"48h":false}"#,
    r#""until":["2020-01-01"]"#,
    r#""until":["2020-01-01T01:00:00+01:00"]"#,
    r#""until":["2019-12-31T23"]"#,
    r#""until":["0001-01-01T00:00:00Z"]"#,
    r#""until":["0000-12-31T00:00:00Z"]"#,
    r#""until":["0"]"#,
];

/// Refused, each for another reason; the last few are not, though they look odd.
const RAW: [&str; 28] = [
    r#"{"bogus":["1"]}"#,
    r#"{"Dangling":["true"]}"#,
    r#"{"":["1"]}"#,
    r#"{"bogus":["1"],"other":["1"]}"#,
    r#"{"bogus":["1"],"dangling":["x"]}"#,
    r#"{"dangling":["x"]}"#,
    r#"{"dangling":["True"]}"#,
    r#"{"dangling":[""]}"#,
    r#"{"dangling":{"true":false}}"#,
    r#"{"dangling":["x","y"]}"#,
    r#"{"dangling":["x"],"until":["x"]}"#,
    r#"{"until":["x"]}"#,
    r#"{"until":["1d"]}"#,
    r#"{"until":["1h","2h"]}"#,
    r#"{"until":[""]}"#,
    r#"{"until":["2020-13-01"]}"#,
    r#"{"until":["2020-01-01T00:00:00Zx"]}"#,
    r#"{"until":["-5"]}"#,
    r#"{"label":1}"#,
    r#"{"label":["a"],"until":{"1h":true}}"#,
    r#"{"dangling":"true"}"#,
    "nonsense",
    "[]",
    r#"{"dangling":["true"]"#,
    "null",
    " {} ",
    r#"{"dangling":["x"],"dangling":["false"]}"#,
    r#"{"label":["k"],"label":["j"]}"#,
];

impl Sketch {
    pub fn draw(random: &mut Random) -> Self {
        let mut images: Vec<ImageSketch> = Vec::new();
        let count = 1 + random.below(6);
        let mut names: Vec<String> = Vec::new();
        for number in 0..count {
            let parent = random.in_ten(5).then(|| images.get(random.below(number))).flatten();
            let mut layers = match parent {
                Some(parent) if random.in_ten(8) => parent.layers.clone(),
                _ => Vec::new(),
            };
            for _ in 0..random.below(3) {
                layers.push(u8::try_from(random.below(usize::from(CONTENTS))).unwrap_or(0));
            }
            let mut tags = Vec::new();
            for _ in 0..random.pick(&[0, 0, 0, 1, 1, 2, 3]) {
                let name = format!("{}:{}", random.pick(&REPOSITORIES), random.pick(&TAGS));
                if !names.contains(&name) {
                    names.push(name.clone());
                    tags.push(name);
                }
            }
            let parent = parent.map(|parent| parent.number);
            let (created, config) = (random.pick(&CREATED), random.pick(&CONFIG));
            images.push(ImageSketch { number, layers, parent, created, config, tags });
        }
        let containers = (0..random.pick(&[0, 0, 1, 1, 2]))
            .map(|_| ContainerSketch { image: random.below(count), running: random.in_ten(5) })
            .collect();
        Self { images, containers, filters: FilterSketch::draw(random) }
    }

    /// Everything that is a little less than this, the larger steps first.
    pub fn smaller(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for image in &self.images {
            found.push(self.without_image(image.number));
        }
        for at in 0..self.containers.len() {
            let mut sketch = self.clone();
            sketch.containers.remove(at);
            found.push(sketch);
        }
        if let FilterSketch::Parts(parts) = &self.filters {
            for at in 0..parts.len() {
                let mut parts = parts.clone();
                parts.remove(at);
                found.push(Self { filters: FilterSketch::Parts(parts), ..self.clone() });
            }
        }
        for (at, image) in self.images.iter().enumerate() {
            let mut with = |change: &dyn Fn(&mut ImageSketch)| {
                let mut sketch = self.clone();
                sketch.images.get_mut(at).into_iter().for_each(change);
                if sketch != *self {
                    found.push(sketch);
                }
            };
            for tag in 0..image.tags.len() {
                with(&|image| drop(image.tags.remove(tag)));
            }
            with(&|image| image.parent = None);
            with(&|image| image.layers.truncate(image.layers.len().saturating_sub(1)));
            with(&|image| image.config = "");
            with(&|image| image.created = "");
        }
        found
    }

    fn without_image(&self, number: usize) -> Self {
        let mut sketch = self.clone();
        sketch.images.retain(|image| image.number != number);
        sketch.containers.retain(|container| container.image != number);
        for image in &mut sketch.images {
            image.parent = image.parent.filter(|parent| *parent != number);
        }
        sketch
    }
}

impl FilterSketch {
    fn draw(random: &mut Random) -> Self {
        if random.in_ten(2) {
            return Self::Raw(random.pick(&RAW));
        }
        let mut parts = vec![random.pick(&DANGLING)];
        for (pool, in_ten) in [(&LABEL[..], 2), (&NEGATED_LABEL[..], 2), (&UNTIL[..], 3)] {
            if random.in_ten(in_ten) {
                parts.push(random.pick(pool));
            }
        }
        parts.retain(|part| !part.is_empty());
        Self::Parts(parts)
    }

    /// The raw query value.
    pub fn text(&self) -> String {
        match self {
            Self::Parts(parts) if parts.is_empty() => String::new(),
            Self::Parts(parts) => format!("{{{}}}", parts.join(",")),
            Self::Raw(text) => (*text).to_owned(),
        }
    }
}
