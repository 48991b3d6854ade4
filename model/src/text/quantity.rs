//! Numbers as a person reads them: three significant digits and a unit of the right size, or a count in groups of
//! three digits.

/// What is printed for a percentile with too few samples.
pub const NOT_AVAILABLE: &str = "—";

/// `value` with this many significant digits; digits before the point are never dropped.
pub fn significant(value: f64, digits: usize) -> String {
    let scientific = format!("{value:.*e}", digits - 1);
    // The exponent after rounding, so that 9.996 becomes 10.0 and not 10.00. NaN and infinity have none.
    let exponent = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse::<i64>().ok()).unwrap_or(0);
    let decimals = usize::try_from(digits as i64 - 1 - exponent).unwrap_or(0);
    // Zero is 0, not 0.00: nothing was measured to two decimals.
    if value == 0.0 { "0".to_owned() } else { format!("{value:.decimals$}") }
}

/// `value` in the first of `units` in which it stays under `step` as printed, or in the last one.
fn with_unit(value: f64, units: &[&str], step: f64, digits: usize) -> String {
    let mut scaled = value;
    for (index, unit) in units.iter().enumerate() {
        // The smallest unit does not come in parts: there is no half nanosecond and no half byte.
        let text = if index == 0 && scaled < step { format!("{scaled:.0}") } else { significant(scaled, digits) };
        let fits = text.parse::<f64>().is_ok_and(|printed| printed < step);
        if fits || index + 1 == units.len() {
            return format!("{text} {unit}");
        }
        scaled /= step;
    }
    significant(value, digits)
}

/// Nanoseconds to three significant digits: `812 ns`, `41.2 µs`, `1.23 ms`, `60.0 s`.
pub fn time(ns: f64) -> String {
    time_to(ns, 3)
}

/// Nanoseconds to `digits` significant digits.
pub fn time_to(ns: f64, digits: usize) -> String {
    with_unit(ns, &["ns", "µs", "ms", "s"], 1000.0, digits)
}

/// [`time`], or [`NOT_AVAILABLE`].
pub fn time_or_dash(ns: Option<u64>) -> String {
    ns.map_or_else(|| NOT_AVAILABLE.to_owned(), |ns| time(ns as f64))
}

/// Memory: `512 B`, `41.2 MiB`.
pub fn memory(bytes: f64) -> String {
    with_unit(bytes, &["B", "KiB", "MiB", "GiB", "TiB"], 1024.0, 3)
}

/// A whole number in groups of three digits: `1,000,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The sum of counts that may come from a file or a peer: one that is made up must not end in a panic.
pub fn total(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

/// A rate a second, without its unit: whole from 1,000 on, else to `digits` significant digits.
pub fn rate_to(per_s: f64, digits: usize) -> String {
    let text = significant(per_s, digits);
    match (text.parse::<u64>(), text.split_once('.')) {
        (Ok(whole), _) => count(whole),
        (_, Some((whole, part))) => format!("{}.{part}", whole.parse().map_or_else(|_| whole.to_owned(), count)),
        _ => text,
    }
}

/// [`rate_to`] four digits, without trailing zeros: `250`, `249.8`, `10,000`.
pub fn rate(per_s: f64) -> String {
    let text = rate_to(per_s, 4);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A share of 1 in percent, to three significant digits: `41.2%`.
pub fn percent(share: f64) -> String {
    percent_to(share * 100.0, 3)
}

/// A percentage to `digits` significant digits.
pub fn percent_to(percent: f64, digits: usize) -> String {
    format!("{}%", significant(percent, digits))
}

/// `value` and `limit` in the same `form`, with as many digits as it takes to tell them apart: "100 µs, where the
/// limit is 100 µs" would explain nothing.
pub fn distinguishable(value: f64, limit: f64, form: fn(f64, usize) -> String) -> (String, String) {
    let pairs = (3..=12).map(|digits| (form(value, digits), form(limit, digits)));
    pairs.clone().find(|(value, limit)| value != limit).unwrap_or_else(|| (form(value, 3), form(limit, 3)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_has_three_significant_digits_and_the_unit_that_suits_it() {
        let read = [1.0, 999.0, 1_000.0, 41_234.0, 999_499.0, 999_600.0, 12_345_678.0, 6e10, 1.234e12].map(time);
        assert_eq!(read, ["1 ns", "999 ns", "1.00 µs", "41.2 µs", "999 µs", "1.00 ms", "12.3 ms", "60.0 s", "1234 s"]);
    }

    #[test]
    fn a_rounding_that_carries_does_not_add_a_digit() {
        assert_eq!(time(9_996.0), "10.0 µs");
        assert_eq!(percent(0.99999), "100%");
        assert_eq!(memory(1023.9 * 1024.0), "1.00 MiB");
    }

    #[test]
    fn counts_and_rates_are_grouped_by_three_digits() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.5, 249.84, 250.0, 9_998.7, 1e6].map(rate), ["0.5", "249.8", "250", "9,999", "1,000,000"]);
    }

    #[test]
    fn a_value_just_over_its_limit_is_told_apart_from_it() {
        assert_eq!(distinguishable(100_040.0, 100_000.0, time_to), ("100.04 µs".to_owned(), "100.00 µs".to_owned()));
        assert_eq!(distinguishable(94.0, 90.0, percent_to), ("94.0%".to_owned(), "90.0%".to_owned()));
    }

    proptest! {
        #[test]
        fn a_printed_time_is_within_half_a_percent_of_the_measured_one(ns in 1u64..60_000_000_000) {
            let text = time(ns as f64);
            let (number, unit) = text.split_once(' ').unwrap();
            let factor = match unit { "ns" => 1.0, "µs" => 1e3, "ms" => 1e6, _ => 1e9 };
            let printed: f64 = number.parse::<f64>().unwrap() * factor;
            prop_assert!((printed - ns as f64).abs() <= 0.005 * ns as f64, "{} became {}", ns, text);
            prop_assert!(text.chars().count() <= 7, "{} is too wide", text);
        }
    }
}
