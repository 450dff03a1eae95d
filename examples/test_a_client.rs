//! A test of a client of Docker's API, here one that speaks HTTP by hand: against a daemon in memory that fails once.
//!
//! ```sh
//! cargo run --example test_a_client --features server
//! ```

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use image_prune::server::TestDaemon;

/// The client: prunes, and tries again where another prune is running.
fn prune(daemon: &TestDaemon) -> Result<String, Box<dyn Error>> {
    loop {
        let mut socket = UnixStream::connect(daemon.socket().ok_or("the daemon has no socket")?)?;
        socket.write_all(b"POST /images/prune HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        println!("{}", answer.lines().next().unwrap_or_default());
        if !answer.starts_with("HTTP/1.1 409") {
            return Ok(answer);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let fault = "POST /images/prune status=409 times=1".parse()?;
    let daemon = TestDaemon::builder().fault(fault).start()?;
    let image = daemon.stores().images.create(r#"{"rootfs":{"type":"layers"}}"#)?;

    let answer = prune(&daemon)?;
    assert!(answer.contains(&format!("{{\"Deleted\":\"{image}\"}}")), "{answer}");
    assert!(daemon.stores().images.is_empty());
    Ok(())
}
