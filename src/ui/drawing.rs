//! The network as an SVG drawing: colour and shape tell the state, lines the neighbours.

use std::f64::consts::TAU;

use maud::{Markup, html};

use super::plot::round;
use super::source::At;
use super::survey::{self, Node, Standing};
use super::words::{ADDRESS_CHARACTERS, count, duration, short_address, short_hash};
use crate::api::Happening;

/// How far from the middle neighbours and those only heard of stand, to the side and up or
/// down, in the drawing's own units, as long as there are few.
const RINGS: [(f64, f64); 2] = [(188.0, 122.0), (305.0, 220.0)];

/// Neighbours that have room on the inner ring.
const RING_NODES: f64 = 7.0;

/// Between two who were heard of from the same miner, in radians.
const GUEST_ANGLE: f64 = 0.4;

/// Room for a figure and its name on every side.
const MARGIN: (f64, f64) = (88.0, 92.0);

/// A drawing narrower than this would be blown up.
const WIDTH_MIN: f64 = 500.0;

/// For how long the line is lit that a block came by, in microseconds.
pub const LIT_TIME: u64 = 10_000_000;

/// Longest name beside a figure, in characters.
const NAME_CHARACTERS: usize = 18;

/// Digits of a head beside a figure.
const HEAD_DIGITS: usize = 6;

pub fn draw(at: &At, nodes: &[Node]) -> Markup {
    let places = places(nodes);
    let is_mutual = |from: usize, to: usize| {
        nodes[to].knows.contains(&nodes[from].address)
            && nodes[from].knows.contains(&nodes[to].address)
    };
    html! {
        svg.map.crowded[is_crowded(nodes)] viewBox=(view_box(&places))
            role="group" aria-label="Miners and their neighbours; the table below says the same" {
            @for (from, to) in survey::lines(nodes) {
                @let lost = [from, to].iter().any(|end| nodes[*end].standing == Standing::Unreachable);
                @let edge = |class: &str| html! {
                    line class=(class) x1=(round(places[from].0)) y1=(round(places[from].1))
                        x2=(round(places[to].0)) y2=(round(places[to].1)) {}
                };
                @let drawn = edge(match (lost, is_mutual(from, to)) {
                    (true, _) => "edge lost-edge",
                    (_, true) => "edge",
                    (_, false) => "edge one-way",
                });
                @let line = line_id(nodes, (from, to));
                @let names = [from, to].map(|end| short_address(&nodes[end].address, NAME_CHARACTERS));
                g id=(format!("e-{line}")) { @if survey::came_by(nodes, (from, to)).is_empty() { (drawn) } @else {
                    a href=(format!("#{line}"))
                        aria-label=(format!("The line between {} and {}", names[0], names[1])) {
                        (edge("reach")) (drawn) }
                } }
            }
            @for spark in sparks(at, nodes) { @let (from, to) = (places[spark.from], places[spark.to]);
                line.spark id=(spark.id) pathLength="100" x1=(round(from.0)) y1=(round(from.1)) x2=(round(to.0)) y2=(round(to.1)) {
                    title { (spark.words) }
                }
            }
            @for (node, (x, y)) in nodes.iter().zip(&places) {
                g.outer[node.ring == 2] id=(format!("g-{}", node.address)) transform=(format!("translate({} {})", round(*x), round(*y))) {
                    @let figure = figure(at, node, *y < -20.0);
                    @if node.said.is_empty() { (figure) } @else { a href=(format!("#n-{}", node.address)) { (figure) } }
                }
            }
        }
    }
}

/// The id of what is told of a line.
pub fn line_id(nodes: &[Node], (one, other): (usize, usize)) -> String {
    format!("l-{}-{}", nodes[one].address, nodes[other].address)
}

/// A block that lately came from one miner to another.
struct Spark {
    from: usize,
    to: usize,
    id: String,
    words: String,
}

/// The lines that blocks came by, as the miners that got them say.
fn sparks(at: &At, nodes: &[Node]) -> Vec<Spark> {
    let mut sparks = Vec::new();
    for (to, node) in nodes.iter().enumerate() {
        for event in &node.said {
            let Happening::Block { index, hash, from: Some(from), .. } = &event.what else {
                continue;
            };
            let is_late = at.now.saturating_sub(event.at) > LIT_TIME;
            let from = nodes.iter().position(|other| other.address == *from);
            let Some(from) = from.filter(|from| *from != to && !is_late) else { continue };
            let names = [from, to].map(|end| short_address(&nodes[end].address, NAME_CHARACTERS));
            sparks.push(Spark {
                from,
                to,
                id: format!("s-{}-{}", &hash.to_string()[..HEAD_DIGITS], node.address),
                words: format!("block {index} from {} to {}", names[0], names[1]),
            });
        }
    }
    sparks
}

/// True if a drawing of `nodes` needs a wide place.
pub fn is_crowded(nodes: &[Node]) -> bool {
    nodes.len() > RING_NODES as usize || nodes.iter().any(|node| node.ring == 2)
}

/// The part of the plane that the figures at `places` need.
fn view_box(places: &[(f64, f64)]) -> String {
    let reach = |of: fn(&(f64, f64)) -> f64, margin: f64, least: f64| {
        let low = places.iter().map(of).fold(0.0, f64::min) - margin;
        let length = places.iter().map(of).fold(0.0, f64::max) + margin - low;
        let missing = (least - length).max(0.0);
        (round(low - missing / 2.0), round(length + missing))
    };
    let (x, width) = reach(|place| place.0, MARGIN.0, WIDTH_MIN);
    let (y, height) = reach(|place| place.1, MARGIN.1, 0.0);
    format!("{x} {y} {width} {height}")
}

