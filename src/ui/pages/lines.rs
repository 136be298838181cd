//! What came by the lines of the network's drawing, as the miners at their ends say.

use maud::{Markup, html};

use super::network::{SAID_SHOWN, happening};
use crate::ui::drawing;
use crate::ui::source::At;
use crate::ui::survey::{self, Node};
use crate::ui::words::{ADDRESS_CHARACTERS, Moment, short_address};

/// A list of the lines by which something came; a line of the drawing leads to its place here.
pub fn list(at: &At, nodes: &[Node]) -> Markup {
    let lines = survey::lines(nodes).into_iter().map(|ends| (ends, survey::came_by(nodes, ends)));
    let lines: Vec<_> = lines.filter(|(_, said)| !said.is_empty()).collect();
    let brief = |node: &Node| short_address(&node.address, ADDRESS_CHARACTERS);
    html! {
        @if !lines.is_empty() {
            section id="lines" {
                h2 { "Lines" }
                ul.lines { @for ((one, other), said) in &lines {
                    li id=(drawing::line_id(nodes, (*one, *other))) {
                        span { (brief(&nodes[*one])) " – " (brief(&nodes[*other])) }
                        details { summary { "what came by it" } ul.said {
                            @for (node, event) in said.iter().take(SAID_SHOWN) {
                                li { (Moment(event.at).age(at.now)) ", " (brief(node)) " says: " (happening(at, &event.what, true)) }
                            }
                        } }
                    }
                } }
            }
        }
    }
}
