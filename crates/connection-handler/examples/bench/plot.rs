//! The cost of a message over the number of connections, drawn.

use std::fmt::Write;

/// What a message costs with so many connections.
pub(crate) struct Point {
    pub(crate) connections: usize,
    pub(crate) ours: f64,
    pub(crate) baseline: f64,
}

/// Bars, for a terminal.
pub(crate) fn text(points: &[Point]) -> String {
    let mut plot = format!("\n{TITLE}\n");
    let most = highest(points);
    for Point { connections, ours, baseline } in points {
        for (label, name, cost) in
            [(connections.to_string(), "ours", ours), (String::new(), "plain", baseline)]
        {
            let bar = "█".repeat((cost / most * 50.0).round() as usize);
            let _ = writeln!(plot, "{label:>8} {name:>6} {bar} {cost:.0}");
        }
    }
    plot
}

/// Lines, for a browser. Connections are on a logarithmic scale.
pub(crate) fn svg(points: &[Point]) -> String {
    let most = highest(points) * 1.1;
    let widest = points.iter().map(|point| point.connections).max().unwrap_or(1).max(2) as f64;
    let x = |connections: usize| LEFT + (connections as f64).ln() / widest.ln() * WIDTH;
    let y = |cost: f64| TOP + (1.0 - cost / most) * HEIGHT;
    let mut svg = String::from(HEAD);
    let _ = writeln!(svg, r#"<text x="{LEFT}" y="24" font-size="16">{TITLE}</text>"#);
    for step in 0..=4 {
        let (cost, right) = (most * f64::from(step) / 4.0, LEFT + WIDTH);
        let (at, label) = (y(cost), LEFT - 8.0);
        let _ = writeln!(svg, r##"<path d="M{LEFT} {at:.1}H{right}" stroke="#ddd"/>"##);
        let _ =
            writeln!(svg, r#"<text x="{label}" y="{at:.1}" text-anchor="end">{cost:.0}</text>"#);
    }
    for &Point { connections, .. } in points {
        let (at, below) = (x(connections), TOP + HEIGHT + 20.0);
        let label = format!(r#"y="{below}" text-anchor="middle">{connections}"#);
        let _ = writeln!(svg, r#"<text x="{at:.1}" {label}</text>"#);
    }
    let line = |cost: fn(&Point) -> f64| -> String {
        points.iter().map(|p| format!("{:.1},{:.1} ", x(p.connections), y(cost(p)))).collect()
    };
    for (line, name, colour, at) in [
        (line(|point| point.baseline), "plain loop", "#999", TOP + HEIGHT - 16.0),
        (line(|point| point.ours), "through the central actor", "#06c", TOP + HEIGHT - 36.0),
    ] {
        let _ = writeln!(
            svg,
            r#"<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>"#
        );
        let _ =
            writeln!(svg, r#"<text x="{}" y="{at}" fill="{colour}">{name}</text>"#, LEFT + 12.0);
    }
    svg + "</svg>\n"
}

fn highest(points: &[Point]) -> f64 {
    points.iter().flat_map(|point| [point.ours, point.baseline]).fold(1.0, f64::max)
}

const TITLE: &str = "server CPU per message in ns, by connections (256 deep, 64 bytes)";
const HEAD: &str = concat!(
    r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 400" "#,
    r#"font-family="sans-serif" font-size="12">"#,
    "\n<rect width=\"680\" height=\"400\" fill=\"#fff\"/>\n"
);
const LEFT: f64 = 60.0;
const TOP: f64 = 44.0;
const WIDTH: f64 = 590.0;
const HEIGHT: f64 = 316.0;
