//! What a prune of a running daemon gives back: its API does not tell the sizes of layers.

use image_prune::Record;
use image_prune::client::state::ChainSizes;
use image_prune::graph::PruneReport;
use serde::Serialize;

use super::units::human_size;

/// How well the sizes are known.
#[derive(Debug)]
pub struct Estimate {
    pub sizes: ChainSizes,
    pub doubts: Vec<String>,
}

/// Between what the bytes of a prune lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bytes {
    pub low: u64,
    pub high: u64,
    /// Why it is no number; empty where it is.
    pub why: Vec<String>,
}

impl Estimate {
    /// The bytes of what these records free.
    pub fn bytes(&self, records: &[Record]) -> Bytes {
        let (low, high) = self.sizes.freed(records).into_inner();
        let mut why = Vec::new();
        if low < high {
            why.push("the API tells the sizes of images, not of the layers that they share".to_owned());
        }
        let is_freed = high > 0;
        why.extend(self.doubts.iter().filter(|_| is_freed).cloned());
        // What is held by something unseen is not given back at all.
        let low = if is_freed && !self.doubts.is_empty() { 0 } else { low };
        Bytes { low, high, why }
    }
}

impl Bytes {
    /// The bytes of a report, known to the byte where nothing is in doubt.
    pub fn of(estimate: Option<&Estimate>, report: &PruneReport) -> Self {
        let exact = || Self { low: report.space_reclaimed, high: report.space_reclaimed, why: Vec::new() };
        estimate.map_or_else(exact, |estimate| estimate.bytes(&report.images_deleted))
    }

    pub fn is_exact(&self) -> bool {
        self.low == self.high
    }

    /// For people: `40MB`, or `0B to 40MB, estimated`.
    pub fn human(&self) -> String {
        let (low, high) = (human_size(self.low.into()), human_size(self.high.into()));
        if self.is_exact() { high } else { format!("{low} to {high}, estimated") }
    }
}
