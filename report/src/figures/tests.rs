//! What is drawn: a mark per value, at the position of the value.

use maud::Markup;

use super::axis::{Area, Axis, tick_number};
use super::percentiles::{Named, histogram, percentiles};
use super::scale::{Scale, ScaleKind};
use super::standalone::standalone;
use super::sweep::{cost_plane, forest};
use super::theme::Theme;
use super::xy::{Line, Point, Series, XyChart};
use super::*;
use wss_analysis::comparison::fixtures::comparison;
use wss_analysis::history::fixtures::history;
use wss_analysis::history::series;
use wss_analysis::metric::Metric;
use wss_analysis::sweep::fixtures::sweep;
use wss_model::fixtures::{echo_run, handshake_run, latency};
use wss_model::latency::LatencyHistogram;

const MARK: &str = "<g class=\"m\">";

fn marks(content: &Markup) -> usize {
    content.0.matches(MARK).count()
}

/// The centers of the dots, in the order in which they are drawn.
fn circles(content: &Markup) -> Vec<(f64, f64)> {
    let number = |text: &str, name: &str| -> f64 {
        let (_, rest) = text.split_once(&format!(" {name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.parse().unwrap()
    };
    let hits = content.0.match_indices("<circle class=\"hit\"").map(|(at, _)| &content.0[at..]);
    hits.map(|tag| (number(tag, "cx"), number(tag, "cy"))).collect()
}

#[test]
fn values_read_back_from_pixels_match_within_a_pixel() {
    let values = [(1.0, 120_000.0), (2.0, 95_000.0), (3.0, 1_400_000.0), (7.5, 61_000.0)];
    let points =
        values.iter().map(|(x, y)| Point { x: *x, y: *y, interval: None, weak: false, title: String::new() }).collect();
    let axis = |kind, domain| Axis { label: String::new(), kind, domain, format: tick_number };
    let (x, y) = (axis(ScaleKind::Linear, (0.0, 10.0)), axis(ScaleKind::Log, (5e4, 2e6)));
    let series = Series { name: "one".to_owned(), color: 0, line: Line::Direct, points };
    for width in [NARROW, WIDE] {
        let chart = XyChart::new(x.clone(), y.clone(), vec![series.clone()]);
        let drawing = chart.draw(width);
        // The frame is found from the axis that is drawn.
        let line = drawing.content.0.split("<line class=\"axis\"").nth(1).unwrap();
        let of = |name: &str| -> f64 {
            line.split_once(&format!("{name}=\"")).unwrap().1.split_once('"').unwrap().0.parse().unwrap()
        };
        let plot = if width < 500.0 { 210.0 } else { 270.0 };
        let area = Area { left: of("x1"), right: of("x2"), top: of("y1") - plot, bottom: of("y1") };
        let found = circles(&drawing.content);
        assert_eq!(found.len(), values.len());
        for ((px_x, px_y), (value_x, value_y)) in found.iter().zip(values) {
            let (across, up) = (x.across(area), y.up(area));
            assert!((across.position(value_x) - px_x).abs() <= 1.0 && (up.position(value_y) - px_y).abs() <= 1.0);
            // A pixel is 0.4% of the range, at most.
            assert!((across.value_at(*px_x) - value_x).abs() < 0.04, "{px_x}");
            assert!((up.value_at(*px_y) / value_y - 1.0).abs() < 0.02, "{px_y}");
        }
    }
}

#[test]
fn every_value_has_a_mark_and_a_row() {
    let named = |name: &str, samples: &wss_model::latency::Latency| Named {
        name: name.to_owned(),
        samples: samples.samples().unwrap(),
    };
    let (one, other) = (latency(92_400.0, 100_000), latency(61_000.0, 5_000));
    let all = [named("response", &one), named("service", &other)];
    for figure in [
        percentiles("a", "title".to_owned(), "time", &all).unwrap(),
        histogram("b", "title".to_owned(), "time", &all).unwrap(),
        forest("c", &sweep(12), Metric::ServerCpuHandshakeUs).unwrap(),
        cost_plane("d", &sweep(12)).unwrap(),
        blocks::ratios_of_blocks("e", &comparison(12, 1.05), &comparison(12, 1.05).analysis.metrics[0]).unwrap(),
        blocks::all_metrics("f", &comparison(12, 1.05)).unwrap(),
        trend::trend("g", &series(&history(40))[0].trends()[1]).unwrap(),
    ] {
        for width in [NARROW, WIDE] {
            let drawing = figure.draw(width);
            assert_eq!(marks(&drawing.content), figure.table.rows.len(), "{} at {width}", figure.id);
            assert!(drawing.height > 100.0 && (drawing.width - width).abs() < 0.1);
        }
        assert!(!figure.title.is_empty() && figure.table.rows.iter().all(|row| row.len() <= figure.table.head.len()));
    }
}

#[test]
fn the_percentile_curve_has_the_values_of_the_histogram() {
    let samples = latency(92_400.0, 100_000).samples().unwrap();
    let named = [Named { name: "response".to_owned(), samples: samples.clone() }];
    let figure = percentiles("id", String::new(), "time", &named).unwrap();
    let rows = &figure.table.rows;
    let at = |percentile: &str| rows.iter().find(|row| row[1] == percentile).unwrap()[2].clone();
    let time = |quantile| wss_model::text::quantity::time(samples.value_at(quantile) as f64);
    assert_eq!(at("90%"), time(0.9));
    assert_eq!(at("99%"), time(0.99));
    assert_eq!(at("99.9%"), time(0.999));
    assert_eq!(rows.last().unwrap()[2], time(1.0));
    // The end is not trusted: the largest of 100,000 samples is not a percentile.
    assert!(figure.draw(WIDE).content.0.contains("class=\"line dash l0\""));
}

#[test]
fn a_histogram_counts_every_sample_once() {
    let mut samples = LatencyHistogram::new();
    [1, 50, 900, 1_000_000, 59_000_000_000].into_iter().for_each(|ns| samples.record_ns(ns));
    let named = [Named { name: "all".to_owned(), samples }];
    let figure = histogram("id", String::new(), "time", &named).unwrap();
    let counted: u64 = figure.table.rows.iter().map(|row| row[3].parse::<u64>().unwrap()).sum();
    assert_eq!(counted, 5);
}

#[test]
fn ties_are_hollow_and_the_noise_floor_is_a_band() {
    let figure = forest("id", &sweep(12), Metric::ServerCpuHandshakeUs).unwrap();
    let content = figure.draw(WIDE).content.0;
    let ties = content.matches("f5 l5 tie").count();
    let tied = figure.table.rows.iter().filter(|row| row[5].starts_with('≈')).count();
    assert!(ties > 0 && ties == tied, "{ties} {tied}");
    assert!(content.contains("class=\"zone\""), "no noise floor");
}

#[test]
fn changes_of_a_trend_are_marked() {
    let history = history(40);
    let all = series(&history);
    let trends = all[0].trends();
    let changed = trends.iter().find(|trend| trend.metric == "server_cpu_handshake_us").unwrap();
    let figure = trend::trend("id", changed).unwrap();
    let content = figure.draw(WIDE).content.0;
    assert!(content.contains("class=\"rule\"") && content.contains("+5."), "{content}");
    assert!(figure.title.contains("worse since 2026-03-15"), "{}", figure.title);
}

#[test]
fn phases_and_costs_add_up() {
    let mut run = handshake_run();
    run.handshake.client_cost = Some(wss_model::run_result::HandshakeCost {
        busy_ns: 200_000.0,
        key_exchange_start_ns: Some(20_000.0),
        key_exchange_complete_ns: Some(30_000.0),
        verify_ns: Some(90_000.0),
        rest_ns: 60_000.0,
        ..Default::default()
    });
    let named = [("run".to_owned(), &run.handshake)];
    let cost = cost::costs_of("id", &named).unwrap();
    assert_eq!(cost.title, "The client spends 90.0 µs of 200 µs on verifying");
    assert_eq!(cost.table.rows.len(), 3);
    assert_eq!(marks(&cost.draw(WIDE).content), 3);
    let phases = phases::phases_of("id", &named).unwrap();
    // Four phases and the time to ready, at p50 and p99.
    assert_eq!(marks(&phases.draw(WIDE).content), 10);
    assert!(phases::phases_of("id", &[("none".to_owned(), &Default::default())]).is_none());
}

#[test]
fn a_long_phase_is_drawn_by_its_worst_seconds() {
    let mut run = echo_run();
    let point = run.series.last().unwrap().clone();
    run.series = (1..=3_600)
        .map(|second| wss_model::run_result::SeriesPoint { second: f64::from(second), ..point.clone() })
        .collect();
    run.series[1_000].p99 = Some(5_000_000);
    run.series[1_000].errors = 7;
    let phase = over_time::Phase {
        phase: wss_model::run_result::MeasuredPhase::Echo,
        series: &run.series,
        requested: run.config.rate,
        quantity: "response time",
        warmup: None,
    };
    let figure = over_time::latency_over_time("id", &phase).unwrap();
    assert_eq!(figure.table.rows.len(), 240);
    assert!(figure.title.contains("5.00 ms") && figure.note.contains("15 seconds"), "{} {}", figure.title, figure.note);
    assert!(figure.draw(WIDE).content.0.contains("7 errors until second"));
    let rate = over_time::rate_over_time("id", &phase).unwrap();
    assert_eq!(rate.title, "10,000 echoes per second of 10,000 requested");
}

#[test]
fn a_standalone_file_is_xml_with_colors_and_draws_as_png() {
    let figure = forest("id", &sweep(12), Metric::ServerCpuHandshakeUs).unwrap();
    let renderer = png::PngRenderer::new();
    for theme in [Theme::Light, Theme::Dark] {
        let svg = standalone(&figure, WIDE, "wssbench <sweep> & \"more\" \u{0}\u{ffff}", theme);
        assert!(svg.contains(theme::color("ink", theme)) && !svg.contains("var(--"));
        assert!(svg.contains("&lt;sweep&gt; &amp;"), "{svg}");
        let image = renderer.render(&svg).unwrap();
        assert_eq!(image[..8], [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n']);
        assert!(image.len() > 10_000 && image.len() < 400_000, "{} bytes", image.len());
    }
    assert!(renderer.render("<svg").is_err());
}

#[test]
fn text_in_an_image_uses_the_fonts_of_the_program() {
    let svg = |text: &str| {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"60\" height=\"20\"><text y=\"15\">{text}</text></svg>"
        )
    };
    let renderer = png::PngRenderer::new();
    let [empty, micro] = ["", "µ÷≈"].map(|text| renderer.render(&svg(text)).unwrap());
    assert_ne!(empty, micro, "the fonts are missing");
}

#[test]
fn an_axis_without_room_leaves_labels_out() {
    let axis =
        Axis { label: "x".to_owned(), kind: ScaleKind::Nines, domain: (0.0, 0.999_999), format: axis::tick_quantile };
    let area = Area { left: 30.0, right: 130.0, top: 0.0, bottom: 100.0 };
    let labels = axis.draw_below(area).0.matches("%</text>").count();
    assert!((2..6).contains(&labels), "{labels}");
    assert_eq!(Scale::new(ScaleKind::Nines, axis.domain, (0.0, 1.0)).ticks(5).len(), 7);
}
