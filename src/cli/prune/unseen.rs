//! Layers that were to go and stayed, since something holds them that the API does not tell of: a container of an
//! image that is gone, the build cache.

use std::collections::{BTreeSet, HashSet};

use image_prune::replay::RecordText;
use image_prune::{ChainId, ContainerId, Digest, ImageId, Record, World, world};

/// Gives each layer that was to go and did not go somebody who holds it. How many layers stayed.
pub fn hold(world: &mut World, foretold: &[Record], done: &[RecordText]) -> usize {
    let done: HashSet<&RecordText> = done.iter().collect();
    let stays = |record: &&Record| !done.contains(&RecordText::from(*record));
    let layer = |record: &Record| if let Record::Layer(chain) = record { Some(*chain) } else { None };
    let stayed: BTreeSet<ChainId> = foretold.iter().filter(stays).filter_map(layer).collect();
    let on_these = world.layers.iter().filter(|layer| stayed.contains(&layer.chain_id));
    let below: BTreeSet<ChainId> = on_these.filter_map(|layer| layer.parent).collect();
    world.containers.extend(stayed.difference(&below).copied().map(holder));
    stayed.len()
}

/// A container that uses no image, with its writable layer on this one.
fn holder(chain: ChainId) -> world::Container {
    let made_up = Digest::of(format!("unseen on {chain}").as_bytes());
    world::Container {
        id: ContainerId::from(made_up),
        image: ImageId::from(made_up),
        running: false,
        rw_layer_parent: Some(chain),
        image_mounts: Vec::new(),
    }
}
