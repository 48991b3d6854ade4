//! Scales: from a value to a position in a figure, and back.

/// How values are spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScaleKind {
    /// Equal differences have equal lengths.
    Linear,
    /// Equal ratios have equal lengths.
    Log,
    /// Quantiles from 0 to below 1, each further nine (0.9, 0.99, …) as long as the last one.
    Nines,
}

/// An axis of a figure, as numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    kind: ScaleKind,
    /// The values at both ends.
    domain: (f64, f64),
    /// Their positions, in the figure's units.
    range: (f64, f64),
}

impl Scale {
    /// From `domain` to `range`. An empty or impossible domain is widened, so that every value has a finite position.
    pub(crate) fn new(kind: ScaleKind, domain: (f64, f64), range: (f64, f64)) -> Self {
        let (low, high) = domain;
        let finite = |value: f64, other: f64| if value.is_finite() { value } else { other };
        let domain = match kind {
            ScaleKind::Linear => {
                let low = finite(low, 0.0);
                let high = finite(high, low + 1.0);
                if high > low { (low, high) } else { (low, low + 1.0) }
            }
            ScaleKind::Log => {
                let low = finite(low, 1.0).max(f64::MIN_POSITIVE);
                let high = finite(high, low);
                if high > low { (low, high) } else { (low / 1.5, low * 1.5) }
            }
            ScaleKind::Nines => (0.0, finite(high, 0.9).clamp(0.9, 1.0 - 1e-12)),
        };
        Self { kind, domain, range }
    }

    /// The position of a value. Values beyond the ends are moved to them.
    pub(crate) fn position(&self, value: f64) -> f64 {
        let (low, high) = self.domain;
        let (from, to) = (transform(self.kind, low), transform(self.kind, high));
        let clamped = if value.is_finite() { value.clamp(low, high) } else { low };
        let share = (transform(self.kind, clamped) - from) / (to - from);
        self.range.0 + share * (self.range.1 - self.range.0)
    }

    /// The value at a position: the inverse of [`Self::position`].
    #[cfg(test)]
    pub(crate) fn value_at(&self, position: f64) -> f64 {
        let (from, to) = (transform(self.kind, self.domain.0), transform(self.kind, self.domain.1));
        let share = (position - self.range.0) / (self.range.1 - self.range.0);
        let transformed = from + share * (to - from);
        match self.kind {
            ScaleKind::Linear => transformed,
            ScaleKind::Log => 10_f64.powf(transformed),
            ScaleKind::Nines => 1.0 - 10_f64.powf(-transformed),
        }
    }

    /// Round values within the domain: about `wanted`, never more than 24.
    pub(crate) fn ticks(&self, wanted: usize) -> Vec<f64> {
        let (low, high) = self.domain;
        let mut ticks = match self.kind {
            ScaleKind::Linear => linear_ticks(low, high, wanted),
            ScaleKind::Log if high / low < 4.0 => linear_ticks(low, high, wanted),
            ScaleKind::Log => log_ticks(low, high, wanted),
            ScaleKind::Nines => {
                (0..=12).map(|nines| 1.0 - 10_f64.powi(-nines)).filter(|quantile| *quantile <= high + 1e-13).collect()
            }
        };
        ticks.truncate(24);
        ticks
    }
}

fn transform(kind: ScaleKind, value: f64) -> f64 {
    match kind {
        ScaleKind::Linear => value,
        ScaleKind::Log => value.log10(),
        ScaleKind::Nines => -(1.0 - value).log10(),
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let step = nice_step((high - low) / wanted.max(1) as f64);
    let first = (low / step).ceil() as i64;
    // The sum of many small steps would not be round.
    (first..first.saturating_add(24))
        .map(|index| index as f64 * step)
        .take_while(|tick| *tick <= high + step * 1e-9)
        .collect()
}

/// The least of 1, 2 and 5 times a power of ten that is at least `step`.
fn nice_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.max(f64::MIN_POSITIVE).log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9)).unwrap_or(10.0);
    factor * power
}

