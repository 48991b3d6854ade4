//! The results of a report, as they were read: [`Document`].

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::error::ReportError;
use wss_analysis::comparison::Comparison;
use wss_analysis::history::{self, History};
use wss_analysis::sweep::SweepResult;
use wss_model::run_result::RunResult;
use wss_model::store::{self, StoreError, Stored};

/// The largest file that is embedded.
const MAX_BYTES: u64 = 64 << 20;

/// Characters in which a file that ends too early must have named its schema.
const HEAD_CHARS: usize = 400;

/// A file with what is in it.
#[derive(Debug)]
pub(crate) struct Document {
    /// The name of the file, without folders.
    pub(crate) name: String,
    /// The file, byte for byte.
    pub(crate) bytes: Vec<u8>,
    pub(crate) content: Content,
}

/// What a file is.
#[derive(Debug)]
pub(crate) enum Content {
    Run(Box<RunResult>),
    Sweep(Box<SweepResult>),
    Comparison(Box<Comparison>),
    History(History),
    /// A result whose figures cannot be shown.
    Unusable(Unusable),
}

/// Why the figures of a result cannot be shown.
#[derive(Debug)]
pub(crate) struct Unusable {
    /// The schema that the file names.
    pub(crate) schema: String,
    /// The reason, a sentence.
    pub(crate) reason: String,
    /// What to do.
    pub(crate) advice: &'static str,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is too large, or is not a result that has a report.
    pub(crate) fn read(path: &Path) -> Result<Self, ReportError> {
        let bytes = read_bytes(path)?;
        let name =
            path.file_name().map_or_else(|| "result.json".to_owned(), |name| name.to_string_lossy().into_owned());
        Ok(Self { name, bytes, content: content(path)? })
    }

    /// The name without its endings, to tell results apart.
    pub(crate) fn short_name(&self) -> &str {
        let name = self.name.strip_suffix(".gz").unwrap_or(&self.name);
        let name = name.strip_suffix(".json").or_else(|| name.strip_suffix(".jsonl")).unwrap_or(name);
        if name.is_empty() { "result" } else { name }
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, ReportError> {
    let failed = |source| StoreError::Io { path: path.to_owned(), action: "read", source };
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > MAX_BYTES {
        return Err(ReportError::TooLarge { path: path.to_owned(), bytes: size, limit: MAX_BYTES });
    }
    let mut bytes = Vec::new();
    // A device has no size, and no end.
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn content(path: &Path) -> Result<Content, ReportError> {
    let text = store::read_text(path)?;
    let not_a_result = || ReportError::NotAResult { path: path.to_owned() };
    let schema = schema_of(&text).ok_or_else(not_a_result)?;
    let (kind, _) = schema.split_once('/').ok_or_else(not_a_result)?;
    match kind {
        "wssbench.run" => result(path, schema, Content::Run),
        "wssbench.sweep" => result(path, schema, Content::Sweep),
        "wssbench.comparison" => result(path, schema, Content::Comparison),
        "wssbench.history" => {
            let read = history::parse(text.as_bytes());
            Ok(Content::History(read))
        }
        kind if kind.starts_with("wssbench.") => Err(ReportError::UnsupportedKind { path: path.to_owned(), schema }),
        _ => Err(not_a_result()),
    }
}

/// Reads a result. One that cannot be used is a page that says so; a file that cannot be read is an error.
fn result<T: Stored>(path: &Path, schema: String, wrap: fn(Box<T>) -> Content) -> Result<Content, ReportError> {
    let (reason, advice) = match store::read::<T>(path) {
        Ok(result) => return Ok(wrap(Box::new(result))),
        Err(error @ StoreError::Io { .. }) => return Err(error.into()),
        Err(StoreError::UnexpectedSchema { schema: known, .. }) => (
            format!("The file has the schema {schema}. This wssbench reads {known}."),
            "Make the report with the version that wrote the file.",
        ),
        Err(StoreError::Truncated { .. }) => {
            ("The file ends too early.".to_owned(), "Copy or extract the original again.")
        }
        Err(StoreError::Edited { .. }) => {
            ("The file was edited after it was written: its digest does not match.".to_owned(), "Use the original.")
        }
        Err(StoreError::Histogram { latency, source, .. }) => {
            (format!("The samples of {latency} are damaged: {source}."), "Use the original, or measure again.")
        }
        Err(StoreError::Invalid { source, .. } | StoreError::Unwritable { source, .. }) => {
            (format!("The file is not a valid {schema} file: {source}."), "Use the original, or measure again.")
        }
    };
    Ok(Content::Unusable(Unusable { schema, reason, advice }))
}

/// The schema that a text names: of a whole JSON document, of the first line of a history, or of the beginning of a document
/// that ends too early. `None` if it names none.
fn schema_of(text: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Header {
        schema: String,
    }
    let first_line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    for part in [text, first_line] {
        if let Ok(Header { schema }) = serde_json::from_str(part) {
            return Some(schema);
        }
    }
    let head: String = text.chars().take(HEAD_CHARS).filter(|c| !c.is_whitespace()).collect();
    let (_, rest) = head.strip_prefix('{')?.split_once("\"schema\":\"")?;
    let (schema, _) = rest.split_once('"')?;
    schema.starts_with("wssbench.").then(|| schema.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_found_in_whole_and_in_truncated_files() {
        assert_eq!(schema_of("{\"schema\": \"wssbench.run/2\", \"id\": 1}").as_deref(), Some("wssbench.run/2"));
        assert_eq!(schema_of("\n{\"schema\":\"wssbench.history/2\"}\n<<<").as_deref(), Some("wssbench.history/2"));
        assert_eq!(
            schema_of("{\n  \"schema\": \"wssbench.sweep/2\",\n  \"id\": \"2").as_deref(),
            Some("wssbench.sweep/2")
        );
        for other in ["", "{}", "PK\u{3}\u{4}", "{\"schema\": \"other/1\", ", "schema: \"wssbench.run/2\""] {
            assert_eq!(schema_of(other), None, "{other}");
        }
    }
}
