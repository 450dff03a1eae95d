//! `plan --html FILE`: one page without any request to elsewhere, with the layers as areas and a table of the images.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use image_prune::graph::plan::Verdict;
use image_prune::{ChainId, Record};
use serde::Serialize;

use super::super::error::Result;
use super::super::estimate::Bytes;
use super::super::json;
use super::super::render::identifier;
use super::super::units::human_size;
use super::super::write;
use super::bases::{Standing, standings};
use super::rows::{Row, Scene};
use super::view::summary;

/// The page; `DATA` stands in it where the data belongs.
const PAGE: &str = include_str!("page.html");

#[derive(Serialize)]
struct Data {
    headline: [String; 2],
    images: Vec<Image>,
    layers: Vec<Layer>,
}

#[derive(Serialize)]
struct Image {
    name: String,
    id: String,
    names: Vec<String>,
    verdict: Verdict,
    why: String,
    remedy: String,
    created: String,
    /// The place of the image whose layers are the lower part of its own.
    base: Option<usize>,
    size: String,
    frees: String,
}

#[derive(Serialize)]
struct Layer {
    id: String,
    bytes: i64,
    size: String,
    goes: bool,
    /// The place of the image that it is the own layer of; those that stand on this one have it, too.
    owner: Option<usize>,
}

/// Writes the page, all of it or nothing.
pub fn write(file: &Path, scene: &Scene, bytes: &Bytes) -> Result<()> {
    let rows = scene.rows();
    let standings = standings(&rows.rows, scene.stores);
    let images = rows.rows.iter().zip(&standings);
    let data = Data {
        headline: summary(scene, bytes, &rows),
        images: images.map(|(row, standing)| image(row, standing, scene.is_whole)).collect(),
        layers: layers(scene, &standings),
    };
    let mut text = json::text(&data)?;
    // A name may hold what ends a script.
    text = text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    write::write_bytes(file, PAGE.replacen("DATA", &text, 1).as_bytes())
}

fn image(row: &Row, standing: &Standing, is_whole: bool) -> Image {
    Image {
        name: row.name.clone(),
        id: identifier(row.image.id, is_whole),
        names: row.image.references.iter().map(|name| name.familiar().to_owned()).collect(),
        verdict: row.image.verdict,
        why: row.why.clone(),
        remedy: row.remedy.clone(),
        created: row.created.clone(),
        base: standing.base,
        size: human_size(row.image.size.into()),
        frees: human_size(row.frees.into()),
    }
}

fn layers(scene: &Scene, standings: &[Standing]) -> Vec<Layer> {
    let gone: HashSet<ChainId> = scene
        .plan
        .report
        .images_deleted
        .iter()
        .filter_map(|record| if let Record::Layer(chain) = record { Some(*chain) } else { None })
        .collect();
    let own = standings
        .iter()
        .enumerate()
        .flat_map(|(place, standing)| standing.own.iter().map(move |(chain, _)| (*chain, place)));
    let owners: HashMap<ChainId, usize> = own.collect();
    let mut layers: Vec<Layer> = scene
        .stores
        .layers
        .layers()
        .into_iter()
        .map(|layer| Layer {
            id: identifier(layer.chain_id, scene.is_whole),
            bytes: layer.size,
            size: human_size(layer.size.into()),
            goes: gone.contains(&layer.chain_id),
            owner: owners.get(&layer.chain_id).copied(),
        })
        .collect();
    layers.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.id.cmp(&b.id)));
    layers
}
