//! Talks to a live Docker daemon over its API.
