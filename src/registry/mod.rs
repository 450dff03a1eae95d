//! Retention in a registry: which tags stay, which go, and what that frees.
