//! A tree of YAML nodes, built of the parser's events.
//!
//! Own code because compose needs what no crate with a tree has at once: the tags `!reset` and `!override`, merge keys,
//! an error for a key that is there twice, and a limit on what aliases multiply.

use std::collections::btree_map::{BTreeMap, Entry};
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, Tag};

use super::variables::UNKNOWN;

/// The limit of what all aliases of a file stand for, in nodes. Large files in use have thousands: 142 aliases of ten
/// anchors in the largest known. An alias inside of an anchor counts each time, which is what bounds a billion laughs.
const ALIASED: usize = 200_000;
/// The limit of nesting, aliases included: what walks a tree calls itself.
const DEEPEST: usize = 256;

/// A node of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    pub merge: Merge,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Scalar(String),
    Sequence(Vec<Rc<Node>>),
    Mapping(Mapping),
}

pub type Mapping = BTreeMap<String, Rc<Node>>;

/// How a node is merged with that of the file before, as compose's tags say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    Usual,
    Reset,
    Override,
}

impl Node {
    pub const fn new(value: Value) -> Self {
        Self { value, merge: Merge::Usual }
    }

    pub const fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub fn get(&self, key: &str) -> Option<&Rc<Self>> {
        self.mapping().and_then(|mapping| mapping.get(key)).filter(|node| !node.is_null())
    }

    pub const fn mapping(&self) -> Option<&Mapping> {
        if let Value::Mapping(mapping) = &self.value { Some(mapping) } else { None }
    }

    pub fn sequence(&self) -> Option<&[Rc<Self>]> {
        if let Value::Sequence(items) = &self.value { Some(items) } else { None }
    }

    pub fn scalar(&self) -> Option<&str> {
        if let Value::Scalar(text) = &self.value { Some(text) } else { None }
    }
}

/// A node with the nodes that it stands for, and the levels below it.
#[derive(Clone)]
struct Measured {
    node: Rc<Node>,
    size: usize,
    height: usize,
}

enum Content {
    Sequence(Vec<Rc<Node>>),
    Mapping { entries: Mapping, merged: Vec<Rc<Node>>, key: Option<Key> },
}

enum Key {
    Merge,
    Name(String),
}

/// A collection that is not complete yet.
struct Open {
    anchor: usize,
    merge: Merge,
    size: usize,
    height: usize,
    content: Content,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Measured>,
    aliased: usize,
    documents: Vec<Rc<Node>>,
}

/// The documents of a text.
pub fn documents(text: &str) -> Result<Vec<Rc<Node>>, String> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| format!("no YAML: {error}"))?;
        builder.event(event).map_err(|problem| format!("line {}: {problem}", span.start.line()))?;
    }
    Ok(builder.documents)
}

impl Builder {
    fn event(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if text.contains(UNKNOWN) {
                    return Err("a NUL character".to_owned());
                }
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let is_merge_key = is_plain && text == "<<";
                let merge = merge(tag.as_deref())?;
                let is_null = style == ScalarStyle::Plain
                    && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL")
                    && tag.as_deref().is_none_or(|tag| !tag.is_yaml_core_schema_tag("str"));
                let value = if is_null { Value::Null } else { Value::Scalar(text.clone().into_owned()) };
                if self.take_key(is_merge_key, &text, &value)? {
                    let node = Rc::new(Node { value, merge });
                    self.anchor(anchor, Measured { node, size: 1, height: 1 });
                    return Ok(());
                }
                self.complete(anchor, Measured { node: Rc::new(Node { value, merge }), size: 1, height: 1 })
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.start(anchor, tag.as_deref(), Content::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let content = Content::Mapping { entries: Mapping::new(), merged: Vec::new(), key: None };
                self.start(anchor, tag.as_deref(), content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let aliased = self.anchors.get(&anchor).cloned().ok_or("an alias of what it is part of")?;
                self.aliased = self.aliased.saturating_add(aliased.size);
                if self.aliased > ALIASED {
                    return Err(format!("its aliases stand for more than {ALIASED} nodes"));
                }
                let text = aliased.node.scalar().unwrap_or_default().to_owned();
                if aliased.node.mapping().is_none()
                    && aliased.node.sequence().is_none()
                    && self.take_key(false, &text, &aliased.node.value)?
                {
                    return Ok(());
                }
                self.complete(0, aliased)
            }
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Comment(..) => Ok(()),
            _ => Err("YAML of a kind that is not known".to_owned()),
        }
    }

