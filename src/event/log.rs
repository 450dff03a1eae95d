//! The ring and its subscribers.
/// x
pub type Clock = std::sync::Arc<dyn Fn() -> crate::Timestamp + Send + Sync>;
/// x
#[derive(Debug)]
pub struct EventLog;
/// x
#[derive(Debug)]
pub struct Subscription;
