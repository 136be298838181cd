//! What confirmations are worth: the chance of an attacker, by Nakamoto's formula.

use maud::{Markup, html};

use crate::api::StatusReport;
use crate::ui::words::{Shown, plural};

/// Share of the hash power of the attacker that is spoken of first, in percent.
const SHARE_PERCENT: u32 = 30;

/// From so many blocks on, the chance is below one in a million, even with 49 %.
const BLOCKS_MAX: u64 = 20_000;

/// Setting by which a miner refuses deep reorganisations.
const FINALITY: &str = "finality-depth";

/// The chance that a block with so many confirmations is rewritten. The script computes it
/// for the share that the reader chooses.
pub fn chance(confirmations: u64, status: Option<&StatusReport>) -> Markup {
    let finality = status.and_then(|status| {
        let mut settings = status.settings.iter();
        settings.find(|setting| setting.name == FINALITY && setting.value.parse::<u64>().is_ok())
    });
    html! {
        div.chance data-blocks=(confirmations) {
            p {
                "An attacker with " span.share { (SHARE_PERCENT) " %" } " of all hash power rewrites "
                @if confirmations == 1 { "this block" } @else { "these " (plural(confirmations, "block")) }
                " with a chance of " output.strong { (in_words(chance_of(f64::from(SHARE_PERCENT) / 100.0, confirmations))) } "."
            }
            label.field hidden { span { "Attacker's share" }
                input type="range" name="share" min="1" max="50" value=(SHARE_PERCENT); }
            p.hint { "Nakamoto's formula assumes that all others go on mining. Here, blocks come only when \
                somebody adds a message: on an idle network, an attacker with any share has unlimited time." }
            @if let Some(finality) = finality {
                p.hint { "This miner refuses to drop a block that is more than "
                    (Shown(&finality.value, 20)) " deep (" code { "--finality-depth" }
                    "), until its owner accepts the other branch by hand." }
            }
        }
    }
}

/// The chance that an attacker with this share ever catches up with a chain that is so many
/// blocks ahead: chapter 11 of Nakamoto's paper.
fn chance_of(share: f64, blocks: u64) -> f64 {
    let odds = share / (1.0 - share);
    if odds >= 1.0 || blocks == 0 {
        return 1.0;
    }
    if blocks > BLOCKS_MAX {
        return 0.0;
    }
    let mean = blocks as f64 * odds;
    // Of its logarithm, since it may be too small for a number.
    let mut poisson = -mean;
    let mut fails = 0.0;
    for mined in 0..=blocks {
        if mined > 0 {
            poisson += (mean / mined as f64).ln();
        }
        fails += poisson.exp() * (1.0 - odds.powf((blocks - mined) as f64));
    }
    (1.0 - fails).clamp(0.0, 1.0)
}

fn in_words(chance: f64) -> String {
    let percent = chance * 100.0;
    let digits = match percent {
        p if p >= 99.95 => return "100 %".into(),
        p if p < 1e-4 => return "less than one in a million".into(),
        p if p >= 10.0 => 0,
        p if p >= 1.0 => 1,
        p if p >= 0.1 => 2,
        p if p >= 0.01 => 3,
        _ => 4,
    };
    format!("{percent:.digits$} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table at the end of chapter 11.
    #[test]
    fn chances_are_those_of_nakamotos_paper() {
        for (share, blocks, expected) in [
            (0.1, 0, 1.0),
            (0.1, 1, 0.2045873),
            (0.1, 5, 0.0009137),
            (0.1, 10, 0.0000012),
            (0.3, 5, 0.1773523),
            (0.3, 50, 0.0000006),
            (0.49, 600, 0.4765214),
        ] {
            let chance = chance_of(share, blocks);
            assert!((chance - expected).abs() < 5e-8, "{share} {blocks}: {chance}");
        }
        assert_eq!(chance_of(0.5, 100), 1.0);
        assert_eq!(in_words(0.1773523), "18 %");
        assert_eq!(in_words(0.0009137), "0.091 %");
        assert_eq!(in_words(chance_of(0.1, u64::MAX)), "less than one in a million");
    }
}