    fn start(&mut self, anchor: usize, tag: Option<&Tag>, content: Content) -> Result<(), String> {
        if let Some(Open { content: Content::Mapping { key: None, .. }, .. }) = self.open.last() {
            return Err("a key that is no text".to_owned());
        }
        self.open.push(Open { anchor, merge: merge(tag)?, size: 1, height: 1, content });
        Ok(())
    }

    /// Whether a scalar is a key of the mapping that is open.
    fn take_key(&mut self, is_merge_key: bool, text: &str, value: &Value) -> Result<bool, String> {
        let Some(Open { content: Content::Mapping { entries, key: key @ None, .. }, .. }) =
            self.open.last_mut()
        else {
            return Ok(false);
        };
        if *value == Value::Null {
            return Err("a key that is null".to_owned());
        }
        if !is_merge_key && entries.contains_key(text) {
            return Err(format!("the key `{text}` is there twice"));
        }
        *key = Some(if is_merge_key { Key::Merge } else { Key::Name(text.to_owned()) });
        Ok(true)
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(Open { anchor, merge, size, height, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping { mut entries, merged, .. } => {
                // What comes first counts: keys of the mapping's own, then those of the first that is merged.
                for (key, node) in merged.iter().filter_map(|node| node.mapping()).flatten() {
                    entries.entry(key.clone()).or_insert_with(|| Rc::clone(node));
                }
                Value::Mapping(entries)
            }
        };
        self.complete(anchor, Measured { node: Rc::new(Node { value, merge }), size, height })
    }

    fn anchor(&mut self, anchor: usize, measured: Measured) {
        if anchor != 0 {
            self.anchors.insert(anchor, measured);
        }
    }

    /// Puts a node where it belongs.
    fn complete(&mut self, anchor: usize, measured: Measured) -> Result<(), String> {
        self.anchor(anchor, measured.clone());
        let Measured { node, size, height } = measured;
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        open.size = open.size.saturating_add(size);
        open.height = open.height.max(height + 1);
        if open.height > DEEPEST {
            return Err(format!("nested in more than {DEEPEST} levels"));
        }
        match &mut open.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { entries, merged, key } => match key.take() {
                Some(Key::Merge) => merged.extend(to_merge(&node)?),
                Some(Key::Name(name)) => match entries.entry(name) {
                    Entry::Vacant(entry) => {
                        entry.insert(node);
                    }
                    Entry::Occupied(entry) => {
                        return Err(format!("the key `{}` is there twice", entry.key()));
                    }
                },
                None => return Err("a key that is no text".to_owned()),
            },
        }
        Ok(())
    }
}

/// The mappings that `<<` names.
fn to_merge(node: &Rc<Node>) -> Result<Vec<Rc<Node>>, String> {
    let nodes = node.sequence().map_or_else(|| vec![Rc::clone(node)], <[_]>::to_vec);
    if nodes.iter().all(|node| node.mapping().is_some()) {
        Ok(nodes)
    } else {
        Err("`<<` takes a mapping, or a list of mappings".to_owned())
    }
}

fn merge(tag: Option<&Tag>) -> Result<Merge, String> {
    let Some(tag) = tag else { return Ok(Merge::Usual) };
    match (tag.handle(), tag.suffix()) {
        ("!", "reset") => Ok(Merge::Reset),
        ("!", "override") => Ok(Merge::Override),
        _ if tag.is_yaml_core_schema() => Ok(Merge::Usual),
        _ => Err(format!("the tag `{}` is not known", tag.original())),
    }
}
