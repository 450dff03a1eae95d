//! How much clients may ask.

use std::time::Duration;

/// How much a client may ask of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; more wait until one ends.
    pub connections: usize,
    /// For the head of a request, and between two requests.
    pub head: Duration,
    /// How long a client may keep the server waiting for a request's body, or with an answer that it does not read.
    /// Bytes at [`rate`](Self::rate) earn it back.
    pub piece: Duration,
    /// Bytes a second that a client has to send or to read on the whole; 0 takes any byte for progress.
    pub rate: u64,
    /// Bytes of a request's body: of a tar to load.
    pub body: u64,
    /// Clients of `GET /events` at a time.
    pub subscribers: usize,
}

impl Default for Limits {
    /// 1,024 connections, 10 seconds, 60 seconds, 4 KiB a second, 4 GiB, 64 subscribers.
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(10),
            piece: Duration::from_secs(60),
            rate: 4 << 10,
            body: 4 << 30,
            subscribers: 64,
        }
    }
}
