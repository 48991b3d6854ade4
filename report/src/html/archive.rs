//! The results in a page, so that the page is their archive: embedded by [`embed`], returned by [`extract`].
//!
//! Each is a `script` element that no browser runs (a data block: its type is not a JavaScript type), with gzip and base64
//! around the file. base64 has neither `<` nor `&`, so no content can end the element.

use std::io::{Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use maud::{Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::error::ReportError;
use super::source::Document;
use wss_model::store;

/// The type of the data blocks.
const TYPE: &str = "application/x-wssbench-result";

/// The largest result that is extracted.
const MAX_BYTES: u64 = 64 << 20;

/// Results that one page can have.
const MAX_RESULTS: usize = 64;

/// A result from a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The name of its file, without folders.
    pub name: String,
    /// The file, byte for byte.
    pub bytes: Vec<u8>,
}

/// The data blocks of all documents. Their names are unique.
pub(super) fn embed(documents: &[Document]) -> Markup {
    let mut names: Vec<String> = Vec::new();
    for document in documents {
        let safe: String = document.name.chars().map(|c| if is_safe(c) { c } else { '_' }).take(120).collect();
        let safe = if safe.trim_matches('.').is_empty() { "result.json".to_owned() } else { safe };
        let unique = (1..).map(|number| if number == 1 { safe.clone() } else { format!("{number}-{safe}") });
        names.extend(unique.into_iter().find(|name| !names.contains(name)));
    }
    html! {
        @for (document, name) in documents.iter().zip(&names) {
            script type=(TYPE) data-name=(name) data-sha256=(digest(&document.bytes)) {
                (PreEscaped(STANDARD.encode(compressed(&document.bytes))))
            }
            "\n"
        }
    }
}

/// Characters of names that mean the same to every file system, and end no attribute.
const fn is_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}

/// The results in the report at `path`: all, or those with the given names.
///
/// # Errors
/// If the file cannot be read, has no result, has none of that name, or one is damaged.
pub fn extract(path: &Path, names: &[String]) -> Result<Vec<Archived>, ReportError> {
    let text = store::read_text(path)?;
    let blocks: Vec<Block<'_>> = blocks(&text).take(MAX_RESULTS).collect();
    if blocks.is_empty() {
        return Err(ReportError::NotAReport { path: path.to_owned() });
    }
    for name in names {
        if !blocks.iter().any(|block| block.name == name) {
            let has = blocks.iter().map(|block| block.name).collect::<Vec<_>>().join(", ");
            return Err(ReportError::NoSuchResult { path: path.to_owned(), name: name.clone(), has });
        }
    }
    let wanted = blocks.iter().filter(|block| names.is_empty() || names.iter().any(|name| name == block.name));
    wanted
        .map(|block| {
            let bytes = block
                .decode()
                .ok_or_else(|| ReportError::Damaged { path: path.to_owned(), name: block.name.to_owned() })?;
            Ok(Archived { name: block.name.to_owned(), bytes })
        })
        .collect()
}

/// A data block, as it is in the page.
struct Block<'a> {
    name: &'a str,
    sha256: &'a str,
    base64: &'a str,
}

impl Block<'_> {
    /// The file; `None` if it is damaged, or larger than any that is embedded.
    fn decode(&self) -> Option<Vec<u8>> {
        let compressed = STANDARD.decode(self.base64.trim()).ok()?;
        let mut bytes = Vec::new();
        GzDecoder::new(compressed.as_slice()).take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= MAX_BYTES && digest(&bytes) == self.sha256).then_some(bytes)
    }
}

/// The data blocks of a page. A block whose name is a path is skipped: a page may come from anywhere.
fn blocks(page: &str) -> impl Iterator<Item = Block<'_>> {
    let opening = format!("<script type=\"{TYPE}\" data-name=\"");
    let starts: Vec<usize> = page.match_indices(&opening).map(|(start, found)| start + found.len()).collect();
    starts.into_iter().filter_map(move |start| {
        let (name, rest) = page[start..].split_once("\" data-sha256=\"")?;
        let (sha256, rest) = rest.split_once("\">")?;
        let (base64, _) = rest.split_once("</script>")?;
        let is_name = !name.trim_matches('.').is_empty() && name.len() <= 140 && name.chars().all(is_safe);
        is_name.then_some(Block { name, sha256, base64 })
    })
}
