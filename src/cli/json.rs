//! JSON as the command writes it. Its values are anybody's, and a terminal may be where it goes: whatever a terminal
//! obeys is escaped. The values are the same.

use std::io::{self, Write};

pub use image_prune::terminal::{json as text, write_json as write};
use serde::Serialize;

/// Writes one value, and a line end.
pub fn line(mut out: impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    write(&mut out, value)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::fs;
    use std::path::{Path, PathBuf};

    fn sources(path: PathBuf) -> Vec<PathBuf> {
        if !path.is_dir() {
            return vec![path];
        }
        fs::read_dir(path).unwrap().flat_map(|entry| sources(entry.unwrap().path())).collect()
    }

    /// Neither the command nor the agent turns a value into text by `serde_json` or by `Display`: their JSON is
    /// printed, followed in a journal, and read on other machines.
    #[test]
    fn all_json_for_people_is_escaped() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = ["src/cli", "src/client/agent"].map(|folder| sources(root.join(folder)));
        assert!(read.iter().all(|sources| sources.len() > 10));
        let this = |path: &&PathBuf| !path.ends_with("cli/json.rs") && !path.ends_with("tests.rs");
        for path in read.iter().flatten().filter(this) {
            let source = fs::read_to_string(path).unwrap();
            for way in ["serde_json::to_writer", "serde_json::to_string", "serde_json::to_vec", "\", json!("]
            {
                assert!(!source.contains(way), "{}: {way}", path.display());
            }
        }
    }
}
