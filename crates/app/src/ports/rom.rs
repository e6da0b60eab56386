/// Knows how much room there is where things are kept.
pub trait Rom: Send + Sync {
    /// Whether more may be written for callers. What is kept free is for what must always go: settling, logging in, removing.
    fn has_room(&self) -> bool;
}