/// A node with its name, which stands away from the middle.
fn figure(at: &At, node: &Node, is_above: bool) -> Markup {
    let size = if node.ring == 0 { 26.0 } else { 18.0 };
    let label = match (node.length, node.last_answer) {
        _ if node.standing == Standing::Unreachable => match node.last_answer {
            Some(time) => format!("for {}", duration(at.now.saturating_sub(time))),
            None => "never seen".into(),
        },
        (Some(length), _) => {
            let head = node.head.map(|head| format!(" · {}", &head.to_string()[..HEAD_DIGITS]));
            format!("{}{}", count(length.saturating_sub(1)), head.unwrap_or_default())
        }
        (None, _) => String::new(),
    };
    let first_line = match (is_above, label.is_empty()) {
        (true, false) => "-1.25em",
        (true, true) => "0",
        (false, _) => "1em",
    };
    html! {
        title {
            (short_address(&node.address, ADDRESS_CHARACTERS)) ": " (node.standing.words())
            @if let Some(head) = &node.head { ", head " (short_hash(head)) }
            @if let Some(by) = &node.told_by { ", says " (short_address(by, ADDRESS_CHARACTERS)) }
        }
        @if node.ring == 0 { circle.halo r=(size + 6.0) {} }
        (shape(node.standing, size))
        text y=(if is_above { -size - 12.0 } else { size + 10.0 }) {
            tspan.address x="0" dy=(first_line) { (name(at, node)) }
            tspan.state x="0" dy="1.25em" { (label) }
        }
    }
}

fn name(at: &At, node: &Node) -> String {
    if node.ring > 0 && node.address.host() == at.address.host() {
        return format!(":{}", node.address.port());
    }
    short_address(&node.address, NAME_CHARACTERS)
}

/// The figure of a state: a shape of its own each, so that colour is not needed.
pub fn shape(standing: Standing, size: f64) -> Markup {
    let class = standing.class();
    let points = |corners: &[(f64, f64)]| {
        let corners =
            corners.iter().map(|(x, y)| format!("{},{}", round(x * size), round(y * size)));
        corners.collect::<Vec<_>>().join(" ")
    };
    html! {
        @match standing {
            Standing::Same => circle.node.(class) r=(size) {},
            Standing::Behind => polygon.node.(class) points=(points(&[(-1.05, -0.9), (1.05, -0.9), (0.0, 1.05)])) {},
            Standing::Ahead => polygon.node.(class) points=(points(&[(-1.05, 0.9), (1.05, 0.9), (0.0, -1.05)])) {},
            Standing::Branch => polygon.node.(class) points=(points(&[(0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)])) {},
            Standing::Unreachable => {
                rect.node.(class) x=(-size * 0.9) y=(-size * 0.9) width=(size * 1.8) height=(size * 1.8) rx="3" {}
                path.strike d=(format!("M{0} {0}L{1} {1}M{0} {1}L{1} {0}", -size * 0.45, size * 0.45)) {}
            },
            Standing::Unknown => circle.node.(class) r=(size * 0.8) {},
        }
    }
}

/// Where each node stands: neighbours on an ellipse, those only heard of outside of one
/// who knows them.
fn places(nodes: &[Node]) -> Vec<(f64, f64)> {
    let neighbours = nodes.iter().filter(|node| node.ring == 1).count();
    let spread = (neighbours as f64 / RING_NODES).max(1.0);
    let mut angles: Vec<f64> = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let knows = |other: &Node| other.ring == 1 && other.knows.contains(&node.address);
        angles.push(match nodes[..number].iter().position(knows) {
            Some(host) if node.ring == 2 => {
                let guests = angles.iter().filter(|angle| (*angle - angles[host]).abs() < 0.5);
                let place = guests.count() as f64;
                angles[host]
                    + GUEST_ANGLE
                        * if place % 2.0 == 0.0 { place / 2.0 } else { -(place + 1.0) / 2.0 }
            }
            _ => angle(number.saturating_sub(1), neighbours),
        });
    }
    let place = |(node, angle): (&Node, f64)| {
        let ring = usize::from(node.ring).checked_sub(1).map_or((0.0, 0.0), |ring| RINGS[ring]);
        (angle.cos() * ring.0 * spread, angle.sin() * ring.1 * spread)
    };
    nodes.iter().zip(angles).map(place).collect()
}

/// The direction of a neighbour, of so many. Nobody stands straight below the middle, where
/// its name is, and no two face each other, so that a line between them misses the middle.
fn angle(number: usize, neighbours: usize) -> f64 {
    let number = number as f64;
    match neighbours {
        0 | 1 => 0.0,
        odd if odd % 2 == 1 => TAU * (number / odd as f64 - 0.25),
        even => TAU * ((number + 1.0) / (even as f64 + 1.0) + 0.25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_between_neighbours_runs_through_the_miner_in_the_middle() {
        for neighbours in 2..=16 {
            let angles: Vec<_> = (0..neighbours).map(|at| angle(at, neighbours)).collect();
            for (at, one) in angles.iter().enumerate() {
                assert!(one.sin() < 0.999, "{one} is where the name stands, of {neighbours}");
                for other in &angles[at + 1..] {
                    let apart = (one - other).cos();
                    assert!(apart < 0.999, "two in one place, of {neighbours}");
                    assert!(apart > -0.999, "two face each other, of {neighbours}");
                }
            }
        }
    }
}
