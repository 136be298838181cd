//! Tables and fields for people, of answers whose shape this program need not know.

use serde_json::Value;

use super::error::Result;
use super::output::{Look, Output, padded, rate, width};
use crate::escape::Escaped;

/// A value of JSON as text, without quotes.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) if text.is_empty() => "-".into(),
        Value::String(text) => text.clone(),
        Value::Array(all) if all.is_empty() => "none".into(),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Prints the fields of an object, each by its name in words.
pub fn fields(answer: &Value, output: &mut Output<'_>) -> Result {
    for (name, value) in answer.as_object().into_iter().flatten() {
        let value = match value.as_f64().filter(|_| value.is_f64()) {
            Some(number) => rate(number),
            None => shown(value),
        };
        output.field(&format!("{} ", name.replace('_', " ")), &value)?;
    }
    Ok(())
}

/// Prints rows below a heading, each column as wide as its widest value; the last is cut
/// where the terminal ends.
pub fn table(heading: &[&str], rows: Vec<Vec<String>>, output: &mut Output<'_>) -> Result {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.iter().map(|cell| Escaped(cell).to_string()).collect())
        .collect();
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| width(&row[column]));
        cells.max().unwrap_or(0).max(heading[column].len())
    };
    let last = heading.len() - 1;
    let widths: Vec<usize> = (0..last).map(widest).collect();
    let used = widths.iter().sum::<usize>() + 2 * last;
    let begin = |row: &[String]| -> String {
        row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width) + "  ").collect()
    };
    let names: Vec<String> = heading.iter().map(|name| (*name).to_owned()).collect();
    output.line(output.look(Look::Bold, begin(&names) + heading[last]))?;
    for row in &rows {
        let line = begin(row) + &output.cut_escaped(&row[last], used);
        output.line(line.trim_end())?;
    }
    Ok(())
}
