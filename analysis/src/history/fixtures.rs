//! Histories for tests, with known ratios and deterministic noise.

use std::collections::BTreeMap;

use super::{Build, Entry, Fingerprint, SCHEMA, TrackedRatio};

/// The entry of day `day`, with these ratios of the server's CPU time per handshake and of the median echo time.
pub fn entry(day: usize, cpu: f64, echo: f64) -> Entry {
    let build = |label: &str, commit: String| Build {
        label: label.to_owned(),
        version: Some("0.1.0".to_owned()),
        commit: Some(commit),
    };
    let ratio =
        |center: f64| TrackedRatio { center, low: Some(center * 0.994), high: Some(center * 1.007), blocks: 12 };
    Entry {
        schema: SCHEMA.to_owned(),
        comparison_id: format!("comparison-{day}"),
        started_at: format!("2026-03-{:02}T12:00:00Z", day + 1),
        candidate: build("head", format!("{day:04}beef0123456789")),
        reference: build("v0.1.0", "3146730".to_owned()),
        configuration: "handshake --duration=2500ms; TLSv1.3, X25519MLKEM768".to_owned(),
        environment: Fingerprint {
            cpu_model: "AMD EPYC 9R14".to_owned(),
            cores: 2,
            memory_gib: 24,
            kernel: "6.18.5".to_owned(),
            governor: None,
            hypervisor: Some("KVM".to_owned()),
            clocksource: Some("tsc".to_owned()),
            settings: std::collections::BTreeMap::new(),
            profile: "release".to_owned(),
        },
        metrics: BTreeMap::from([
            ("server_cpu_handshake_us".to_owned(), ratio(cpu)),
            ("echo_p50_us".to_owned(), ratio(echo)),
        ]),
    }
}

/// `days` entries; from day 14 on, the server needs 5% more CPU time per handshake.
pub fn history(days: usize) -> Vec<Entry> {
    let noise = |day: usize, salt: usize| 1.0 + 0.001 * (((day * 7 + salt) * 5 % 13) as f64 - 6.0);
    let step = |day: usize| if day >= 14 { 1.05 } else { 1.0 };
    (0..days).map(|day| entry(day, step(day) * noise(day, 0), noise(day, 3))).collect()
}
