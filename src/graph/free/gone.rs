//! Images that are gone, and what that freed.

use super::Sharing;

/// Images that are gone. To let one go, or to give it back, costs as much as it frees, however many there are.
pub(super) struct Gone<'a> {
    sharing: &'a Sharing,
    images: Vec<Left>,
    /// What is left of each layer's holders.
    layers: Vec<Left>,
    /// Freed; 64 bits may be too few for what a damaged store says.
    bytes: u128,
    /// How many needed layers are among that.
    needed: usize,
}

/// What is left of the children of an image, or of the holders of a layer.
#[derive(Clone, Copy)]
struct Left {
    count: usize,
    /// Their numbers, each added by exclusive or: the number of the last one, where one is left. Layers are numbered
    /// behind the images.
    sum: usize,
    is_gone: bool,
}

impl Left {
    const NONE: Self = Self { count: 0, sum: 0, is_gone: false };

    fn add(&mut self, number: usize) {
        self.count += 1;
        self.sum ^= number;
    }

    fn remove(&mut self, number: usize) {
        self.count = self.count.saturating_sub(1);
        self.sum ^= number;
    }
}

impl<'a> Gone<'a> {
    /// None yet.
    pub fn new(sharing: &'a Sharing) -> Self {
        let (mut images, mut layers) =
            (vec![Left::NONE; sharing.images.len()], vec![Left::NONE; sharing.layers.len()]);
        for (place, links) in sharing.links.iter().enumerate() {
            if let Some(parent) = links.parent.and_then(|parent| images.get_mut(parent)) {
                parent.add(place);
            }
            if let Some(top) = links.top.and_then(|top| layers.get_mut(top)) {
                top.add(place);
            }
        }
        for (at, layer) in sharing.layers.iter().enumerate() {
            if let Some(below) = layer.below.and_then(|below| layers.get_mut(below)) {
                below.add(images.len() + at);
            }
        }
        Self { sharing, images, layers, bytes: 0, needed: 0 }
    }

    /// The bytes freed.
    pub fn freed(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }

    /// Whether something is freed that must not go.
    pub const fn frees_needed(&self) -> bool {
        self.needed > 0
    }

    /// Whether an image is gone.
    pub fn contains(&self, place: usize) -> bool {
        self.images.get(place).is_some_and(|left| left.is_gone)
    }

    /// The images that are gone.
    pub fn places(&self) -> Vec<usize> {
        (0..self.images.len()).filter(|place| self.contains(*place)).collect()
    }

    /// Returns true where an image is there, and no child of it.
    pub fn is_leaf(&self, place: usize) -> bool {
        self.images.get(place).is_some_and(|left| !left.is_gone && left.count == 0)
    }

    /// Lets an image go, and the parents that follow it (D-12): in the order in which they go.
    pub fn take(&mut self, place: usize) -> Vec<usize> {
        let mut family = Vec::new();
        let mut next = Some(place);
        while let Some(place) = next {
            self.release(place);
            family.push(place);
            next = self.parent(place).filter(|parent| {
                self.is_leaf(*parent) && self.sharing.links.get(*parent).is_some_and(|links| links.follows)
            });
        }
        family
    }

    /// Lets one image go.
    pub fn release(&mut self, place: usize) {
        self.images.get_mut(place).into_iter().for_each(|left| left.is_gone = true);
        if let Some(parent) = self.parent(place).and_then(|parent| self.images.get_mut(parent)) {
            parent.remove(place);
        }
        let (mut holder, mut next) = (place, self.sharing.links.get(place).and_then(|links| links.top));
        while let Some((at, layer)) = next.and_then(|at| Some((at, self.sharing.layers.get(at)?)))
            && let Some(left) = self.layers.get_mut(at)
        {
            left.remove(holder);
            if left.count > 0 {
                break;
            }
            self.bytes += u128::from(layer.bytes);
            self.needed += usize::from(layer.is_needed);
            (holder, next) = (self.images.len() + at, layer.below);
        }
    }

    /// Takes back what [`Gone::take`] did, if nothing was taken since that depends on it.
    pub fn undo(&mut self, family: &[usize]) {
        for place in family.iter().rev() {
            self.give_back(*place);
        }
    }

    fn give_back(&mut self, place: usize) {
        self.images.get_mut(place).into_iter().for_each(|left| left.is_gone = false);
        if let Some(parent) = self.parent(place).and_then(|parent| self.images.get_mut(parent)) {
            parent.add(place);
        }
        let (mut holder, mut next) = (place, self.sharing.links.get(place).and_then(|links| links.top));
        while let Some((at, layer)) = next.and_then(|at| Some((at, self.sharing.layers.get(at)?)))
            && let Some(left) = self.layers.get_mut(at)
        {
            left.add(holder);
            if left.count > 1 {
                break;
            }
            self.bytes = self.bytes.saturating_sub(u128::from(layer.bytes));
            self.needed = self.needed.saturating_sub(usize::from(layer.is_needed));
            (holder, next) = (self.images.len() + at, layer.below);
        }
    }

    /// Returns true where the parent of an image is gone, so that the image cannot be there.
    pub fn is_orphan(&self, place: usize) -> bool {
        self.parent(place).is_some_and(|parent| self.contains(parent))
    }

    /// The images that free more since a family went: leaves that hold a layer, or have a parent, alone now. Not all
    /// of them: a search that went on for ever would cost more than it finds.
    pub fn improved(&self, family: &[usize]) -> Vec<usize> {
        const STEPS: usize = 64;
        let mut improved = Vec::new();
        let Some(last) = family.last() else { return improved };
        if let Some(parent) = self.parent(*last) {
            let mut next = Some(parent);
            for _ in 0..STEPS {
                let Some((at, left)) = next.and_then(|at| Some((at, self.images.get(at)?))) else { break };
                if left.count == 0 {
                    improved.push(at);
                }
                next = (left.count == 1).then_some(left.sum);
            }
        }
        for place in family {
            // The first layer that stayed.
            let stayed = self.sharing.held(*place).find(|(at, _)| self.left_of(*at) > 0);
            let mut next = stayed.map(|(at, _)| self.images.len() + at);
            for _ in 0..STEPS {
                let Some(number) = next else { break };
                let Some(at) = number.checked_sub(self.images.len()) else {
                    improved.push(number);
                    break;
                };
                next = self.layers.get(at).filter(|left| left.count == 1).map(|left| left.sum);
            }
        }
        improved.retain(|place| self.is_leaf(*place));
        improved
    }

    fn left_of(&self, layer: usize) -> usize {
        self.layers.get(layer).map_or(0, |left| left.count)
    }

    fn parent(&self, place: usize) -> Option<usize> {
        self.sharing.links.get(place)?.parent
    }
}
