//! Measurements of the HTTP side, and their Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};

/// Upper bounds of the histogram's buckets, in seconds.
const BOUNDS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];

#[derive(Clone, Debug, Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

type Key = (String, String, u16);

/// Durations of requests by method, route template and status. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct HttpMetrics(Arc<Mutex<BTreeMap<Key, Histogram>>>);

impl HttpMetrics {
    /// Counts one request.
    pub fn record(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let took = took.as_secs_f64();
        // A method is any token a client makes up; a label must not be.
        let method = match *method {
            Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
                method.as_str()
            }
            _ => "other",
        };
        let key = (method.to_owned(), route.to_owned(), status.as_u16());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = all.entry(key).or_default();
        histogram.count += 1;
        histogram.sum += took;
        for (bucket, bound) in histogram.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(took <= bound);
        }
    }

    /// The numbers as Prometheus text.
    pub fn write(&self, text: &mut Text) {
        const NAME: &str = "bllvm_http_request_duration_seconds";
        let all = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        text.family(
            NAME,
            "histogram",
            "Time from a request's head to the answer's head.",
        );
        for ((method, route, status), histogram) in &all {
            let status = status.to_string();
            let labels = [
                ("method", method.as_str()),
                ("route", route),
                ("code", &status),
            ];
            for (count, bound) in histogram.buckets.iter().zip(BOUNDS) {
                let bound = bound.to_string();
                let labels = [labels[0], labels[1], labels[2], ("le", bound.as_str())];
                text.sample(&format!("{NAME}_bucket"), &labels, *count);
            }
            let infinite = [labels[0], labels[1], labels[2], ("le", "+Inf")];
            text.sample(&format!("{NAME}_bucket"), &infinite, histogram.count);
            text.sample(&format!("{NAME}_sum"), &labels, histogram.sum);
            text.sample(&format!("{NAME}_count"), &labels, histogram.count);
        }
    }
}

/// Prometheus text in the making.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Opens a metric family.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds one sample.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_lands_in_every_bucket_above_it() {
        let metrics = HttpMetrics::default();
        metrics.record(
            &Method::GET,
            "/api/v1/modules",
            StatusCode::OK,
            Duration::from_millis(3),
        );
        let mut text = Text::default();
        metrics.write(&mut text);
        let text = text.finish();
        let line = |le: &str| format!("code=\"200\",le=\"{le}\"}} ");
        assert!(text.contains(&format!("{}0\n", line("0.001"))), "{text}");
        assert!(text.contains(&format!("{}1\n", line("0.005"))), "{text}");
        assert!(text.contains(&format!("{}1\n", line("+Inf"))), "{text}");
    }

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::default();
        text.sample("m", &[("why", "a\"b\\c\nd")], 1);
        assert_eq!(text.finish(), "m{why=\"a\\\"b\\\\c\\nd\"} 1\n");
    }
}
