//! The content of `--message`.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, ensure};
use wss_model::config::MessageOptions;

use crate::generator::template::Template;

/// The message to send, if the user gave one.
///
/// # Errors
/// If its file cannot be read, if it is empty, if `--text` is given and it is not UTF-8, or if replies are found by an id
/// and it has none.
pub(crate) fn content(options: &MessageOptions) -> anyhow::Result<Option<Arc<[u8]>>> {
    let Some(message) = &options.message else { return Ok(None) };
    let content = match message.strip_prefix('@') {
        None => message.clone().into_bytes(),
        Some(path) => fs::read(path).with_context(|| format!("cannot read {path}; give --message TEXT or @FILE"))?,
    };
    ensure!(!content.is_empty(), "--message is empty; give at least one byte");
    ensure!(
        !options.text || std::str::from_utf8(&content).is_ok(),
        "--message is not UTF-8, which text frames require; remove --text"
    );
    ensure!(
        options.id_pointer().is_none() || Template::parse(&content).has_id(),
        "--correlate json:PATH requires an id in --message; write {{id}} where it goes, as in {{\"id\":{{id}}}}"
    );
    Ok(Some(content.into()))
}

/// Bytes of each message that is made from this content.
pub(crate) fn size(options: &MessageOptions, content: &[u8]) -> usize {
    if options.id_pointer().is_some() { Template::parse(content).size() } else { content.len() }
}
