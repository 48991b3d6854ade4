//! Marks: the parts of a figure that stand for a value. Each has a title, which a page shows on hover and on focus.

use maud::{Markup, html};

/// Radius of the area around a small mark that reacts to a pointer.
const HIT: f64 = 8.0;

/// A mark with its title.
pub(crate) fn mark(title: &str, shape: &Markup) -> Markup {
    html! { g.m { title { (title) } (shape) } }
}

/// Coordinates have one decimal: a tenth of a pixel.
pub(crate) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A path through points.
pub(crate) fn path(points: &[(f64, f64)]) -> String {
    let mut d = String::with_capacity(points.len() * 12);
    for (index, (x, y)) in points.iter().enumerate() {
        d.push(if index == 0 { 'M' } else { 'L' });
        d.push_str(&px(*x));
        d.push(' ');
        d.push_str(&px(*y));
    }
    d
}

/// A dot for series number `series`: its shape and its color. A tie or a doubtful value is hollow.
pub(crate) fn dot(x: f64, y: f64, series: usize, hollow: bool) -> Markup {
    let class = if hollow { format!("f{series} l{series} tie") } else { format!("f{series}") };
    let width = if hollow { "1.5" } else { "0" };
    html! {
        circle.hit cx=(px(x)) cy=(px(y)) r=(px(HIT)) {}
        @match series % 4 {
            0 => circle class=(class) stroke-width=(width) cx=(px(x)) cy=(px(y)) r="3.2" {},
            1 => rect class=(class) stroke-width=(width) x=(px(x - 3.0)) y=(px(y - 3.0)) width="6" height="6" {},
            2 => path class=(class) stroke-width=(width) d=(polygon(&[(x, y - 4.2), (x + 4.2, y), (x, y + 4.2), (x - 4.2, y)])) {},
            _ => path class=(class) stroke-width=(width) d=(polygon(&[(x, y - 4.0), (x + 4.0, y + 3.2), (x - 4.0, y + 3.2)])) {},
        }
    }
}

fn polygon(points: &[(f64, f64)]) -> String {
    path(points) + "Z"
}

/// The sign for errors: a triangle that points down from `y`.
pub(crate) fn warning(x: f64, y: f64) -> Markup {
    html! { path.bad d=(polygon(&[(x - 5.0, y), (x + 5.0, y), (x, y + 8.0)])) {} }
}

/// A path that closes.
pub(crate) fn area(points: &[(f64, f64)]) -> String {
    polygon(points)
}
