//! Lines and their words.

use std::fmt::Display;

use chrono::DateTime;

/// A mistake in a script, and where it is.
#[derive(Debug)]
pub(super) struct Problem {
    pub line: usize,
    pub text: String,
}

/// A line that is neither blank nor a comment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub number: usize,
    /// The first word; a colon behind it is left out, so that docker's own lines can be pasted.
    pub keyword: &'a str,
    /// The rest of the line.
    pub rest: &'a str,
}

impl<'a> Line<'a> {
    pub fn all(text: &'a str) -> Vec<Self> {
        let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let is_code = |(_, line): &(usize, &str)| !line.is_empty() && !line.starts_with('#');
        numbered.filter(is_code).map(|(number, line)| Self::of(number, line)).collect()
    }

    fn of(number: usize, line: &'a str) -> Self {
        let (keyword, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        Self { number, keyword: keyword.strip_suffix(':').unwrap_or(keyword), rest: rest.trim() }
    }

    /// The line without its first word.
    pub fn behind(&self) -> Self {
        Self::of(self.number, self.rest)
    }

    pub fn problem(&self, text: impl Into<String>) -> Problem {
        Problem { line: self.number, text: text.into() }
    }

    /// A date, or a time in RFC 3339; a date is its midnight in UTC.
    pub fn instant(&self, key: &str, text: &str) -> Result<String, Problem> {
        let full =
            if text.len() == "2024-01-01".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
        if DateTime::parse_from_rfc3339(&full).is_ok() {
            return Ok(full);
        }
        let form = "write it like 2024-01-01 or 2024-01-01T12:00:00Z";
        Err(self.problem(format!("{key} `{text}` is no date: {form}")))
    }

    /// The words behind the first. `'…'` and `"…"` keep blanks; ` #` begins a comment.
    pub fn words(&self) -> Result<Words, Problem> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        for character in self.rest.chars() {
            match (character, quote) {
                (_, Some(open)) if character == open => quote = None,
                ('\'' | '"', None) => {
                    quote = Some(character);
                    word.get_or_insert_default();
                }
                ('#', None) if word.is_none() => break,
                (blank, None) if blank.is_whitespace() => words.extend(word.take()),
                _ => word.get_or_insert_default().push(character),
            }
        }
        if let Some(open) = quote {
            return Err(self.problem(format!("a quote is open: {open}")));
        }
        words.extend(word);
        let mut split = Words { line: self.number, plain: Vec::new(), pairs: Vec::new() };
        for word in words {
            match word.split_once('=') {
                Some((key, value)) => split.pairs.push((key.to_owned(), value.to_owned())),
                None => split.plain.push(word),
            }
        }
        Ok(split)
    }
}

/// The words of a line: plain ones, and `key=value`. Whoever reads them takes them out; what is left is refused.
#[derive(Debug)]
pub(super) struct Words {
    line: usize,
    plain: Vec<String>,
    pairs: Vec<(String, String)>,
}

impl Words {
    pub fn problem(&self, text: impl Into<String>) -> Problem {
        Problem { line: self.line, text: text.into() }
    }

    pub fn has_plain(&self) -> bool {
        !self.plain.is_empty()
    }

    /// The next plain word.
    pub fn next(&mut self) -> Option<String> {
        self.has_plain().then(|| self.plain.remove(0))
    }

    /// Takes this plain word out; true where it stood there.
    pub fn flag(&mut self, flag: &str) -> bool {
        let before = self.plain.len();
        self.plain.retain(|word| word != flag);
        self.plain.len() < before
    }

    /// The pairs whose key this is, in their order.
    pub fn pairs(&mut self, is_wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let (wanted, left) = self.pairs.drain(..).partition(|(key, _)| is_wanted(key));
        self.pairs = left;
        wanted
    }

    /// The value of a key that may stand there once.
    pub fn value(&mut self, key: &str) -> Result<Option<String>, Problem> {
        let mut found = self.pairs(|other| other == key);
        let last = found.pop();
        if found.is_empty() {
            return Ok(last.map(|(_, value)| value));
        }
        Err(self.problem(format!("`{key}=` stands there twice")))
    }

    /// The values of a key, separated by commas.
    pub fn list(&mut self, key: &str) -> Result<Option<Vec<String>>, Problem> {
        let value = self.value(key)?;
        Ok(value.map(|value| value.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()))
    }

    /// The name of a layer, an image or a container. That of an image begins with a capital letter, and no other does:
    /// no reference can be taken for an image.
    pub fn name(&mut self, what: &str) -> Result<String, Problem> {
        let name = self.next().ok_or_else(|| self.problem(format!("the {what} needs a name")))?;
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        let is_image = what == "image";
        let is_first = |first: char| first.is_uppercase() == is_image;
        if name.starts_with(is_first) && name.chars().all(is_plain) {
            return Ok(name);
        }
        let (article, rule) = if is_image {
            ("an", "such a name begins with a capital letter")
        } else {
            ("a", "only the names of images begin with a capital letter")
        };
        let problem = format!(
            "`{name}` cannot name {article} {what}: {rule}, and letters, digits, `.`, `_` and `-` follow"
        );
        Err(self.problem(problem))
    }

    /// The bytes of `size=`.
    pub fn size(&mut self) -> Result<Option<i64>, Problem> {
        let Some(text) = self.value("size")? else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(size) if size >= 0 => Ok(Some(size)),
            _ => Err(self.problem(format!("`size={text}` is no number of bytes"))),
        }
    }

    /// Refuses what nobody took.
    pub fn end(self, allowed: &str) -> Result<(), Problem> {
        let mut left = self.plain.iter().cloned().chain(self.pairs.iter().map(|(key, _)| format!("{key}=")));
        match left.next() {
            None => Ok(()),
            Some(word) => Err(self.problem(format!("`{word}` is not understood here; allowed: {allowed}"))),
        }
    }
}

/// Names for a sentence: `there is …`, `there are …`. A list that goes on for ever helps nobody.
pub(super) fn known(names: impl Iterator<Item = impl Display>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "there is none".to_owned(),
        [one] => format!("there is {one}"),
        many => match many.split_at_checked(SHOWN) {
            Some((shown, more)) if !more.is_empty() => {
                format!("there are {} and {} more", shown.join(", "), more.len())
            }
            _ => format!("there are {}", many.join(", ")),
        },
    }
}
