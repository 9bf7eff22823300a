//! `/metrics`: what is counted and measured, as text (`OpenMetrics` 1.0).
//!
//! [`table`] says which families there are, `traffic`, `health`, `state` and `process` fill them from what the desk sees at that
//! moment. Reads only, and never in the way of a query: counters are summed here, by whoever asks.

mod health;
mod process;
mod state;
mod table;
mod traffic;

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::Desk;
use table::Family;
pub(super) use traffic::rcode;

/// The media type of the text.
pub(super) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything, as text.
pub(super) fn text(desk: &Desk) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(gather(desk)));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

/// Every family, with what is known of it now.
fn gather(desk: &Desk) -> Page {
    let mut page = Page { families: table::ALL.iter().map(|family| (*family, Samples::default())).collect() };
    traffic::fill(&mut page, &desk.metrics.read_all());
    health::fill(&mut page, desk);
    state::fill(&mut page, desk);
    process::fill(&mut page);
    page
}

/// The families in the order of the table, each with its samples.
#[derive(Debug)]
struct Page {
    families: Vec<(&'static Family, Samples)>,
}

#[derive(Debug, Default)]
struct Samples {
    by_labels: BTreeMap<Vec<String>, Value>,
    histogram: Option<Histogram>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Whole(u64),
    Real(f64),
}

#[derive(Clone, Debug, PartialEq)]
struct Histogram {
    sum: f64,
    count: u64,
    /// Upper bound, and how many there are up to there that are above the bound before.
    buckets: Vec<(f64, u64)>,
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl Page {
    /// Puts down a value; of several with the same labels the first stays.
    fn put<const N: usize>(&mut self, family: &'static Family, labels: [&str; N], value: impl Into<Value>) {
        debug_assert_eq!(labels.len(), family.labels.len(), "{}", family.stem);
        let labels = labels.map(str::to_owned).to_vec();
        self.of(family).by_labels.entry(labels).or_insert_with(|| value.into());
    }

    /// Adds to what is there, a whole number.
    fn add<const N: usize>(&mut self, family: &'static Family, labels: [&str; N], value: u64) {
        debug_assert_eq!(labels.len(), family.labels.len(), "{}", family.stem);
        let labels = labels.map(str::to_owned).to_vec();
        if let Value::Whole(sum) = self.of(family).by_labels.entry(labels).or_insert(Value::Whole(0)) {
            *sum += value;
        }
    }

    fn histogram(&mut self, family: &'static Family, histogram: Histogram) {
        self.of(family).histogram = Some(histogram);
    }

    fn of(&mut self, family: &'static Family) -> &mut Samples {
        // Every family of the table is there; a stranger would be put at the end.
        let known = self.families.iter().position(|(known, _)| std::ptr::eq(*known, family));
        let at = known.unwrap_or_else(|| {
            self.families.push((family, Samples::default()));
            self.families.len() - 1
        });
        &mut self.families[at].1
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (family, samples) in &self.families {
            let mut metric = encoder.encode_descriptor(family.stem, family.help, family.unit.as_ref(), family.kind)?;
            if let Some(histogram) = &samples.histogram {
                metric.encode_histogram::<NoLabelSet>(histogram.sum, histogram.count, &histogram.buckets, None)?;
            }
            for (labels, value) in &samples.by_labels {
                if labels.is_empty() {
                    value.encode(family.kind, &mut metric)?;
                } else {
                    let labels: Vec<_> = family.labels.iter().copied().zip(labels.iter().map(String::as_str)).collect();
                    value.encode(family.kind, &mut metric.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(self, kind: MetricType, to: &mut MetricEncoder<'_>) -> fmt::Result {
        match (kind, self) {
            (MetricType::Counter, Self::Whole(value)) => to.encode_counter::<NoLabelSet, _, f64>(&value, None),
            (MetricType::Counter, Self::Real(value)) => to.encode_counter::<NoLabelSet, _, f64>(&value, None),
            (_, Self::Whole(value)) => to.encode_gauge(&value),
            (_, Self::Real(value)) => to.encode_gauge(&value),
        }
    }
}
