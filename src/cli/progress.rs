//! Progress bars: on a terminal's stderr, for long work.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Bars of less work than this are not worth their flicker.
const MANY_BYTES: u64 = 8 << 20;

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

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    // The template is a constant; were it wrong, the bar would look plain.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
