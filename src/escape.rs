//! FLOOR 0: strangers' text, made harmless for a terminal, a log line or a table.

use std::fmt::{self, Write as _};

/// Shows text with every character escaped that could colour a terminal, begin a line,
/// imitate a field or turn the direction of reading; all others as they are.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match is_harmless(character) {
                true => f.write_char(character)?,
                false => write!(f, "{}", character.escape_default())?,
            }
        }
        Ok(())
    }
}

/// Longest text of a stranger that is kept, logged or passed on, in characters.
pub const WORDS_MAX: usize = 300;

/// A stranger's words about itself or about an error: escaped, and cut after [`WORDS_MAX`]
/// characters.
///
/// ```
/// use blockchain::escape::words;
///
/// assert_eq!(words("line 1\nline 2\u{1b}[31m"), r"line 1\nline 2\u{1b}[31m");
/// ```
pub fn words(text: &str) -> String {
    // No character is escaped to nothing, so those behind are never looked at.
    let start = text.char_indices().nth(WORDS_MAX).map_or(text, |(end, _)| &text[..end]);
    let escaped = Escaped(start).to_string();
    let is_whole = start.len() == text.len() && escaped.chars().nth(WORDS_MAX).is_none();
    if is_whole {
        return escaped;
    }
    escaped.chars().take(WORDS_MAX - 1).chain(['…']).collect()
}

/// Shows JSON, as it stands, with the same characters as JSON escapes: another spelling of
/// the same document. Only for people; a hash is taken of the canonical spelling.
#[derive(Clone, Copy, Debug)]
pub struct EscapedJson<'a>(pub &'a str);

impl fmt::Display for EscapedJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_harmless(character) {
                f.write_char(character)?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(f, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// Not a control character (C0, DEL, C1), nor a separator of lines, nor one that turns or
/// hides text. Joiners stay, since scripts and emoji are written with them.
pub fn is_harmless(character: char) -> bool {
    !(character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_colours_turns_or_hides_is_escaped() {
        for (text, expected) in [
            ("a\nb\tc\rd", r"a\nb\tc\rd"),
            ("\u{1b}[31mred\u{7}", r"\u{1b}[31mred\u{7}"),
            ("\u{0}\u{7f}\u{9b}31m", r"\u{0}\u{7f}\u{9b}31m"),
            ("abc\u{202e}fed\u{2066}", r"abc\u{202e}fed\u{2066}"),
            ("a\u{2028}b\u{200b}\u{e0041}", r"a\u{2028}b\u{200b}\u{e0041}"),
        ] {
            assert_eq!(Escaped(text).to_string(), expected);
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in ["", "plain", r#"C:\path "quoted""#, "äöü 日本語", "👩‍👩‍👧", "नमस्ते"]
        {
            assert_eq!(Escaped(text).to_string(), text);
        }
    }

    #[test]
    fn words_are_escaped_and_cut() {
        let long = "ä".repeat(WORDS_MAX);
        assert_eq!(words(&long), long);
        let cut = format!("{}…", "ä".repeat(WORDS_MAX - 1));
        assert_eq!(words(&format!("{long}b")), cut);
        assert_eq!(words(&"\u{1b}".repeat(WORDS_MAX)).chars().count(), WORDS_MAX);
        assert_eq!(words("a\nb\u{1b}[31m"), r"a\nb\u{1b}[31m");
        assert_eq!(words(&words(&"\u{1b}".repeat(1000))), words(&"\u{1b}".repeat(1000)));
    }

    #[test]
    fn escaped_json_is_the_same_document() {
        let text = "a\u{9b}b\u{202e}c\u{e0041}d\u{7f}\n";
        let json = serde_json::to_string(text).unwrap();
        let shown = EscapedJson(&json).to_string();
        assert_eq!(shown, r#""a\u009bb\u202ec\udb40\udc41d\u007f\n""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
