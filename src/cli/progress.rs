//! Progress bars: on a terminal's stderr, for long work.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Bars of less work than this are not worth their flicker.
const MANY_BYTES: u64 = 8 << 20;
const MANY_IMAGES: usize = 10_000;

/// A bar for reading a file of `bytes` bytes.
pub fn of_file(bytes: u64) -> ProgressBar {
    if bytes < MANY_BYTES {
        return ProgressBar::hidden();
    }
    styled(ProgressBar::new(bytes), "reading {bar:40} {bytes}/{total_bytes} {eta}")
}

/// A bar for reading a data root; its length comes with the first progress.
pub fn of_root() -> ProgressBar {
    styled(ProgressBar::no_length(), "reading {bar:40} {human_pos}/{human_len} {eta}")
}

/// A bar for the tags of a registry; its length comes with the first progress.
pub fn of_tags(doing: &'static str) -> ProgressBar {
    styled(ProgressBar::no_length().with_message(doing), "{msg} {bar:40} {human_pos}/{human_len} {eta}")
}

/// A bar for trying `cases` cases on a daemon.
pub fn of_cases(cases: usize) -> ProgressBar {
    let length = cases.try_into().unwrap_or(u64::MAX);
    styled(ProgressBar::new(length), "trying {bar:40} {human_pos}/{human_len} {eta}")
}

/// Work whose end cannot be foretold; its sign is gone when this is dropped.
pub struct Stage(ProgressBar);

/// A sign of life while `images` images are worked on.
pub fn of_images(images: usize, doing: &str) -> Stage {
    let bar = if images < MANY_IMAGES { ProgressBar::hidden() } else { ProgressBar::no_length() };
    Stage(styled(bar.with_message(format!("{doing} {images} images")), "{msg} {spinner} {elapsed}"))
}

/// The same while the text of a state is read.
pub fn of_text(bytes: usize) -> Stage {
    let is_long = u64::try_from(bytes).is_ok_and(|bytes| bytes >= MANY_BYTES);
    let bar = if is_long { ProgressBar::no_length() } else { ProgressBar::hidden() };
    Stage(styled(bar, "parsing {spinner} {elapsed}"))
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    // The template is a constant; were it wrong, the bar would look plain.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
