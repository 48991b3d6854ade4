//! The header fields that options add to an upgrade request.

use std::fs;
use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue};
use wss_model::config::{HttpVersion, REDACTED, RequestOptions};

/// Fields that wssbench sends itself, with the option for each.
const OWN_FIELDS: [(&str, &str); 10] = [
    ("host", "use --host"),
    ("origin", "use --origin"),
    ("upgrade", "remove it"),
    ("connection", "remove it"),
    ("sec-websocket-key", "remove it"),
    ("sec-websocket-version", "remove it"),
    ("sec-websocket-extensions", "remove it"),
    ("sec-websocket-protocol", "use --subprotocol"),
    ("content-length", "remove it"),
    ("transfer-encoding", "remove it"),
];

/// Fields of an HTTP/1.1 connection, beyond those above. HTTP/2 forbids them (RFC 9113 section 8.2.2), except TE: trailers.
const CONNECTION_FIELDS: [&str; 4] = ["keep-alive", "proxy-connection", "te", "http2-settings"];

/// Why a field cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not a field.
    #[error("{option} `{text}` is not a valid header field; write 'Name: value'")]
    Invalid {
        /// The option, or the file.
        option: String,
        /// The name of the field, without its value, which may be secret.
        text: String,
    },
    /// wssbench sends the field itself.
    #[error("--header {name} would repeat a field that wssbench sends; {cure}")]
    Own {
        /// The field.
        name: String,
        /// What to do.
        cure: &'static str,
    },
    /// A field of an HTTP/1.1 connection.
    #[error(
        "--header {name} belongs to a connection of HTTP/1.1, and is not sent with HTTP/2; remove the field, or use HTTP/1.1"
    )]
    OfConnection {
        /// The field.
        name: String,
    },
    /// The value was removed from a result.
    #[error(
        "the options come from a result file, which does not contain the value of {name}; give it again with {option}"
    )]
    Redacted {
        /// The field or cookie.
        name: String,
        /// The option.
        option: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {path} ({cause}); give {option} a text file")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
        /// The option.
        option: &'static str,
    },
}

/// The fields as they are sent: each with its CRLF.
///
/// # Errors
/// If a field is invalid, or its file cannot be read.
pub(crate) fn fields(options: &RequestOptions) -> Result<String, RequestError> {
    let mut fields = String::new();
    if let Some(origin) = &options.origin {
        add(&mut fields, "--origin", "Origin", origin)?;
    }
    for text in &options.header {
        match text.strip_prefix('@') {
            None => add_field(&mut fields, "--header", text)?,
            Some(path) => {
                for line in read(Path::new(path), "--header")?.lines().filter(|line| !line.trim().is_empty()) {
                    add_field(&mut fields, path, line)?;
                }
            }
        }
    }
    if let Some(path) = &options.bearer_file {
        let token = read(path, "--bearer-file")?;
        add(&mut fields, "--bearer-file", "Authorization", &format!("Bearer {}", token.trim()))?;
    }
    if !options.cookie.is_empty() {
        for cookie in &options.cookie {
            let (name, value) = cookie.split_once('=').unwrap_or((cookie, ""));
            if value == REDACTED {
                return Err(RequestError::Redacted { name: name.to_owned(), option: "--cookie" });
            }
        }
        add(&mut fields, "--cookie", "Cookie", &options.cookie.join("; "))?;
    }
    if options.http == HttpVersion::Http2 {
        let mut names = fields.lines().filter_map(|line| Some(line.split_once(':')?.0));
        let is_of_connection = |name: &&str| CONNECTION_FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name));
        if let Some(name) = names.find(is_of_connection) {
            return Err(RequestError::OfConnection { name: name.to_owned() });
        }
    }
    Ok(fields)
}

/// The fields without those that authenticate the user, for another server.
pub(crate) fn without_credentials(fields: &str) -> String {
    let is_secret = |line: &&str| {
        line.split_once(':').is_some_and(|(name, _)| {
            ["authorization", "cookie"].iter().any(|secret| name.trim().eq_ignore_ascii_case(secret))
        })
    };
    fields.split_inclusive("\r\n").filter(|line| !is_secret(line)).collect()
}

fn read(path: &Path, option: &'static str) -> Result<String, RequestError> {
    fs::read_to_string(path).map_err(|cause| RequestError::File { path: path.to_owned(), cause, option })
}

/// Adds a field `Name: value`.
fn add_field(fields: &mut String, option: &str, text: &str) -> Result<(), RequestError> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(RequestError::Invalid { option: option.to_owned(), text: text.to_owned() });
    };
    let own = OWN_FIELDS.iter().find(|(own, _)| name.trim().eq_ignore_ascii_case(own));
    if let Some((_, cure)) = own {
        return Err(RequestError::Own { name: name.trim().to_owned(), cure });
    }
    if value.trim() == REDACTED {
        return Err(RequestError::Redacted { name: name.to_owned(), option: "--header" });
    }
    add(fields, option, name, value.trim())
}

/// Adds a field. A line break in one would start another field, so both parts are checked.
fn add(fields: &mut String, option: &str, name: &str, value: &str) -> Result<(), RequestError> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() || HeaderValue::from_str(value).is_err() {
        return Err(RequestError::Invalid { option: option.to_owned(), text: name.to_owned() });
    }
    *fields += &format!("{name}: {value}\r\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &[&str]) -> Result<String, RequestError> {
        fields(&RequestOptions { header: header.iter().map(|&text| text.to_owned()).collect(), ..Default::default() })
    }

    #[test]
    fn fields_come_from_options_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let (header, token) = (folder.path().join("header"), folder.path().join("token"));
        fs::write(&header, "X-Secret: 1\n\nX-Other: a: b\n").unwrap();
        fs::write(&token, "abc\n").unwrap();
        let options = RequestOptions {
            header: vec!["X-Name:value".to_owned(), format!("@{}", header.display())],
            cookie: vec!["a=1".to_owned(), "b=2".to_owned()],
            bearer_file: Some(token),
            origin: Some("https://example.org".to_owned()),
            ..RequestOptions::default()
        };
        let expected = "Origin: https://example.org\r\nX-Name: value\r\nX-Secret: 1\r\nX-Other: a: b\r\n\
                        Authorization: Bearer abc\r\nCookie: a=1; b=2\r\n";
        let sent = fields(&options).unwrap();
        assert_eq!(sent, expected);
        let shared = "Origin: https://example.org\r\nX-Name: value\r\nX-Secret: 1\r\nX-Other: a: b\r\n";
        assert_eq!(without_credentials(&sent), shared);
    }

    #[test]
    fn fields_of_a_connection_are_refused_with_http_2() {
        let mut options = RequestOptions { header: vec!["Keep-Alive: 5".to_owned()], ..RequestOptions::default() };
        assert!(fields(&options).is_ok());
        options.http = HttpVersion::Http2;
        assert!(fields(&options).unwrap_err().to_string().contains("--header Keep-Alive belongs to a connection"));
    }

    #[test]
    fn impossible_fields_are_refused_without_their_value() {
        for (header, part) in [
            ("no colon", "is not a valid header field"),
            ("Na me: secret", "`Na me` is not a valid"),
            ("Name: se\r\ncret", "`Name` is not a valid"),
            ("HOST: secret", "use --host"),
            ("Sec-WebSocket-Protocol: secret", "use --subprotocol"),
            ("X-Token: (redacted)", "give it again with --header"),
            ("@/nowhere/fields", "cannot read /nowhere/fields"),
        ] {
            let error = of(&[header]).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("secret"), "{header}: {error}");
        }
    }
}
