//! All that `docker system df` shows of a running daemon.

use std::io::Write;

use chrono::DateTime;
use image_prune::client::{BuildCacheRecord, ContainerSummary, DiskUsage, Volume};

use super::{print_lines, share};
use crate::cli::error::Result;
use crate::cli::render::{identifier, table};
use crate::cli::units::{human_duration, human_size, short_size};

/// One row of the summary behind that of the images.
pub fn rows(usage: &DiskUsage) -> [[String; 5]; 3] {
    [containers_row(&usage.containers), volumes_row(&usage.volumes), cache_row(usage)]
}

fn row(title: &str, total: usize, active: usize, size: i128, reclaimable: String) -> [String; 5] {
    [title.to_owned(), total.to_string(), active.to_string(), human_size(size), reclaimable]
}

fn containers_row(containers: &[ContainerSummary]) -> [String; 5] {
    let is_active = |container: &&ContainerSummary| {
        matches!(container.state.as_str(), "running" | "paused" | "restarting")
    };
    let size = |container: &ContainerSummary| i128::from(container.size_rw);
    let total: i128 = containers.iter().map(size).sum();
    let used: i128 = containers.iter().filter(is_active).map(size).sum();
    let active = containers.iter().filter(is_active).count();
    row("Containers", containers.len(), active, total, share(total - used, total))
}

fn volumes_row(volumes: &[Volume]) -> [String; 5] {
    let known = || volumes.iter().filter_map(|volume| volume.usage_data.as_ref());
    let size = |links: fn(i64) -> bool| -> i128 {
        let counted = known().filter(|usage| usage.size != -1 && links(usage.ref_count));
        counted.map(|usage| i128::from(usage.size)).sum()
    };
    let total = size(|_| true);
    let active = known().filter(|usage| usage.ref_count > 0).count();
    row("Local Volumes", volumes.len(), active, total, share(size(|links| links == 0), total))
}

fn cache_row(usage: &DiskUsage) -> [String; 5] {
    let (total, used) = cache_bytes(usage);
    let active = usage.build_cache.iter().filter(|record| record.in_use).count();
    row("Build Cache", usage.build_cache.len(), active, total, human_size(total - used))
}

/// All bytes, and those in use. What images share is counted with them.
fn cache_bytes(usage: &DiskUsage) -> (i128, i128) {
    let own = || usage.build_cache.iter().filter(|record| !record.shared);
    let size = |record: &BuildCacheRecord| i128::from(record.size);
    let total = match usage.builder_size {
        0 => own().map(size).sum(),
        told => i128::from(told),
    };
    (total, own().filter(|record| record.in_use).map(size).sum())
}

/// The tables behind that of the images.
pub fn print_all(out: &mut impl Write, usage: &DiskUsage, now: i64) -> Result<()> {
    writeln!(out, "\nContainers space usage:\n")?;
    print_lines(out, &containers(&usage.containers, now))?;
    writeln!(out, "\nLocal Volumes space usage:\n")?;
    print_lines(out, &volumes(&usage.volumes))?;
    writeln!(out, "\nBuild cache usage: {}\n", human_size(cache_bytes(usage).0))?;
    print_lines(out, &cache(&usage.build_cache, now))
}

fn containers(containers: &[ContainerSummary], now: i64) -> Vec<String> {
    let rows = containers.iter().map(|container| {
        let volumes = container.mounts.iter().filter(|mount| mount.kind == "volume").count();
        let names: Vec<&str> = container.names.iter().map(|name| name.trim_start_matches('/')).collect();
        [
            identifier(&container.id, false),
            container.image.clone(),
            format!("\"{}\"", ellipsis(&container.command, 20)),
            volumes.to_string(),
            short_size(container.size_rw.into()),
            format!("{} ago", human_duration(now.saturating_sub(container.created))),
            container.status.clone(),
            names.join(","),
        ]
    });
    let header = ["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"];
    table(header, rows)
}

fn volumes(volumes: &[Volume]) -> Vec<String> {
    let rows = volumes.iter().map(|volume| {
        let usage = volume.usage_data.as_ref();
        let links = usage.map_or_else(|| "N/A".to_owned(), |usage| usage.ref_count.to_string());
        let size = usage.map_or_else(|| "N/A".to_owned(), |usage| human_size(usage.size.into()));
        [volume.name.clone(), links, size]
    });
    table(["VOLUME NAME", "LINKS", "SIZE"], rows)
}

fn cache(records: &[BuildCacheRecord], now: i64) -> Vec<String> {
    let ago = |time: &str| {
        let time = DateTime::parse_from_rfc3339(time).ok();
        time.map_or_else(String::new, |time| {
            format!("{} ago", human_duration(now.saturating_sub(time.timestamp())))
        })
    };
    let rows = records.iter().map(|record| {
        [
            identifier(&record.id, false),
            record.kind.clone(),
            human_size(record.size.into()),
            ago(&record.created_at),
            ago(&record.last_used_at),
            record.usage_count.to_string(),
            record.shared.to_string(),
        ]
    });
    table(["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED"], rows)
}

fn ellipsis(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}
