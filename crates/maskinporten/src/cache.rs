//! Tokens that were verified a moment ago.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use app::ports::VerifiedToken;
use aws_lc_rs::digest;
use jiff::{SignedDuration, Timestamp};

/// SHA-256 of the token: a token itself is never kept.
pub(crate) type Fingerprint = [u8; 32];

/// Many senders look up at once, so the lock is divided.
const SHARDS: usize = 16;

pub(crate) struct Cache {
    shards: [RwLock<HashMap<Fingerprint, Entry>>; SHARDS],
    shard_capacity: usize,
    remember: SignedDuration,
}

#[derive(Clone, Copy)]
struct Entry {
    token: VerifiedToken,
    verified: Timestamp,
}

pub(crate) fn fingerprint(token: &str) -> Fingerprint {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl Cache {
    pub(crate) fn new(capacity: usize, remember: SignedDuration) -> Self {
        let shards = std::array::from_fn(|_| RwLock::default());
        Self { shards, shard_capacity: capacity.div_ceil(SHARDS), remember }
    }

    fn shard(&self, key: &Fingerprint) -> &RwLock<HashMap<Fingerprint, Entry>> {
        &self.shards[usize::from(key[0]) % SHARDS]
    }

    /// What was verified, unless it is too long ago, the token has expired, or the clock has been set back since.
    pub(crate) fn get(&self, key: &Fingerprint, now: Timestamp) -> Option<VerifiedToken> {
        let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(key).filter(|entry| self.holds(entry, now)).map(|entry| entry.token)
    }

    /// Remembers a token; when there is no room, one that is no longer good makes way, or else any.
    pub(crate) fn put(&self, key: Fingerprint, token: VerifiedToken, now: Timestamp) {
        let entry = Entry { token, verified: now };
        if self.shard_capacity == 0 || !self.holds(&entry, now) {
            return;
        }
        let mut shard = self.shard(&key).write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= self.shard_capacity {
            shard.retain(|_, entry| self.holds(entry, now));
        }
        if shard.len() >= self.shard_capacity
            && let Some(any) = shard.keys().next().copied()
        {
            shard.remove(&any);
        }
        shard.insert(key, entry);
    }

    fn holds(&self, entry: &Entry, now: Timestamp) -> bool {
        let age = now.duration_since(entry.verified);
        !age.is_negative() && age < self.remember && now < entry.token.expires
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + second).unwrap()
    }

    fn token(expires: i64) -> VerifiedToken {
        VerifiedToken { consumer: "971032146".parse().unwrap(), expires: at(expires) }
    }

    #[test]
    fn a_token_is_forgotten_after_its_time_or_its_expiry() {
        let cache = Cache::new(100, SignedDuration::from_mins(1));
        cache.put([1; 32], token(120), at(0));
        cache.put([2; 32], token(30), at(0));
        assert_eq!(cache.get(&[1; 32], at(59)), Some(token(120)));
        assert_eq!(cache.get(&[1; 32], at(60)), None);
        assert_eq!(cache.get(&[2; 32], at(29)), Some(token(30)));
        assert_eq!(cache.get(&[2; 32], at(30)), None);
        assert_eq!(cache.get(&[1; 32], at(-1)), None, "the clock was set back");
        assert_eq!(cache.get(&[3; 32], at(0)), None);
    }

    #[test]
    fn an_expired_token_is_not_remembered() {
        let cache = Cache::new(100, SignedDuration::from_mins(1));
        cache.put([1; 32], token(0), at(0));
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn the_cache_never_grows_past_its_size_and_the_newest_is_kept() {
        let cache = Cache::new(32, SignedDuration::from_mins(1));
        for number in 0..5_000 {
            let key = fingerprint(&number.to_string());
            cache.put(key, token(120), at(0));
            assert_eq!(cache.get(&key, at(0)), Some(token(120)));
        }
        assert!(cache.len() <= 32, "{}", cache.len());
        let none = Cache::new(0, SignedDuration::from_mins(1));
        none.put([1; 32], token(120), at(0));
        assert_eq!(none.len(), 0);
    }

    #[test]
    fn room_is_made_by_tokens_that_are_no_longer_good() {
        let cache = Cache::new(SHARDS * 2, SignedDuration::from_mins(1));
        let key = |last: u8| {
            let mut key = [0; 32];
            key[31] = last;
            key
        };
        cache.put(key(1), token(10), at(0));
        cache.put(key(2), token(120), at(0));
        cache.put(key(3), token(120), at(20));
        assert_eq!(cache.get(&key(2), at(20)), Some(token(120)));
        assert_eq!(cache.get(&key(3), at(20)), Some(token(120)));
    }
}
