//! Who reaches what: the images as sources, and everything else by the last of those that it goes with.

use std::collections::{HashMap, HashSet};

use super::graph::{Graph, Way};
use super::node::{Key, Marks, Object};
use super::{Freed, Metadata};
use crate::base::arena::Place;
use crate::base::digest::Digest;

/// What images reach, as a graph: the images first, each with what nobody else reaches, then what several reach. Linear in
/// the store: a list of the holders of each object would have the square of a chain's length.
pub(in crate::containerd) type Held = Vec<Part>;

/// Objects that are there as long as any other part is that leads to them.
#[derive(Debug, Clone, Default)]
pub(in crate::containerd) struct Part {
    pub freed: Freed,
    /// The parts that lead here, by number, all smaller than its own; none for an image, else two or more.
    pub led_by: Vec<usize>,
}

impl Metadata {
    /// Content and snapshots that only these images reach. What is not reached at all is not among them.
    pub(in crate::containerd) fn held(&self, images: &[Digest]) -> Held {
        let graph = self.0.read();
        let records: Vec<Vec<Place>> = images.iter().map(|digest| graph.records(*digest)).collect();
        let of_images: HashSet<Place> = records.iter().flatten().copied().collect();
        let is_root = |place: &Place| {
            !of_images.contains(place) && graph.at(*place).is_some_and(|node| node.marks.has(Marks::ROOT))
        };
        let roots: Vec<Place> = graph.nodes.places().filter(is_root).collect();
        let pinned = graph.reached_from(&roots, &of_images);
        let mut reach = Reach::new(&graph, &pinned, &of_images, images.len());
        for (at, records) in records.iter().enumerate() {
            reach.start(at, records);
        }
        reach.finish()
    }
}

impl Graph {
    fn records(&self, digest: Digest) -> Vec<Place> {
        let target = self.nodes.find(Key::blob(digest));
        target.into_iter().flat_map(|target| self.names_of(target)).collect()
    }

    fn size(&self, place: Place) -> Option<Freed> {
        let node = self.at(place)?;
        match node.object {
            Object::Blob(_) => Some(Freed { content: node.size, snapshots: 0 }),
            Object::Snapshot(..) => Some(Freed { content: 0, snapshots: node.size }),
            _ => None,
        }
    }

    /// Everything that is reached from here, and how.
    fn reached_from(&self, start: &[Place], records: &HashSet<Place>) -> HashSet<(Place, Way)> {
        let mut reached: HashSet<_> = start.iter().map(|place| (*place, Way::Strong)).collect();
        let mut next: Vec<_> = start.iter().flat_map(|place| self.targets(*place, Way::Strong)).collect();
        while let Some((place, way)) = next.pop() {
            if reached.insert((place, way)) {
                next.extend(self.led_to(place, way, records));
            }
        }
        reached
    }

    /// What is reached through an object. Where others refer to one of `records`, which go by themselves, only what
    /// depends on the name is.
    fn led_to(&self, place: Place, way: Way, records: &HashSet<Place>) -> Vec<(Place, Way)> {
        match way {
            _ if !records.contains(&place) => self.targets(place, way).into_vec(),
            Way::Strong => self.dependents(place).map(|place| (place, Way::Strong)).collect(),
            Way::Flat => Vec::new(),
        }
    }
}

/// A walk from images over what is not `pinned` anyway. Numbers are those of the images, then of what is reached.
struct Reach<'a> {
    graph: &'a Graph,
    pinned: &'a HashSet<(Place, Way)>,
    records: &'a HashSet<Place>,
    numbers: HashMap<(Place, Way), usize>,
    /// By number, where it leads.
    edges: Vec<Vec<usize>>,
    images: usize,
}

impl<'a> Reach<'a> {
    fn new(
        graph: &'a Graph,
        pinned: &'a HashSet<(Place, Way)>,
        records: &'a HashSet<Place>,
        images: usize,
    ) -> Self {
        Self { graph, pinned, records, numbers: HashMap::new(), edges: vec![Vec::new(); images], images }
    }

    fn start(&mut self, image: usize, records: &[Place]) {
        let graph = self.graph;
        let mut next = Vec::new();
        for target in records.iter().flat_map(|place| graph.targets(*place, Way::Strong)) {
            self.lead(image, target, &mut next);
        }
        while let Some((number, (place, way))) = next.pop() {
            for target in graph.led_to(place, way, self.records) {
                self.lead(number, target, &mut next);
            }
        }
    }

