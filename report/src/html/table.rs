//! Tables as HTML: of data behind a figure, and of a report.

use maud::{Markup, html};

use super::part::SectionTable;
use crate::figures::DataTable;
use crate::table::Row;

/// Rows of the data behind a figure; a note says how many are left out.
const MAX_DATA_ROWS: usize = 400;

/// The data behind a figure, folded.
pub(super) fn data(table: &DataTable, caption: &str) -> Markup {
    let left_out = table.rows.len().saturating_sub(MAX_DATA_ROWS);
    html! {
        details.data {
            summary { "Data" span.sr { " of the figure: " (caption) } }
            div.scroll tabindex="0" role="group" aria-label=(format!("Data: {caption}")) {
                table {
                    caption.sr { (caption) }
                    thead { tr { @for head in &table.head { th scope="col" { (head) } } } }
                    tbody {
                        @for row in table.rows.iter().take(MAX_DATA_ROWS) {
                            tr { @for cell in row { td { (cell) } } }
                        }
                    }
                }
                @if left_out > 0 { p { (left_out) " more rows are in the result." } }
            }
        }
    }
}

/// A table of a report.
pub(super) fn section_table(table: &SectionTable, id: &str) -> Markup {
    let one_line = |head: &str| head.replace('\n', " ");
    html! {
        div.block {
            h3 #(id) { (table.caption) }
            @if table.interactive {
                label.filter {
                    "Filter "
                    input type="search" data-filter=(format!("{id}-table")) placeholder="such as X25519 or 128 bits" autocomplete="off";
                }
                p.count role="status" data-count=(format!("{id}-table")) {}
            }
            div.scroll tabindex="0" role="group" aria-labelledby=(id) {
                table #(format!("{id}-table")) .sortable[table.interactive] {
                    thead { tr { @for head in &table.table.head {
                        th scope="col" { @if head.is_empty() || one_line(head) == table.caption { span.sr { "row" } } @else { (one_line(head)) } }
                    } } }
                    tbody {
                        @for row in &table.table.rows {
                            @match row {
                                Row::Group(title) => tr { th.group scope="colgroup" colspan=(table.table.head.len()) { (title) } },
                                Row::Cells(cells) => (cells_of(cells)),
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cells_of(cells: &[String]) -> Markup {
    html! {
        tr {
            @for (index, cell) in cells.iter().enumerate() {
                // Blanks at the start of a cell are its indent.
                @let indent = cell.len() - cell.trim_start_matches(' ').len();
                @if index == 0 {
                    th scope="row" .indent[indent > 0] { (cell.trim()) }
                } @else {
                    td { (cell.trim()) }
                }
            }
        }
    }
}
