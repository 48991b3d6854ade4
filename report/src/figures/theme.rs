//! Colors of both themes, and the rules that give them to the parts of a figure.
//!
//! The hues are those of Okabe and Ito ("Color Universal Design", 2008), which color-blind readers can tell apart, darkened or
//! lightened until they stand out from the ground of the theme (at least 3:1, WCAG 2.2 criterion 1.4.11). Series differ in the
//! shape of their marks or the dashes of their lines, too.

/// Number of colors for series.
pub(crate) const SERIES: usize = 8;

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    Light,
    Dark,
}

/// A color: its name in style sheets, and its value in the light and in the dark theme.
type Color = (&'static str, &'static str, &'static str);

const COLORS: [Color; 17] = [
    ("paper", "#ffffff", "#14181d"),
    ("card", "#ffffff", "#1b2027"),
    ("sunken", "#f3f5f7", "#10141a"),
    ("ink", "#16202a", "#e8edf2"),
    ("muted", "#566370", "#a3b0bd"),
    ("grid", "#dfe4e9", "#2f3842"),
    ("link", "#0b62a4", "#7cc0f5"),
    ("good", "#0a6e4c", "#4cd3a0"),
    ("bad", "#b3261e", "#ff8a7a"),
    ("s0", "#0072b2", "#56b4e9"),
    ("s1", "#d55e00", "#ff8a3d"),
    ("s2", "#00855f", "#2fcb99"),
    ("s3", "#a84f86", "#e39ac4"),
    ("s4", "#a87400", "#f0c93a"),
    ("s5", "#5b6570", "#b9c2cb"),
    ("s6", "#3c3ca8", "#a9a6ff"),
    ("s7", "#7a4a1d", "#d9a877"),
];

/// The rules of figures, with `{name}` for a color. Text in a filled bar has the color of the ground.
const RULES: &str = "\
.t{font-size:12px;fill:{ink}}\
.small{font-size:10.5px}\
.q{font-size:11px;fill:{muted}}\
.b{font-weight:600}\
.e{text-anchor:end}\
.c{text-anchor:middle}\
.in{font-size:11px;font-weight:600;fill:{paper};text-anchor:middle}\
.title{font-size:15px;font-weight:600;fill:{ink}}\
.grid{stroke:{grid};stroke-width:1}\
.axis{stroke:{muted};stroke-width:1}\
.zone{fill:{muted};fill-opacity:.13}\
.rule{stroke:{muted};stroke-width:1.5;stroke-dasharray:5 4;fill:none}\
.line{fill:none;stroke-width:2;stroke-linejoin:round}\
.dash{stroke-dasharray:2 4}\
.band{fill-opacity:.22}\
.tie{fill-opacity:0}\
.hit{fill:{ink};fill-opacity:0}\
.bad{fill:{bad}}\
.sep{stroke:{card};stroke-width:1}";

/// The declarations of a theme's colors as custom properties: `--ink:#16202a;`.
pub(crate) fn properties(theme: Theme) -> String {
    COLORS.iter().map(|color| format!("--{}:{};", color.0, value(color, theme))).collect()
}

/// The rules with custom properties, for a page.
pub(crate) fn rules_with_properties() -> String {
    rules(|color| format!("var(--{})", color.0))
}

/// The rules with the values of a theme, for a file that programs without custom properties read.
pub(crate) fn rules_with_values(theme: Theme) -> String {
    rules(|color| value(color, theme).to_owned())
}

/// The value of a color.
pub(crate) fn color(name: &str, theme: Theme) -> &'static str {
    COLORS.iter().find(|color| color.0 == name).map_or("#808080", |color| value(color, theme))
}

const fn value(color: &Color, theme: Theme) -> &'static str {
    match theme {
        Theme::Light => color.1,
        Theme::Dark => color.2,
    }
}

fn rules(of: impl Fn(&Color) -> String) -> String {
    let mut rules =
        COLORS.iter().fold(RULES.to_owned(), |rules, color| rules.replace(&format!("{{{}}}", color.0), &of(color)));
    for index in 0..SERIES {
        let name = format!("s{index}");
        let color = COLORS.iter().find(|color| color.0 == name).map(&of).unwrap_or_default();
        rules += &format!(".f{index}{{fill:{color}}}.l{index}{{stroke:{color}}}");
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.2).
    fn luminance(color: &str) -> f64 {
        let channel = |range: std::ops::Range<usize>| {
            let value = f64::from(u8::from_str_radix(&color[range], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1..3) + 0.7152 * channel(3..5) + 0.0722 * channel(5..7)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn marks_and_text_stand_out_in_both_themes() {
        for theme in [Theme::Light, Theme::Dark] {
            for ground in ["paper", "card", "sunken"] {
                for (name, least) in [("ink", 7.0), ("muted", 4.5), ("link", 4.5), ("good", 4.5), ("bad", 4.5)] {
                    let found = contrast(color(name, theme), color(ground, theme));
                    assert!(found >= least, "{theme:?} {name} on {ground}: {found:.2}");
                }
                for index in 0..SERIES {
                    let found = contrast(color(&format!("s{index}"), theme), color(ground, theme));
                    assert!(found >= 3.0, "{theme:?} s{index} on {ground}: {found:.2}");
                }
            }
        }
    }

    #[test]
    fn rules_have_a_value_for_every_color() {
        for rules in [rules_with_properties(), rules_with_values(Theme::Light), rules_with_values(Theme::Dark)] {
            assert!(rules.contains(".f7{fill:") && !rules.contains("{ink}") && !rules.contains("fill:}"), "{rules}");
        }
        assert!(!rules_with_values(Theme::Dark).contains("var("));
    }
}
