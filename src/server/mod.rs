//! A Docker daemon in memory, for tests: the Engine API on a unix socket.
