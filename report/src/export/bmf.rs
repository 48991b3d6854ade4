//! Bencher Metric Format: `{benchmark: {measure: {value, lower_value, upper_value}}}`.
//!
//! A file has one benchmark, named by what was measured, and a measure per figure, because Bencher keeps unit and
//! thresholds with the measure. A run has no bounds: a single run does not tell how far another would differ. A comparison
//! has each ratio with the bounds of its exact interval, and the median of B.
//!
//! Source: <https://bencher.dev/docs/reference/bencher-metric-format/>; the tests validate against its JSON Schema.

use serde_json::{Map, Value, json};

use super::{ExportError, Format, figure};
use wss_analysis::comparison::Comparison;
use wss_model::run_result::RunResult;

/// Every figure of a run.
pub(super) fn run(run: &RunResult) -> Result<String, ExportError> {
    let measures: Map<String, Value> = figure::of_run(run)
        .into_iter()
        .map(|figure| (slug(&format!("{}-{}", figure.name, figure.unit.suffix())), json!({ "value": figure.value })))
        .collect();
    super::json(Format::Bmf, &json!({ figure::scenario(run): measures }))
}

/// Every ratio of a comparison with its interval, and the median of B.
pub(super) fn comparison(comparison: &Comparison) -> Result<String, ExportError> {
    let mut measures = Map::new();
    for figure in &comparison.analysis.metrics {
        let name = slug(figure.metric.name());
        if let Some(ratio) = &figure.ratio {
            let value = match &ratio.interval {
                Some(interval) => {
                    json!({ "value": ratio.center, "lower_value": interval.low, "upper_value": interval.high })
                }
                None => json!({ "value": ratio.center }),
            };
            measures.insert(format!("{name}-ratio"), value);
        }
        measures.insert(name, json!({ "value": figure.b_median }));
    }
    if measures.is_empty() {
        return Err(ExportError::Nothing { what: "figure", format: Format::Bmf.name() });
    }
    super::json(Format::Bmf, &json!({ figure::compared(comparison): measures }))
}

/// A name in Bencher's form: lower case with hyphens, at most 64 characters.
fn slug(name: &str) -> String {
    name.replace(['.', '_'], "-")
}
