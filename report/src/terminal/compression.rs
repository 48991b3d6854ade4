//! What compression was negotiated, and what it did to the messages.

use wss_model::run_result::{CompressedMessages, Compression};
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::{count, percent_to};

use crate::layout::Layout;

pub(super) fn facts(layout: &mut Layout, compression: &Compression) {
    let mut label = "Compression";
    for kind in &compression.negotiated {
        layout.fact(label, &format!("{} × {}", count(kind.connections), kind.parameters));
        label = "";
    }
    let (sent, received) = (of(&compression.sent), of(&compression.received));
    if let (Some(sent), Some(received)) = (sent, received) {
        layout.fact(label, &format!("messages sent {sent}, received {received}"));
    } else if compression.sent.messages > 0 {
        layout.fact(label, "the server compressed no message");
    }
    if compression.sent.compressed_bytes > compression.sent.plain_bytes {
        layout.fact("", "random bytes do not compress: give messages of your own with --message @FILE");
    }
}

/// The mean size before and after compression.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
fn of(messages: &CompressedMessages) -> Option<String> {
    let CompressedMessages { messages, plain_bytes, compressed_bytes } = *messages;
    if messages == 0 {
        return None;
    }
    let mean = |bytes: u64| (bytes as f64 / messages as f64).round() as u64;
    let share = 100.0 * compressed_bytes as f64 / (plain_bytes as f64).max(1.0);
    let (plain, compressed) = (count(mean(plain_bytes)), pluralize(mean(compressed_bytes), "byte"));
    Some(format!("{plain} → {compressed} ({})", percent_to(share, 2)))
}

#[cfg(test)]
mod tests {
    use wss_model::run_result::CompressionCount;

    use super::*;
    use crate::style::Style;

    fn text(sent: CompressedMessages, received: CompressedMessages) -> String {
        let negotiated = vec![CompressionCount { parameters: "permessage-deflate".to_owned(), connections: 1_000 }];
        let mut layout = Layout::new(Style::default());
        facts(&mut layout, &Compression { negotiated, sent, received });
        layout.finish()
    }

    #[test]
    fn says_what_was_negotiated_and_what_it_saved() {
        let messages = CompressedMessages { messages: 2_000, plain_bytes: 200_000, compressed_bytes: 50_200 };
        insta::assert_snapshot!(text(messages, messages), @r"
        Compression  1,000 × permessage-deflate
                     messages sent 100 → 25 bytes (25%), received 100 → 25 bytes (25%)
        ");
        let none = CompressedMessages::default();
        assert!(text(messages, none).contains("the server compressed no message"));
        let grown = CompressedMessages { compressed_bytes: 210_000, ..messages };
        assert!(text(grown, grown).contains("random bytes do not compress"));
    }
}
