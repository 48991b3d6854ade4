//! Bencher Metric Format: `{benchmark: {measure: {value, lower_value, upper_value}}}`.
//!
//! One benchmark a file, named by what was measured, and one measure a figure, since Bencher keeps unit and thresholds
//! with the measure. A run gives no bounds: one run says nothing about how far another would be from it.
//!
//! Source: <https://bencher.dev/docs/reference/bencher-metric-format/>, whose JSON Schema the tests hold this against.

use serde_json::{Map, Value, json};

use super::{ExportError, Format, figure};
use crate::run_result::RunResult;

/// Every figure of a run.
pub(super) fn run(run: &RunResult) -> Result<String, ExportError> {
    let measures: Map<String, Value> = figure::of_run(run)
        .into_iter()
        .map(|figure| (slug(&format!("{}-{}", figure.name, figure.unit.suffix())), json!({ "value": figure.value })))
        .collect();
    super::json(Format::Bmf, &json!({ figure::scenario(run): measures }))
}

/// A name as Bencher makes one: lower case with hyphens, at most 64 characters.
fn slug(name: &str) -> String {
    name.replace(['.', '_'], "-")
}