    fn lead(&mut self, from: usize, target: (Place, Way), next: &mut Vec<(usize, (Place, Way))>) {
        if self.pinned.contains(&target) {
            return;
        }
        let edges = &mut self.edges;
        let number = *self.numbers.entry(target).or_insert_with(|| {
            edges.push(Vec::new());
            next.push((edges.len() - 1, target));
            edges.len() - 1
        });
        edges.get_mut(from).into_iter().for_each(|edges| edges.push(number));
    }

    fn finish(mut self) -> Held {
        // What is reached in both ways stays as long as either is there.
        let mut sizes: HashMap<Place, usize> = HashMap::new();
        let mut freed = HashMap::new();
        let is_pinned =
            |place: Place| [Way::Strong, Way::Flat].iter().any(|way| self.pinned.contains(&(place, *way)));
        for ((place, _), number) in &self.numbers {
            let Some(size) = self.graph.size(*place).filter(|_| !is_pinned(*place)) else { continue };
            let edges = &mut self.edges;
            let object = *sizes.entry(*place).or_insert_with(|| {
                edges.push(Vec::new());
                edges.len() - 1
            });
            freed.insert(object, size);
            edges.get_mut(*number).into_iter().for_each(|edges| edges.push(object));
        }
        parts(&self.edges, self.images, &freed)
    }
}

/// Puts together what goes at the same time: what lies on a cycle, and what the same parts lead to.
fn parts(edges: &[Vec<usize>], images: usize, freed: &HashMap<usize, Freed>) -> Held {
    let cycles = cycles(edges);
    let mut parts: Held = vec![Part::default(); images];
    let mut by_leaders: HashMap<Vec<usize>, usize> = HashMap::new();
    let mut leaders: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    // Those that lead come first.
    for members in cycles.iter().rev() {
        let mut led_by = Vec::new();
        for member in members {
            led_by.extend(leaders.get_mut(*member).map(std::mem::take).unwrap_or_default());
        }
        led_by.sort_unstable();
        led_by.dedup();
        let image = members.first().copied().filter(|first| *first < images);
        let only = led_by.first().copied().filter(|_| led_by.len() == 1);
        let part = image.or(only).unwrap_or_else(|| {
            *by_leaders.entry(led_by).or_insert_with_key(|led_by| {
                parts.push(Part { led_by: led_by.clone(), ..Part::default() });
                parts.len() - 1
            })
        });
        for member in members {
            if let (Some(part), Some(freed)) = (parts.get_mut(part), freed.get(member)) {
                part.freed = part.freed + *freed;
            }
            for target in edges.get(*member).into_iter().flatten() {
                leaders.get_mut(*target).into_iter().for_each(|leaders| leaders.push(part));
            }
        }
    }
    parts
}

/// The strongly connected components, those that lead to others behind these (Tarjan).
fn cycles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const OPEN: usize = usize::MAX;
    /// A vertex on the path: its number, and how many of its edges were followed.
    type Step = (usize, usize);
    let mut order = vec![0_usize; edges.len()];
    let mut lowest = vec![OPEN; edges.len()];
    let (mut count, mut stack, mut found) = (0, Vec::new(), Vec::new());
    let mut path: Vec<Step> = Vec::new();
    let at = |values: &[usize], place: usize| values.get(place).copied().unwrap_or(0);
    for start in 0..edges.len() {
        let mut next = (at(&order, start) == 0).then_some(start);
        loop {
            if let Some(vertex) = next.take() {
                count += 1;
                order.get_mut(vertex).into_iter().for_each(|order| *order = count);
                lowest.get_mut(vertex).into_iter().for_each(|lowest| *lowest = count);
                stack.push(vertex);
                path.push((vertex, 0));
            }
            let Some((vertex, followed)) = path.last_mut() else { break };
            let vertex = *vertex;
            if let Some(target) = edges.get(vertex).and_then(|edges| edges.get(*followed)) {
                *followed += 1;
                match (at(&order, *target), at(&lowest, *target)) {
                    (0, _) => next = Some(*target),
                    // In a component that is complete.
                    (_, OPEN) => {}
                    (order, _) => lower(&mut lowest, vertex, order),
                }
                continue;
            }
            path.pop();
            let own = at(&lowest, vertex);
            if let Some((parent, _)) = path.last() {
                lower(&mut lowest, *parent, own);
            }
            if own == at(&order, vertex) {
                let begin = stack.iter().rposition(|member| *member == vertex).unwrap_or(0);
                let members = stack.split_off(begin);
                for member in &members {
                    lowest.get_mut(*member).into_iter().for_each(|lowest| *lowest = OPEN);
                }
                found.push(members);
            }
        }
    }
    found
}

fn lower(lowest: &mut [usize], vertex: usize, to: usize) {
    lowest.get_mut(vertex).into_iter().for_each(|lowest| *lowest = (*lowest).min(to));
}
