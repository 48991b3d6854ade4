//! How `wssbench engines` reads: the kernel, then of each engine the form that it takes here, and what it found.

use comfy_table::{ColumnConstraint, Table};

use crate::layout::{Layout, WIDE, table};
use wss_model::engines_result::{EngineOnMachine, EnginesResult, KernelFeature};
use wss_model::text::phrases::one_line;

/// `result` as text: at most 100 columns wide, without colours, ending with a newline.
pub fn engines(result: &EnginesResult) -> String {
    let mut page = Layout::wide();
    page.text(&format!("Linux {}", result.kernel));
    for engine in &result.engines {
        page.gap();
        section(&mut page, engine, result);
    }
    page.finish()
}

fn section(page: &mut Layout, found: &EngineOnMachine, result: &EnginesResult) {
    let EngineOnMachine { engine, engine_features: form, unavailable_because: refused_because, features, .. } = found;
    let default = if *engine == result.default { " (the default)" } else { "" };
    let answer = match (refused_because, form.as_deref()) {
        (Some(why), _) => format!("does not run: {why}"),
        (None, None | Some("")) => "runs".to_owned(),
        (None, Some(form)) => form.to_owned(),
    };
    page.text(&format!("{engine}{default}: {answer}"));
    if !features.is_empty() {
        page.table(&drawn(features));
    }
}

fn drawn(features: &[KernelFeature]) -> Table {
    let mut table = table(["Feature", "since", "offered", "used", "what for, or why not"]);
    table.set_width(WIDE as u16);
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    for KernelFeature { name, since, supported, used, reason } in features {
        table.add_row([one_line(name), one_line(since), yes_or_no(*supported), yes_or_no(*used), one_line(reason)]);
    }
    // A name is searched for and copied: the reasons are wrapped, and nothing else is.
    for (index, column) in table.column_iter_mut().enumerate() {
        if index == 0 {
            column.set_padding((0, 1));
        }
        if index < 4 {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use wss_model::engines_result::sample;

    #[test]
    fn it_reads_like_this() {
        insta::assert_snapshot!(engines(&sample()), @r"
        Linux 6.18.5

        uring (the default): one ring a thread, multishot receive into 256 provided buffers of 16 KiB
        Feature                      since   offered   used   what for, or why not
        ────────────────────────────────────────────────────────────────────────────────────────────────────
        IORING_SETUP_DEFER_TASKRUN   6.1     yes       yes    completions come when they are asked for
        IORING_RECVSEND_BUNDLE       6.10    yes       no     several buffers a receive; left alone:
                                                              current kernels lose bytes with it, and a TLS
                                                              record needs one buffer
        IORING_OP_NOT_YET            7.9     no        no     nobody knows

        tokio-uring: does not run: the kernel refuses io_uring (Operation not permitted): sysctl
        kernel.io_uring_disabled is 2

        epoll: tokio's, edge-triggered
        ");
    }

    #[test]
    fn no_line_is_wider_than_a_hundred_columns() {
        let text = engines(&sample());
        assert!(text.lines().all(|line| line.chars().count() <= WIDE && line == line.trim_end()), "{text}");
    }

    #[test]
    fn an_engine_without_a_choice_of_forms_runs() {
        let mut result = sample();
        result.engines[2].engine_features = Some(String::new());
        assert!(engines(&result).ends_with("\nepoll: runs\n"), "{}", engines(&result));
    }
}
