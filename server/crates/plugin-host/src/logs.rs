//! Collects what a plugin logs, within bounds.

use serde::Serialize;

use crate::limits::Limits;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LogLevel {
    /// For following every step.
    Trace,
    /// For developers.
    Debug,
    /// For admins.
    Info,
    /// Something to look at.
    Warn,
    /// Something went wrong.
    Error,
}

/// A line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// The text.
    pub message: String,
    /// JSON text of an object with structured attributes, as the plugin wrote it; not checked.
    pub fields: String,
}

/// The log of one call.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    lines: Vec<LogLine>,
    bytes: usize,
    cut: bool,
}

impl CallLog {
    /// Adds a line, or one last line that says that the rest was cut.
    pub(crate) fn write(&mut self, level: LogLevel, mut message: String, mut fields: String, limits: &Limits) {
        if self.cut {
            return;
        }
        truncate(&mut message, limits.log_line_bytes);
        // Half a JSON document is none.
        if message.len() + fields.len() > limits.log_line_bytes {
            fields = "{}".to_owned();
        }
        let bytes = self.bytes + message.len() + fields.len();
        if self.lines.len() >= limits.log_lines || bytes > limits.log_bytes {
            self.cut = true;
            let message = "truncated: the call logged more than it may".to_owned();
            self.lines.push(LogLine { level: LogLevel::Warn, message, fields: "{}".to_owned() });
            return;
        }
        self.bytes = bytes;
        self.lines.push(LogLine { level, message, fields });
    }

    pub(crate) fn take(&mut self) -> Vec<LogLine> {
        std::mem::take(self).lines
    }
}

fn truncate(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        // What was copied from the plugin may be large; it is not to stay in memory.
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(log: &mut CallLog, message: &str) {
        log.write(LogLevel::Info, message.to_owned(), "{}".to_owned(), &Limits::default());
    }

    #[test]
    fn the_number_of_lines_is_bounded() {
        let mut log = CallLog::default();
        (0..500).for_each(|_| write(&mut log, "x"));
        let lines = log.take();
        assert_eq!(lines.len(), 101);
        assert!(lines[100].message.starts_with("truncated"));
    }

    #[test]
    fn all_text_together_is_bounded() {
        let mut log = CallLog::default();
        (0..50).for_each(|_| write(&mut log, &"x".repeat(4_000)));
        assert_eq!(log.take().len(), 9);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let mut log = CallLog::default();
        write(&mut log, &"€".repeat(10_000));
        let lines = log.take();
        assert_eq!(lines[0].message.len(), 8_190);
        assert!(lines[0].message.chars().all(|character| character == '€'));
    }
}
