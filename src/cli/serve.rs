//! `image-prune serve`: a daemon in memory, until somebody ends it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use chrono::{DateTime, FixedOffset, Utc};
use clap::Args as ArgGroup;
use image_prune::graph::select::Order;
use image_prune::server::{Fault, Limits, Pull, TestDaemon};
use image_prune::{Semantics, World};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::args::{instant, semantics, utc_offset};
use super::error::{Failure, Result};
use super::request::local_offset;
use super::signals::Signals;
use super::source::Source;
use super::{args, render};

const AFTER_HELP: &str = "\
The daemon is for tests: containers are records, nothing is executed or built, and what it changes is gone when \
it ends.

A fault is METHOD PATH and what happens, for example
  --fault 'POST /images/prune status=500 after=1'   the first succeeds, all others fail
  --fault 'GET /images/** delay=2s times=3'         three slow answers
  --fault '* /** cut=middle'                        half an answer
with status=400..599, message=WORD, delay=1.5s, cut=before|middle|after, after=N, times=N. /_control is exempt.";

#[derive(Debug, ArgGroup)]
#[command(after_help = AFTER_HELP)]
pub struct ServeArgs {
    /// The socket to listen on, made with mode 0660 [default: image-prune.sock in `$XDG_RUNTIME_DIR`]
    #[arg(long, value_name = "PATH", conflicts_with = "tcp")]
    pub socket: Option<PathBuf>,
    /// Listen on this loopback address instead, where every local user can do everything
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub tcp: Option<SocketAddr>,
    /// Answer requests for this host, too, and for its web pages; may be repeated [default: loopback hosts alone]
    #[arg(long, value_name = "NAME", requires = "tcp")]
    pub allow_host: Vec<String>,
    /// Start with this state file, as `export` writes it; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "data_root")]
    pub state: Option<PathBuf>,
    /// Start with a copy of a Docker daemon's data root, which is only read
    #[arg(long, value_name = "DIR")]
    pub data_root: Option<PathBuf>,
    /// The storage driver, where the data root has several
    #[arg(long, value_name = "NAME", requires = "data_root")]
    pub driver: Option<String>,
    /// Behave like this version [default: that of the state file, or moby-20.10]
    #[arg(long, value_name = "VERSION", value_parser = semantics())]
    pub semantics: Option<Semantics>,
    /// Speak the API up to this version [default: what the version of moby speaks, 1.41]
    #[arg(long, value_name = "1.NN", value_parser = api_version)]
    pub api_version: Option<u16>,
    /// Stop the daemon's clock at this time
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub now: Option<DateTime<FixedOffset>>,
    /// The daemon's offset from UTC [default: that of --now, of the state file, or the local one]
    #[arg(long, value_name = "±HH:MM", value_parser = utc_offset, allow_hyphen_values = true)]
    pub utc_offset: Option<i32>,
    /// Visit candidates in an order made from this number, and make container IDs of it
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Make images up that are pulled and not there, instead of answering 404
    #[arg(long, value_name = "stub", conflicts_with = "pull_from", value_parser = ["stub"])]
    pub pull: Option<String>,
    /// Pull images from this OCI layout, or from the folder of a registry's storage
    #[arg(long, value_name = "DIR")]
    pub pull_from: Option<Pull>,
    /// Make requests fail; may be repeated
    #[arg(long, value_name = "RULE")]
    pub fault: Vec<Fault>,
    /// Add the routes below /_control: faults, state, now
    #[arg(long)]
    pub control: bool,
    /// Print each request and its status to stderr
    #[arg(short, long)]
    pub verbose: bool,
}

pub fn run(args: ServeArgs) -> Result<()> {
    raise_descriptors();
    let world = read(&args)?;
    let semantics = match args.semantics {
        Some(semantics) => semantics,
        None => world.profile.parse().unwrap_or_default(),
    };
    let zone = args.utc_offset.or(args.now.map(|now| now.offset().local_minus_utc()));
    let from_world = args.state.is_some().then_some(world.utc_offset_seconds);
    let local = || local_offset(Utc::now());
    let mut builder = TestDaemon::builder()
        .semantics(semantics)
        .utc_offset_seconds(zone.or(from_world).unwrap_or_else(local))
        .limits(Limits::default())
        .world(world);
    if let Some(version) = args.api_version {
        builder = builder.api_version(version);
    }
    if let Some(now) = args.now {
        builder = builder.now(now.into());
    }
    if let Some(seed) = args.seed {
        builder = builder.order(Order::Shuffled(seed)).seed(seed);
    }
    if args.pull.is_some() {
        builder = builder.pull(Pull::Stub);
    }
    if let Some(pull) = args.pull_from {
        builder = builder.pull(pull);
    }
    if args.control {
        builder = builder.control();
    }
    if args.verbose {
        builder = builder.on_request(|visit| render::line_to_stderr("request", &visit.to_string()));
    }
    builder = args.fault.into_iter().fold(builder, image_prune::server::Builder::fault);
    builder = args.allow_host.into_iter().fold(builder, image_prune::server::Builder::allow_host);
    builder = match (args.tcp, args.socket) {
        (Some(address), _) => builder.address(address),
        (None, Some(path)) => builder.socket(path),
        (None, None) => builder.socket(default_socket()?),
    };
    let signals = Signals::listen()?;
    let daemon = builder.start()?;
    // For scripts: they wait for this line.
    let mut out = io::stdout().lock();
    writeln!(out, "{}", daemon.host())?;
    out.flush()?;
    render::line_to_stderr("listening", &format!("export DOCKER_HOST={}", daemon.host()));
    signals.wait();
    drop(daemon);
    Ok(())
}

fn read(args: &ServeArgs) -> Result<World> {
    if args.state.is_none() && args.data_root.is_none() {
        return Ok(World::default());
    }
    let source = args::SourceArgs {
        data_root: args.data_root.clone(),
        driver: args.driver.clone(),
        containerd_root: None,
        namespace: None,
        host: None,
        state: args.state.clone(),
        semantics: args.semantics,
    };
    Source::read(&source).map(|source| source.world)
}

fn default_socket() -> Result<PathBuf> {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if !folder.is_empty() => Ok(PathBuf::from(folder).join("image-prune.sock")),
        _ => Err(Failure::Usage("XDG_RUNTIME_DIR is not set: name a socket with --socket PATH".to_owned())),
    }
}

fn api_version(text: &str) -> std::result::Result<u16, String> {
    let minor = text.strip_prefix("1.").and_then(|minor| minor.parse().ok());
    minor.ok_or_else(|| "write it like 1.41".to_owned())
}

/// Each connection takes a descriptor, and many systems begin with 1,024.
fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // As many as there are must do where this is not allowed.
    let _ = setrlimit(Resource::Nofile, limit);
}
