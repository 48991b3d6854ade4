//! The text of `wssbench engines`: the kernel, then each engine with the features it uses on this machine.

use crate::layout::Layout;
use crate::style::Style;
use crate::table::Table;
use wss_model::engines_result::{EngineOnMachine, EnginesResult, KernelFeature};

/// `result` as text in the given style, ending with a newline.
pub fn engines(result: &EnginesResult, style: Style) -> String {
    let mut layout = Layout::new(style);
    layout.text(&format!("Linux {}", result.kernel));
    for engine in &result.engines {
        layout.gap();
        section(&mut layout, engine, result);
    }
    layout.finish()
}

fn section(layout: &mut Layout, found: &EngineOnMachine, result: &EnginesResult) {
    let EngineOnMachine { engine, engine_features, unavailable_because, features, .. } = found;
    let default = if *engine == result.default { " (the default)" } else { "" };
    let answer = match (unavailable_because, engine_features.as_deref()) {
        (Some(reason), _) => format!("does not run: {reason}"),
        (None, None | Some("")) => "runs".to_owned(),
        (None, Some(form)) => form.to_owned(),
    };
    layout.text(&format!("{engine}{default}: {answer}"));
    if !features.is_empty() {
        layout.table(&table(features));
    }
}

fn table(features: &[KernelFeature]) -> Table {
    // A feature's name is searched for and copied: the reason alone is wrapped.
    let mut table = Table::new(["Feature", "since", "supported", "used", "purpose, or why it is not used"])
        .with_text(&[0, 1, 2, 3, 4]);
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" };
    for KernelFeature { name, since, supported, used, reason } in features {
        table.row([name.as_str(), since, yes_or_no(*supported), yes_or_no(*used), reason]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use wss_model::engines_result::sample;

    #[test]
    fn a_machine_with_features_in_and_out_of_use() {
        insta::assert_snapshot!(engines(&sample(), Style::default()), @r"
        Linux 6.18.5

        uring (the default): one ring a thread, multishot receive into 256 provided
        buffers of 16 KiB
        Feature                     since  supported  used  purpose, or why it is not
                                                            used
        ────────────────────────────────────────────────────────────────────────────────
        IORING_SETUP_DEFER_TASKRUN  6.1    yes        yes   completions arrive only when
                                                            the thread asks for them
        IORING_RECVSEND_BUNDLE      6.10   yes        no    several buffers a receive;
                                                            left alone: current kernels
                                                            lose bytes with it, and a
                                                            TLS record needs one buffer
        IORING_OP_NOT_YET           7.9    no         no    nobody knows

        tokio-uring: does not run: the kernel refuses io_uring (Operation not
        permitted): sysctl kernel.io_uring_disabled is 2

        epoll: tokio's, edge-triggered
        ");
        insta::assert_snapshot!(engines(&sample(), Style { width: 120, ..Style::default() }), @r"
        Linux 6.18.5

        uring (the default): one ring a thread, multishot receive into 256 provided buffers of 16 KiB
        Feature                     since  supported  used  purpose, or why it is not used
        ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        IORING_SETUP_DEFER_TASKRUN  6.1    yes        yes   completions arrive only when the thread asks for them
        IORING_RECVSEND_BUNDLE      6.10   yes        no    several buffers a receive; left alone: current kernels lose bytes
                                                            with it, and a TLS record needs one buffer
        IORING_OP_NOT_YET           7.9    no         no    nobody knows

        tokio-uring: does not run: the kernel refuses io_uring (Operation not permitted): sysctl kernel.io_uring_disabled is 2

        epoll: tokio's, edge-triggered
        ");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [80, 100, 120] {
            let text = engines(&sample(), Style { width, ..Style::default() });
            assert!(text.lines().all(|line| line.chars().count() <= width && line == line.trim_end()), "{text}");
        }
    }

    #[test]
    fn an_engine_without_optional_features_runs() {
        let mut result = sample();
        result.engines[2].engine_features = Some(String::new());
        let text = engines(&result, Style::default());
        assert!(text.ends_with("\nepoll: runs\n"), "{text}");
    }
}
