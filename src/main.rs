//! The command `image-prune`: what a prune of a Docker data root or of a state file would do, and why.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run(std::env::args_os())
}