/// Powers of ten, and 2 and 5 times them where there is room.
fn log_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let of = |factors: &[f64]| -> Vec<f64> {
        let all = (first..=last).flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
        all.filter(|tick| *tick >= low * (1.0 - 1e-9) && *tick <= high * (1.0 + 1e-9)).collect()
    };
    let choices = [of(&[1.0, 2.0, 5.0]), of(&[1.0, 3.0]), of(&[1.0])];
    let fits = choices.iter().find(|ticks| ticks.len() <= wanted + 2);
    match fits {
        Some(ticks) => ticks.clone(),
        None => choices[2].iter().copied().step_by(choices[2].len().div_ceil(wanted.max(1))).collect(),
    }
}

/// The least domain around `values` whose ends are round on a logarithmic scale; `None` without positive values.
pub(crate) fn log_domain(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = bounds(values.filter(|value| *value > 0.0))?;
    let round = |value: f64, up: bool| {
        let power = 10_f64.powf(value.log10().floor());
        let steps = [1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0].map(|factor| factor * power);
        match up {
            true => steps.into_iter().find(|step| *step >= value * (1.0 - 1e-9)),
            false => steps.into_iter().rev().find(|step| *step <= value * (1.0 + 1e-9)),
        }
        .unwrap_or(value)
    };
    Some((round(low, false), round(high, true)))
}

/// From 0 to a round value that is at least the largest of `values`.
pub(crate) fn zero_domain(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let high = bounds(values).map_or(1.0, |(_, high)| high.max(0.0));
    let high = if high > 0.0 { high } else { 1.0 };
    let step = nice_step(high / 5.0);
    (0.0, (high / step - 1e-9).ceil() * step)
}

/// The smallest and the largest finite value.
pub(crate) fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |bounds, value| {
        let (low, high) = bounds.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_further_nine_is_as_long_as_the_last_one() {
        let scale = Scale::new(ScaleKind::Nines, (0.0, 0.9999), (0.0, 400.0));
        let positions = [0.0, 0.9, 0.99, 0.999, 0.9999].map(|quantile| scale.position(quantile).round());
        assert_eq!(positions, [0.0, 100.0, 200.0, 300.0, 400.0]);
        assert_eq!(scale.ticks(5).len(), 5);
    }

    #[test]
    fn ticks_are_round() {
        let linear = Scale::new(ScaleKind::Linear, (0.0, 10.0), (0.0, 1.0));
        assert_eq!(linear.ticks(5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        let log = Scale::new(ScaleKind::Log, (1e4, 1e7), (0.0, 1.0));
        assert_eq!(log.ticks(5).iter().map(|tick| tick.round()).collect::<Vec<_>>().first(), Some(&1e4));
        assert_eq!(log_domain([123.0, 4_567.0].into_iter()), Some((100.0, 5_000.0)));
        assert_eq!(zero_domain([9_700.0].into_iter()), (0.0, 10_000.0));
    }

    #[test]
    fn an_impossible_domain_has_finite_positions() {
        for kind in [ScaleKind::Linear, ScaleKind::Log, ScaleKind::Nines] {
            for domain in [(0.0, 0.0), (f64::NAN, f64::NAN), (5.0, 1.0), (1.0, f64::INFINITY), (-1.0, 1.0)] {
                let scale = Scale::new(kind, domain, (0.0, 100.0));
                for value in [f64::NAN, f64::INFINITY, -1e300, 0.0, 1.0, 1e300] {
                    let position = scale.position(value);
                    assert!((0.0..=100.0).contains(&position), "{kind:?} {domain:?} {value} {position}");
                }
                assert!(scale.ticks(5).len() <= 24);
            }
        }
    }

    proptest! {
        #[test]
        fn a_position_can_be_read_back(share in 0.0..1.0_f64) {
            for (kind, domain) in [
                (ScaleKind::Linear, (-3.0, 7.0)),
                (ScaleKind::Log, (1e3, 1e9)),
                (ScaleKind::Nines, (0.0, 0.99999)),
            ] {
                let scale = Scale::new(kind, domain, (50.0, 700.0));
                let position = 50.0 + share * 650.0;
                prop_assert!((scale.position(scale.value_at(position)) - position).abs() < 1e-6);
            }
        }
    }
}
