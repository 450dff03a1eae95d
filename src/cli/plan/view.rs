//! A plan for people: what comes first, what goes, what loses its name, what stays and what would free it as well.

use std::io::{BufWriter, Write};

use image_prune::graph::plan::Verdict;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::error::Result;
use super::super::estimate::Bytes;
use super::super::render::{bold, escape};
use super::super::units::{human_size, short_size};
use super::rows::{Row, Rows, Scene};

/// Narrower terminals get lines that are too long.
const NARROWEST: usize = 60;
const GAP: usize = 2;

/// Prints to stdout, to the terminal's width; what is no terminal has no width.
pub fn print(scene: &Scene, bytes: &Bytes) -> Result<()> {
    let terminal = terminal_size::terminal_size_of(std::io::stdout());
    let width = terminal.map_or(usize::MAX, |(width, _)| usize::from(width.0).max(NARROWEST));
    let mut out = BufWriter::new(anstream::stdout().lock());
    for line in lines(scene, bytes, width) {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// How many images go, lose a name and stay; and what that frees.
pub fn summary(scene: &Scene, bytes: &Bytes, rows: &Rows) -> [String; 2] {
    let Rows { rows, steps_that_go } = rows;
    let count = |verdict| rows.iter().filter(|row| row.image.verdict == verdict).count();
    let counts = [count(Verdict::Delete), count(Verdict::Untag), count(Verdict::Keep)];
    [counted(counts, *steps_that_go), reclaimed(scene, bytes)]
}

fn lines(scene: &Scene, bytes: &Bytes, width: usize) -> Vec<String> {
    let rows = scene.rows();
    let mut lines = headline(&summary(scene, bytes, &rows), width);
    let rows = rows.rows;
    if rows.is_empty() {
        return lines;
    }
    lines.push(String::new());
    let layout = Layout::of(&rows, !bytes.is_exact(), width);
    lines.push(bold(layout.line(["FREES", "SIZE", "CREATED", "IMAGE"], "WHY", "").join("\n")));
    let mut group = Verdict::Delete;
    for row in &rows {
        if row.image.verdict != group {
            group = row.image.verdict;
            let title = if group == Verdict::Untag { "Loses a name" } else { "Stays" };
            lines.push(layout.title(title));
        }
        lines.extend(layout.row(row));
    }
    let alone: u64 =
        rows.iter().filter(|row| row.image.verdict == Verdict::Delete).map(|row| row.frees).sum();
    if bytes.is_exact() && bytes.low > alone {
        let shared = human_size((bytes.low - alone).into());
        lines.push(String::new());
        let shared = format!("Shared by images that would go, freed with the last of them: {shared}");
        lines.extend(wrap(&shared, width));
    }
    lines
}

fn reclaimed(scene: &Scene, bytes: &Bytes) -> String {
    let total: i128 = scene.stores.layers.layers().iter().map(|layer| i128::from(layer.size)).sum();
    // The layers of an estimate have the least size that they can have.
    if bytes.is_exact() {
        format!("Would free {} of {}", bytes.human(), human_size(total))
    } else {
        format!("Would free {}", bytes.human())
    }
}

fn counted([go, lose, stay]: [usize; 3], steps: usize) -> String {
    let plural =
        |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let steps = match steps {
        0 => String::new(),
        steps => format!(
            " ({} with {})",
            plural(steps, "build step", "build steps"),
            if go == 1 { "it" } else { "them" }
        ),
    };
    let mut parts = vec![format!("{} would go{steps}", plural(go, "image", "images"))];
    if lose > 0 {
        parts.push(format!("{lose} would lose {}", if lose == 1 { "its name" } else { "names" }));
    }
    parts.push(plural(stay, "stays", "stay"));
    format!("{}.", parts.join(", "))
}

fn headline([counts, frees]: &[String; 2], width: usize) -> Vec<String> {
    if width == usize::MAX || counts.width() + 3 + frees.width() <= width {
        vec![format!("{}   {}", bold(counts), bold(frees))]
    } else {
        wrap(counts, width).iter().chain(&wrap(frees, width)).map(bold).collect()
    }
}

/// The widths of the columns; the last ones take what is left.
struct Layout {
    /// That of ages is 0 where there is no room for them.
    columns: [usize; 4],
    why: usize,
    /// 0 where what would free an image as well has lines of its own.
    remedy: usize,
    is_estimated: bool,
}

impl Layout {
    fn of(rows: &[Row], is_estimated: bool, width: usize) -> Self {
        const NARROWEST_IMAGE: usize = 19;
        const NARROWEST_WHY: usize = 22;
        let longest =
            |cell: &dyn Fn(&Row) -> usize, title: usize| rows.iter().map(cell).max().unwrap_or(0).max(title);
        let frees = longest(&|row| frees(row, is_estimated).width(), "FREES".len());
        let size = longest(&|row| size(row).width(), "SIZE".len());
        let created = longest(&|row| row.created.width(), "CREATED".len());
        let image = longest(&|row| escape(&row.name).width(), NARROWEST_IMAGE);
        let why = longest(&|row| escape(&row.why).width(), "WHY".len());
        let remedy = longest(&|row| escape(&row.remedy).width(), "to free it as well".len());
        let has_room = frees + size + created + 4 * GAP + NARROWEST_IMAGE + NARROWEST_WHY <= width;
        let created = if has_room { created } else { 0 };
        let fixed = frees + size + created + 2 * GAP + if has_room { GAP } else { 0 };
        let left = width.saturating_sub(fixed + GAP);
        if image + GAP + why + GAP + remedy <= left {
            return Self { columns: [frees, size, created, image], why, remedy, is_estimated };
        }
        let image =
            image.min(left.saturating_sub(why + GAP)).max(image.min((left * 11 / 20).max(NARROWEST_IMAGE)));
        let why = left.saturating_sub(image + GAP).max(8);
        Self { columns: [frees, size, created, image], why, remedy: 0, is_estimated }
    }

    fn line(&self, cells: [&str; 4], why: &str, remedy: &str) -> Vec<String> {
        let [frees, size, created, image] = cells;
        let [frees_width, size_width, created_width, image_width] = self.columns;
        let gap = " ".repeat(GAP);
        let created = match created_width {
            0 => String::new(),
            width => format!("{}{gap}", left(created, width)),
        };
        let begin = format!(
            "{}{gap}{}{gap}{created}{}",
            right(frees, frees_width),
            right(size, size_width),
            left(&cut(image, image_width), image_width)
        );
        let indent = " ".repeat(begin.width());
        let mut lines = wrap(why, self.why);
        if self.remedy == 0 && !remedy.is_empty() {
            lines.extend(wrap(&format!("-> {remedy}"), self.why));
        }
        let mut whole = Vec::with_capacity(lines.len());
        for (at, line) in lines.iter().enumerate() {
            let begin = if at == 0 { &begin } else { &indent };
            let end = if at == 0 && self.remedy > 0 {
                format!("{}{gap}{remedy}", left(line, self.why))
            } else {
                line.clone()
            };
            whole.push(format!("{begin}{gap}{end}").trim_end().to_owned());
        }
        whole
    }

    fn title(&self, title: &str) -> String {
        if self.remedy == 0 || title != "Stays" {
            return bold(title);
        }
        let before: usize = self.columns.iter().sum::<usize>() + 4 * GAP + self.why + GAP;
        bold(format_args!("{}to free it as well", left(title, before)))
    }

    fn row(&self, row: &Row) -> Vec<String> {
        let (frees, size) = match row.image.verdict {
            Verdict::Delete => (frees(row, self.is_estimated), size(row)),
            _ => (String::new(), size(row)),
        };
        let colour = match row.image.verdict {
            Verdict::Delete => "31",
            Verdict::Untag => "33",
            Verdict::Keep => "32",
        };
        let cells = [&*frees, &*size, &*row.created, &*escape(&row.name)];
        let lines = self.line(cells, &escape(&row.why), &escape(&row.remedy));
        lines.into_iter().map(|line| format!("\x1b[{colour}m{line}\x1b[0m")).collect()
    }
}

fn frees(row: &Row, is_estimated: bool) -> String {
    let about = if is_estimated { "~" } else { "" };
    format!("{about}{}", short_size(row.frees.into()))
}

fn size(row: &Row) -> String {
    short_size(row.image.size.into())
}

fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// A name without its middle: the end tells images apart, the beginning the registry.
pub fn cut(name: &str, width: usize) -> String {
    if name.width() <= width {
        return name.to_owned();
    }
    if let (Some((domain, rest)), Some((_, last))) = (name.split_once('/'), name.rsplit_once('/'))
        && rest != last
        && domain.width() + last.width() + "/…/".width() <= width
    {
        return format!("{domain}/…/{last}");
    }
    let mut end: Vec<char> = Vec::new();
    let mut used = 1;
    for character in name.chars().rev() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        end.push(character);
    }
    std::iter::once('…').chain(end.into_iter().rev()).collect()
}

/// Lines of whole words; a word that is longer than a line is cut into pieces.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        if used > 0 && used + 1 + word.width() > width {
            lines.push(String::new());
            used = 0;
        }
        let blank = if used > 0 { " " } else { "" };
        for character in blank.chars().chain(word.chars()) {
            let wide = character.width().unwrap_or(0);
            if used > 0 && used + wide > width {
                lines.push(String::new());
                used = 0;
            }
            lines.last_mut().into_iter().for_each(|line| line.push(character));
            used += wide;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_middle() {
        assert_eq!(cut("registry.example.com/team/sub/web:10", 30), "registry.example.com/…/web:10");
        assert_eq!(cut("registry.example.com/team/sub/web:10", 8), "…/web:10");
        assert_eq!(cut("web:10", 6), "web:10");
        assert_eq!(cut("漢漢漢:1", 5), "…漢:1");
    }

    #[test]
    fn words_wrap_and_long_ones_are_cut() {
        assert_eq!(wrap("parent of web:2, worker", 9), ["parent of", "web:2,", "worker"]);
        assert_eq!(wrap("abcdefgh ij", 5), ["abcde", "fgh", "ij"]);
        assert_eq!(wrap("", 5), [""]);
    }
}
