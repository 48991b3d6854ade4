//! github-action-benchmark: an array of `{name, unit, value, range, extra}`. The action follows each name over time, so that it
//! includes what was measured.
//!
//! The action reads a file as either `customSmallerIsBetter` or `customBiggerIsBetter`, so a file has one kind of
//! figures, and the figures of the other kind are named in a note.
//!
//! Source: the action's README, "Custom benchmark tools", and `BenchmarkResult` in its `src/extract.ts`.

use serde_json::{Value, json};

use super::{Better, ExportError, Format, figure};
use wss_analysis::comparison::{ComparedMetric, Comparison};
use wss_analysis::statistics::Ratio;
use wss_model::run_result::RunResult;
use wss_model::text::phrases::program;

/// The figures of a run of one kind.
pub(super) fn run(run: &RunResult, better: Better, notes: &mut Vec<String>) -> Result<String, ExportError> {
    let (kept, others) =
        of_kind(figure::of_run(run), better, |figure| figure.unit.more_is_better(), |figure| figure.name.clone());
    notes.extend(others);
    let scenario = figure::scenario(run);
    let extra = format!("{}, {}", program(&run.tool), run.started_at);
    let entries = kept
        .iter()
        .map(|one| json!({ "name": format!("{} ({scenario})", one.name), "unit": one.unit.symbol(), "value": one.value, "extra": extra }))
        .collect();
    array(entries, better)
}

/// The ratios of a comparison of one kind, with their intervals as ranges.
pub(super) fn comparison(
    comparison: &Comparison,
    better: Better,
    notes: &mut Vec<String>,
) -> Result<String, ExportError> {
    let ratios = comparison.analysis.metrics.iter().filter_map(|figure| Some((figure, figure.ratio.as_ref()?)));
    let (kept, others) = of_kind(
        ratios.collect(),
        better,
        |(figure, _)| figure.metric.more_is_better(),
        |(figure, _)| figure.metric.name().to_owned(),
    );
    notes.extend(others);
    let compared = figure::compared(comparison);
    let extra = format!("{}, {}", program(&comparison.tool), comparison.started_at);
    let entry = |(figure, ratio): &(&ComparedMetric, &Ratio)| {
        let name = format!("{} ({compared})", figure.metric.name());
        let mut entry = json!({ "name": name, "unit": "ratio", "value": ratio.center, "extra": extra });
        if let Some(interval) = &ratio.interval {
            entry["range"] = format!("{:.4} to {:.4}", interval.low, interval.high).into();
        }
        entry
    };
    array(kept.iter().map(entry).collect(), better)
}

/// The figures of the requested kind, and a note about the others.
fn of_kind<T>(
    figures: Vec<T>,
    better: Better,
    more_is_better: impl Fn(&T) -> bool,
    name: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let bigger = better == Better::Bigger;
    let (kept, others): (Vec<T>, Vec<T>) = figures.into_iter().partition(|figure| more_is_better(figure) == bigger);
    let names: Vec<String> = others.iter().map(name).collect();
    let (what, option) = if bigger { ("less", "smaller") } else { ("more", "bigger") };
    let sentence = (!names.is_empty()).then(|| {
        format!(
            "left out, because {what} is better for them (export them with --better {option}): {}",
            names.join(", ")
        )
    });
    (kept, sentence)
}

fn array(entries: Vec<Value>, better: Better) -> Result<String, ExportError> {
    let format = Format::GithubActionBenchmark;
    if entries.is_empty() {
        let what = match better {
            Better::Smaller => "figure for which less is better",
            Better::Bigger => "figure for which more is better (a rate is one only in a closed loop, --rate max)",
        };
        return Err(ExportError::Nothing { what, format: format.name() });
    }
    super::json(format, &Value::Array(entries))
}
