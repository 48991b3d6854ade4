//! The page in a browser: nothing is requested, nothing is complained about, and figures and tables react.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::common::comparison::{comparison, write};
use crate::common::{BOUND, left_out, start_in};
use crate::result;

/// Widths of a phone and of a large screen.
const WIDTHS: [u32; 2] = [400, 1600];

/// A page with a run, a comparison and a sweep of the repository.
fn page() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    wss_model::store::write(result(), &folder.path().join("run.json")).unwrap();
    let compared = write(&comparison(result(), 8, 1.05), folder.path());
    let sweep = concat!(env!("CARGO_MANIFEST_DIR"), "/../results/published/2026-11-suites/sweep-suites.json.gz");
    let ended = start_in(folder, &["report", "run.json", &compared, sweep, "-o", "page.html"]).end_within(BOUND);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let url = format!("file://{}", ended.folder.path().join("page.html").display());
    (ended.folder, url)
}

fn browser() -> Option<Browser> {
    let browser = Browser::start();
    if browser.is_none() {
        left_out("chromium does not start");
    }
    browser
}

#[test]
fn a_page_fits_every_width_and_theme_and_requests_nothing() {
    let Some(mut browser) = browser() else { return };
    let (_folder, url) = page();
    let mut grounds = Vec::new();
    for width in WIDTHS {
        for theme in ["light", "dark"] {
            browser.open(&url, width, theme);
            // Nothing is wider than the window.
            let scrolled = browser.evaluate("document.documentElement.scrollWidth - innerWidth");
            assert!(scrolled.as_i64().unwrap() <= 0, "{width} {theme}: {scrolled}");
            let shown = "[...document.querySelectorAll('figure')].every(figure => \
                         [...figure.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width > 0).length === 1)";
            assert_eq!(browser.evaluate(shown), json!(true), "{width} {theme}");
            grounds.push(browser.evaluate("getComputedStyle(document.body).backgroundColor"));
            assert_eq!(browser.requests(), [url.as_str()], "{width} {theme}");
            assert!(browser.complaints().is_empty(), "{width} {theme}: {:?}", browser.complaints());
        }
    }
    assert!(grounds[0] != grounds[1] && grounds[0] == grounds[2], "{grounds:?}");
    browser.evaluate("document.getElementById('theme').click()");
    assert_eq!(browser.evaluate("getComputedStyle(document.body).backgroundColor"), grounds[0]);
}

#[test]
fn values_appear_on_hover_and_on_focus() {
    let Some(mut browser) = browser() else { return };
    let (_folder, url) = page();
    browser.open(&url, 1600, "light");
    let tip = "document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent";
    let marks = "document.querySelectorAll('figure svg.wide')[0].querySelectorAll('.m')";
    assert_eq!(browser.evaluate(tip), json!(""));
    // One stop of the tab key per figure; arrows go on from there.
    assert_eq!(browser.evaluate(&format!("[...{marks}].filter(mark => mark.tabIndex === 0).length")), json!(1));
    browser.evaluate(&format!("{marks}[0].focus()"));
    let first = browser.evaluate(tip);
    assert_eq!(first, browser.evaluate(&format!("{marks}[0].getAttribute('aria-label')")));
    browser.press("ArrowRight");
    let second = browser.evaluate(tip);
    assert!(second != first && second != json!(""), "{first} {second}");
    browser.press("Escape");
    assert_eq!(browser.evaluate(tip), json!(""));
    let center = browser.evaluate(&format!(
        "(() => {{ const mark = {marks}[0]; mark.scrollIntoView({{block: 'center', behavior: 'instant'}}); \
         const box = mark.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; }})()"
    ));
    // Scrolling hides the value of a mark, one frame later.
    browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
    let number = |value: &Value| value.as_f64().unwrap();
    browser.point_at(number(&center[0]), number(&center[1]));
    assert_eq!(browser.evaluate(tip), first);
    browser.point_at(1.0, 1.0);
    assert_eq!(browser.evaluate(tip), json!(""));
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
}

#[test]
fn a_table_sorts_and_filters() {
    let Some(mut browser) = browser() else { return };
    let (_folder, url) = page();
    browser.open(&url, 1600, "light");
    let column = |browser: &mut Browser, index: usize| -> Vec<f64> {
        let cells = format!(
            "[...document.querySelector('table.sortable').tBodies[0].rows].filter(row => !row.hidden)\
             .map(row => parseFloat(row.cells[{index}].textContent))"
        );
        browser.evaluate(&cells).as_array().unwrap().iter().map(|cell| cell.as_f64().unwrap()).collect()
    };
    let click = "document.querySelector('table.sortable').tHead.rows[0].cells[4].querySelector('button').click()";
    browser.evaluate(click);
    let ascending = column(&mut browser, 4);
    assert!(ascending.is_sorted() && ascending.len() == 10, "{ascending:?}");
    browser.evaluate(click);
    let descending = column(&mut browser, 4);
    assert!(descending.iter().rev().is_sorted(), "{descending:?}");
    let sorted = "document.querySelector('table.sortable').tHead.rows[0].cells[4].getAttribute('aria-sort')";
    assert_eq!(browser.evaluate(sorted), json!("descending"));
    browser.evaluate(
        "(() => { const input = document.querySelector('input[data-filter]'); input.value = 'chacha rsa'; \
         input.dispatchEvent(new Event('input')); })()",
    );
    assert_eq!(column(&mut browser, 0), [9.0]);
    assert_eq!(browser.evaluate("document.querySelector('[data-count]').textContent"), json!("1 of 10 rows"));
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
}

#[test]
fn the_page_is_accessible_by_axe_if_it_is_there() {
    let Some(mut browser) = browser() else { return };
    // From npm; .ci/run installs it.
    let Some(target) = std::env::current_exe().ok().and_then(|exe| Some(exe.ancestors().nth(3)?.to_owned())) else {
        return;
    };
    let Ok(axe) = std::fs::read_to_string(target.join("ci/axe/node_modules/axe-core/axe.min.js")) else {
        return left_out("axe-core is not in the target folder");
    };
    let (_folder, url) = page();
    for (width, theme) in [(1600, "light"), (400, "dark")] {
        browser.open(&url, width, theme);
        browser.evaluate(&format!("{axe}; 0"));
        let found = browser.evaluate(
            "axe.run().then(result => result.violations.map(one => `${one.id}: ${one.nodes.slice(0, 3).map(node => \
             node.html.slice(0, 160)).join(' | ')}`))",
        );
        assert_eq!(found, json!([]), "{width} {theme}");
    }
}
