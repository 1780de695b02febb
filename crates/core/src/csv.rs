//! Cells of CSV (RFC 4180), wherever CSV is written.

use serde_json::Value;

/// A text that a spreadsheet would take for a formula is one no more.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

/// Writes a cell, quoted where it must be.
pub fn cell(value: &Value, line: &mut String) {
    let text = if value.is_number() { plain(value) } else { harmless(plain(value)) };
    let quoted = text.contains([',', '"', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ');
    if quoted {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(&text);
    }
}
