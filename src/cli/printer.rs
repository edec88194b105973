//! Everything that leaves on stdout, and plain talk on stderr.

use super::exit::{Code, Failure, OrFail};
use crate::dash;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// Prints one JSON result: `{"schema_version":1,"command":..,"data":..}`.
///
/// # Errors
/// When stdout cannot be written.
pub fn json(command: &str, data: &impl Serialize) -> Result<(), Failure> {
    line(&envelope(command, data).to_string())
}

/// Writes the object of [`json`] into a file, for people to read too.
///
/// # Errors
/// When the file cannot be written.
pub fn json_file(path: &Path, command: &str, data: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&envelope(command, data))?;
    std::fs::write(path, text + "\n")
        .or_fail(Code::Runtime)
        .map_err(|f| f.context(format!("cannot write {}", path.display())))
}

fn envelope(command: &str, data: &impl Serialize) -> serde_json::Value {
    serde_json::json!({"schema_version": 1, "command": command, "data": data})
}

/// Prints one line of data to stdout. A reader that went away (`| head`) is not an error.
///
/// # Errors
/// When stdout cannot be written.
pub fn line(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// Prints the fields of a result, one per line: what is nested stands on one, nothing is a dash.
///
/// # Errors
/// When stdout cannot be written.
pub fn fields(data: &impl Serialize) -> Result<(), Failure> {
    line(&listed(&serde_json::to_value(data)?))
}

fn listed(data: &serde_json::Value) -> String {
    let object = data.as_object().into_iter().flatten();
    let rows: Vec<(&String, String)> = object
        .map(|(name, value)| match value.as_f64().filter(|_| value.is_f64()) {
            Some(x) => (name, plain(x)),
            None => (name, cell(value)),
        })
        .collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines = rows.iter().map(|(name, value)| format!("{name:<width$}  {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A number with as many places as it has, six at most.
fn plain(x: f64) -> String {
    let text = format!("{x:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Says something to the person, on stderr, or to the dashboard that has the terminal.
pub fn say(text: &str) {
    if dash::hear(text, super::now().unwrap_or_default()) {
        return;
    }
    // Talk that cannot be heard is no reason to stop the work.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A JSON value in a table: text without its quotes, nothing as a dash.
pub fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "-".to_owned(),
        value => value.to_string(),
    }
}

/// A text table: first column left, the others right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let cell = |row: &[String], i: usize| row.get(i).map_or(0, |c| c.chars().count());
    let width: Vec<usize> = (0..head.len())
        .map(|i| rows.iter().map(|r| cell(r, i)).max().unwrap_or(0).max(head[i].chars().count()))
        .collect();
    let mut text = String::new();
    let head: Vec<String> = head.iter().map(|h| (*h).to_owned()).collect();
    for row in std::iter::once(&head).chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&width)
            .enumerate()
            .map(|(i, (c, w))| if i == 0 { format!("{c:<w$}") } else { format!("{c:>w$}") })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text.pop();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit was printed in quotes, and what there was none of as `null`.
    #[test]
    fn fields_are_plain_values() {
        let data =
            serde_json::json!({"limit": "500.000000", "trip": null, "share": 0.0034, "n": 3});
        let want = "limit  500.000000\ntrip   -\nshare  0.0034\nn      3";
        assert_eq!(listed(&data), want);
    }
}
