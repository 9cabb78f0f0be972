//! The window as a bar: `├●━━━━━━◆─────┤` from notBefore to notAfter, with now, and the instant
//! that the window must reach.

use time::OffsetDateTime;

use super::screen::{Screen, Tone};
use super::table;
use crate::outcome::WindowSummary;
use crate::report::words;

/// A bar wider than this says no more.
const WIDEST: usize = 64;

/// A point of the axis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    pub sign: char,
    pub name: &'static str,
    pub at: OffsetDateTime,
}

/// The points in the order of time. The floor is left out once the window is past: there is
/// nothing left to measure.
pub fn marks(window: &WindowSummary, now: OffsetDateTime) -> Vec<Mark> {
    let mark = |sign, name, at| Mark { sign, name, at };
    let mut marks = vec![
        mark('├', "not before", window.not_before),
        mark('●', "now", now),
    ];
    if let Some(floor) = window.floor.as_ref().filter(|_| now <= window.not_after) {
        marks.push(mark(
            '◆',
            "floor",
            now.saturating_add(floor.required.duration()),
        ));
    }
    marks.push(mark('┤', "not after", window.not_after));
    marks.sort_by_key(|mark| mark.at);
    marks
}

/// What a stretch between two marks is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stretch {
    /// Inside the window, and needed by the floor.
    Needed,
    /// Inside the window: gone by, or to spare.
    Inside,
    /// Outside the window.
    Outside,
}

/// The bar, `columns` wide, in colour where the screen has it.
pub fn draw(
    window: &WindowSummary,
    now: OffsetDateTime,
    columns: usize,
    screen: &Screen,
) -> String {
    let marks = marks(window, now);
    let places = places(&marks, columns.clamp(marks.len() + 4, WIDEST));
    let enough = window.floor.as_ref().is_none_or(|floor| floor.holds);
    let mut bar = String::new();
    for (index, (mark, place)) in marks.iter().zip(&places).enumerate() {
        bar.push_str(&sign(mark, enough, screen));
        let (Some(next), Some(next_place)) = (marks.get(index + 1), places.get(index + 1)) else {
            break;
        };
        let (glyph, tone) = match stretch(window, now, mark, next) {
            Stretch::Needed if enough => ("━", Tone::Good),
            Stretch::Needed => ("━", Tone::Bad),
            Stretch::Inside => ("─", Tone::Plain),
            Stretch::Outside => ("┄", Tone::Dim),
        };
        bar.push_str(&screen.paint(&glyph.repeat(next_place - place - 1), tone));
    }
    bar
}

fn sign(mark: &Mark, enough: bool, screen: &Screen) -> String {
    let tone = match mark.sign {
        '◆' if enough => Tone::Good,
        '◆' => Tone::Bad,
        _ => Tone::Plain,
    };
    screen.paint(&mark.sign.to_string(), tone)
}

fn stretch(window: &WindowSummary, now: OffsetDateTime, from: &Mark, to: &Mark) -> Stretch {
    let floor = window
        .floor
        .as_ref()
        .map_or(now, |floor| now.saturating_add(floor.required.duration()));
    if to.at <= window.not_before || from.at >= window.not_after {
        Stretch::Outside
    } else if from.at >= now && to.at <= floor {
        Stretch::Needed
    } else {
        Stretch::Inside
    }
}

/// The column of each mark: to scale, but never two in one place.
fn places(marks: &[Mark], columns: usize) -> Vec<usize> {
    let (Some(first), Some(last)) = (marks.first(), marks.last()) else {
        return Vec::new();
    };
    let whole = i128::from((last.at - first.at).whole_seconds().max(1));
    let most = columns - 1;
    let mut places: Vec<usize> = marks
        .iter()
        .map(|mark| {
            let part = i128::from((mark.at - first.at).whole_seconds());
            usize::try_from((part * most as i128 + whole / 2) / whole).unwrap_or(0)
        })
        .collect();
    for index in 1..places.len() {
        places[index] = places[index].max(places[index - 1] + 1);
    }
    if let Some(end) = places.last_mut() {
        *end = most;
    }
    for index in (1..places.len()).rev() {
        places[index - 1] = places[index - 1].min(places[index] - 1);
    }
    places
}

/// One line for each mark: sign, name, date, distance.
pub fn legend(window: &WindowSummary, now: OffsetDateTime) -> Vec<String> {
    let rows: Vec<Vec<String>> = marks(window, now)
        .iter()
        .map(|mark| {
            vec![
                mark.sign.to_string(),
                mark.name.to_owned(),
                words::date(mark.at),
                if mark.name == "now" {
                    String::new()
                } else {
                    words::distance(now, mark.at)
                },
            ]
        })
        .collect();
    table::lines(&rows)
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;
    use crate::outcome::FloorSummary;
    use crate::report::Style;
    use crate::span::Span;

    const NOW: OffsetDateTime = datetime!(2026-11-23 23:00 UTC);

    fn bar(from: i64, to: i64, floor: Option<i64>) -> String {
        let window = WindowSummary {
            not_before: NOW + Duration::days(from),
            not_after: NOW + Duration::days(to),
            remaining_seconds: to * 86_400,
            limited_by: "leaf".to_owned(),
            limited_by_depth: 0,
            floor: floor.map(|days| FloorSummary {
                required: Span::seconds(days * 86_400),
                stated: format!("{days}d"),
                origin: "--min-validity".to_owned(),
                holds: to >= days,
            }),
            rebuild_by: None,
        };
        draw(&window, NOW, 21, &Screen::new(Style::PLAIN))
    }

    #[test]
    fn each_part_of_a_window_has_its_own_sign_without_any_colour() {
        for (window, drawn) in [
            // Half gone, then needed, then to spare.
            ((-10, 10, Some(5)), "├─────────●━━━━◆────┤"),
            // The floor lies past the end: the gap is what is missing.
            ((0, 10, Some(20)), "├●━━━━━━━━┤┄┄┄┄┄┄┄┄┄◆"),
            // Past.
            ((-20, -10, Some(5)), "├─────────┤┄┄┄┄┄┄┄┄┄●"),
            // From the future.
            ((10, 20, None), "●┄┄┄┄┄┄┄┄┄├─────────┤"),
            // No floor; begins now.
            ((0, 20, None), "├●──────────────────┤"),
        ] {
            let (from, to, floor) = window;
            assert_eq!(bar(from, to, floor), drawn, "{window:?}");
        }
    }

    #[test]
    fn a_floor_past_the_end_of_time_stands_at_the_end() {
        assert_eq!(bar(0, 10, Some(4_000_000)), "├●┤┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄◆");
    }

    #[test]
    fn marks_that_coincide_stand_side_by_side() {
        assert_eq!(bar(0, 0, Some(0)), "├●◆┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┤");
        assert_eq!(bar(0, 10, Some(10)).chars().count(), 21);
    }
}
