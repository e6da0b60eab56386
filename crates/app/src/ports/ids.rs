use wire::id::Uuid;

/// New ids and secrets. The one place where random numbers are drawn.
pub trait IdSource: Send + Sync + 'static {
    /// A UUID that was never used before.
    fn uuid(&self) -> Uuid;

    /// 32 bytes that nobody can guess.
    fn secret(&self) -> [u8; 32];
}
