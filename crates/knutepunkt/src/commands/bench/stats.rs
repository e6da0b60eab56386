//! Numbers out of many samples.

use std::time::Duration;

/// Samples of a time.
#[derive(Debug, Default, Clone)]
pub(super) struct Samples(Vec<Duration>);

impl Samples {
    pub(super) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// The sample that `part` (0 to 1) of all are at or below; zero if there are none.
    pub(super) fn quantile(&self, part: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let at = ((sorted.len() as f64 - 1.0).max(0.0) * part).round() as usize;
        sorted.get(at).copied().unwrap_or_default()
    }

    pub(super) fn median(&self) -> Duration {
        self.quantile(0.5)
    }
}

/// The median of a few numbers; zero if there are none.
pub(super) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// Milliseconds.
pub(super) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_hundred_samples() {
        let mut samples = Samples::default();
        for n in (1..=101).rev() {
            samples.push(Duration::from_millis(n));
        }
        assert_eq!(samples.median(), Duration::from_millis(51));
        assert_eq!(samples.quantile(0.99), Duration::from_millis(100));
        assert_eq!(Samples::default().median(), Duration::ZERO);
    }
}
