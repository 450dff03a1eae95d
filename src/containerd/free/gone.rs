//! Images that are gone, and what that freed.

use super::Sharing;
use crate::containerd::store::Freed;

/// A set of images that are gone. To let one go costs as much as it frees.
pub(super) struct Gone<'a> {
    sharing: &'a Sharing,
    /// By part, those that lead to it and are there.
    left: Vec<usize>,
    freed: Freed,
}

impl<'a> Gone<'a> {
    /// None yet.
    pub(super) fn new(sharing: &'a Sharing) -> Self {
        let left = sharing.parts.iter().map(|part| part.led_by.len()).collect();
        Self { sharing, left, freed: Freed::default() }
    }

    pub(super) fn freed(&self) -> Freed {
        self.freed
    }

    /// Lets an image go.
    pub(super) fn take(&mut self, place: usize) {
        let mut next = vec![place];
        while let Some(at) = next.pop() {
            self.set(at, true);
            for led in self.led(at) {
                if let Some(left) = self.left.get_mut(*led) {
                    *left -= 1;
                    if *left == 0 {
                        next.push(*led);
                    }
                }
            }
        }
    }

    /// Gives an image back, unless less than `bytes` would be freed then. Costs as much as may be given back.
    pub(super) fn give_back(&mut self, place: usize, bytes: i64) -> bool {
        let (mut next, mut back) = (vec![place], Vec::new());
        while let Some(at) = next.pop() {
            self.set(at, false);
            back.push(at);
            for led in self.led(at) {
                if let Some(left) = self.left.get_mut(*led) {
                    *left += 1;
                    if *left == 1 {
                        next.push(*led);
                    }
                }
            }
            if self.freed.total() < bytes {
                for at in back {
                    self.set(at, true);
                    for led in self.led(at) {
                        self.left.get_mut(*led).into_iter().for_each(|left| *left -= 1);
                    }
                }
                return false;
            }
        }
        true
    }

    fn led(&self, at: usize) -> &'a [usize] {
        self.sharing.leads_to.get(at).map_or(&[], Vec::as_slice)
    }

    fn set(&mut self, at: usize, is_gone: bool) {
        let size = self.sharing.parts.get(at).map(|part| part.freed).unwrap_or_default();
        self.freed = if is_gone { self.freed + size } else { self.freed - size };
    }
}
