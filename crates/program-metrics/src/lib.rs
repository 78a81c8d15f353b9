//! What a program counts, in the text format of Prometheus.
//!
//! Libraries count with the [`metrics`](https://docs.rs/metrics) facade; a program calls [`install`]
//! before they begin, has [`upkeep`] run beside everything else, and gives [`render`] to whoever
//! asks. Nothing here listens anywhere.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::{MissedTickBehavior, interval};

/// Begins to count, for the whole process. What was counted before is lost; calling it again
/// changes nothing.
///
/// # Errors
///
/// When something else counts already.
pub fn install() -> Result<(), BuildError> {
    if RECORDER.get().is_some() {
        return Ok(());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), BYTES)?
        .set_buckets(COUNTS)?
        .install_recorder();
    match recorder {
        Ok(recorder) => {
            // Whoever is first here has installed it.
            let _ = RECORDER.set(recorder);
            Ok(())
        }
        // Another thread was quicker.
        Err(_) if RECORDER.get().is_some() => Ok(()),
        Err(error) => Err(error),
    }
}

/// All that was counted so far, as Prometheus reads it. Empty before [`install`].
pub fn render() -> String {
    RECORDER.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Sorts what was measured, once a second, for ever: until then it is a list that grows.
///
/// # Cancel safety
///
/// Nothing is lost.
pub async fn upkeep() {
    let mut ticks = interval(BETWEEN_UPKEEPS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(recorder) = RECORDER.get() {
            recorder.run_upkeep();
        }
    }
}

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Short enough that what a busy second measures is no more than a few megabytes.
const BETWEEN_UPKEEPS: Duration = Duration::from_secs(1);

/// From what nobody notices to a day.
const SECONDS: &[f64] =
    &[0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 6.0 * 3600.0, 24.0 * 3600.0];

/// From a message to more than may wait for one peer.
const BYTES: &[f64] =
    &[64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0];

/// Of messages in a batch, and whatever else is counted.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_counted_can_be_read() {
        install().unwrap();
        install().expect("again changes nothing");
        metrics::counter!("tests_total", "kind" => "small").increment(3);
        metrics::histogram!("tests_duration_seconds").record(0.5);
        metrics::histogram!("tests_batch").record(3.0);
        tokio::time::timeout(Duration::from_secs(3), upkeep()).await.expect_err("it goes on");
        let text = render();
        for line in [
            "# TYPE tests_total counter",
            "tests_total{kind=\"small\"} 3",
            "tests_duration_seconds_bucket{le=\"0.1\"} 0",
            "tests_duration_seconds_bucket{le=\"1\"} 1",
            "tests_duration_seconds_count 1",
            "tests_batch_bucket{le=\"4\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
