//! Errors that have no type of their own: their texts are read from the sources.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::cell;

/// Where the text of an error follows.
const MARKERS: [&str; 7] =
    ["bail!(", "ensure!(", "anyhow!(", ".context(", "with_context(", "|| format!(", "Failure::new("];

/// Lists the texts by file; `{…}` stands for a value.
pub(crate) fn section(text: &mut String) {
    text.push_str("\n## Further errors, by source file\n\n");
    text.push_str(
        "Most state their cause and cure. The others are parts of a longer message: context before the underlying cause, or a \
         detail within another text. `{…}` is a value.\n",
    );
    for (file, texts) in texts() {
        write!(text, "\n`{file}`:\n\n").unwrap();
        for template in texts {
            writeln!(text, "- {}", cell(&template)).unwrap();
        }
    }
}

fn texts() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeMap::new();
    for folder in ["server/src", "wire/src/tls", "loadgen/src"] {
        for path in rust_files(&root.join(folder)) {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            let source = std::fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let texts = texts_in(code);
            if !name.contains("tests") && !texts.is_empty() {
                found.insert(name, texts);
            }
        }
    }
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| match path.is_dir() {
        true => rust_files(&path),
        false => vec![path],
    });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The first sentence after each marker.
fn texts_in(source: &str) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for (marker, at) in MARKERS.iter().flat_map(|marker| source.match_indices(marker).map(move |(at, _)| (marker, at)))
    {
        let call = call(&source[at + marker.len()..]);
        let sentence = literals(call).into_iter().find(|literal| literal.contains(' '));
        texts.extend(sentence.map(|sentence| values_elided(&sentence)));
    }
    texts.sort();
    texts.dedup();
    texts
}

/// The arguments up to the parenthesis that closes the call.
fn call(rest: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for (at, character) in rest.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &rest[..at];
        }
    }
    rest
}

/// The string literals of a piece of source.
fn literals(source: &str) -> Vec<String> {
    let (mut literals, mut rest) = (Vec::new(), source.chars().peekable());
    while let Some(character) = rest.next() {
        if character != '"' {
            continue;
        }
        let mut literal = String::new();
        while let Some(character) = rest.next().filter(|character| *character != '"') {
            match (character, rest.peek().copied()) {
                // A continued line: the indentation of the next one is not part of the literal.
                ('\\', Some('\n')) => while rest.next_if(|next| next.is_whitespace()).is_some() {},
                ('\\', Some(_)) => {
                    literal.extend(rest.next().map(|escaped| if escaped == 'n' { ' ' } else { escaped }))
                }
                _ => literal.push(character),
            }
        }
        literals.push(literal);
    }
    literals
}

/// `{name:?}` as `{…}`.
fn values_elided(template: &str) -> String {
    let (mut text, mut inside) = (String::new(), false);
    for character in template.chars() {
        match character {
            '{' => {
                inside = true;
                text.push_str("{…");
            }
            '}' => {
                inside = false;
                text.push('}');
            }
            _ if inside => {}
            _ => text.push(character),
        }
    }
    text
}

#[test]
fn reads_sentences_from_source() {
    let source = "ensure!(limit(3) > 0, \"--x is {x}; \\\n   give (at least) \\\"1\\\"\");\nbail!(error)";
    assert_eq!(texts_in(source), ["--x is {…}; give (at least) \"1\""]);
}
