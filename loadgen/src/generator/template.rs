//! A message with places for an id (`--message` with `--correlate`): [`Template`].

/// The text that stands for the id.
const PLACE: &[u8] = b"{id}";
/// The text that stands for the text above.
const ESCAPED: &[u8] = b"{{id}}";
/// Digits of an id. All ids have the same number, so that all messages have the same size.
const DIGITS: usize = 9;
/// The lowest id. All fit into a signed 32-bit number.
const FIRST_ID: u64 = 100_000_000;
/// Different ids: as many as there are numbers of that many digits.
const IDS: u64 = 900_000_000;

/// The id of message `number` of a connection.
pub(super) fn id_of(number: u64) -> u64 {
    FIRST_ID + number % IDS
}

/// How many messages before `next` the latest message with this id was, from 1; `None` if it is not an id.
pub(super) fn age_of(id: u64, next: u64) -> Option<u64> {
    let behind = id_of(next).checked_sub(FIRST_ID)? + IDS - id.checked_sub(FIRST_ID).filter(|index| *index < IDS)?;
    Some((behind - 1) % IDS + 1)
}

/// A message in which ids are written at some places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Template {
    /// With digits at the places.
    pub(super) text: Vec<u8>,
    /// Where ids begin.
    pub(super) places: Vec<usize>,
}

impl Template {
    /// Reads a message: `{id}` stands for the id, `{{id}}` for the text `{id}`, and everything else for itself. A text in
    /// which both could be meant, such as `{{id}`, has a place after a brace.
    pub(crate) fn parse(message: &[u8]) -> Self {
        let mut template = Self::default();
        let mut rest = message;
        while let Some((first, tail)) = rest.split_first() {
            if let Some(after) = rest.strip_prefix(ESCAPED) {
                template.text.extend_from_slice(PLACE);
                rest = after;
            } else if let Some(after) = rest.strip_prefix(PLACE) {
                template.places.push(template.text.len());
                template.text.extend_from_slice(&[b'0'; DIGITS]);
                rest = after;
            } else {
                template.text.push(*first);
                rest = tail;
            }
        }
        template
    }

    /// Whether it has a place for an id.
    pub(crate) fn has_id(&self) -> bool {
        !self.places.is_empty()
    }

    /// Bytes of each message.
    pub(crate) fn size(&self) -> usize {
        self.text.len()
    }
}

/// Writes the id of message `number` at these places.
#[allow(clippy::cast_possible_truncation)] // a digit
pub(super) fn write_id(message: &mut [u8], places: &[usize], number: u64) {
    let id = id_of(number);
    for &place in places {
        let mut rest = id;
        for digit in message[place..place + DIGITS].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(message: &str, number: u64) -> String {
        let template = Template::parse(message.as_bytes());
        let mut text = template.text.clone();
        write_id(&mut text, &template.places, number);
        assert_eq!(text.len(), template.size());
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn ids_replace_their_places_and_other_braces_stay() {
        assert_eq!(composed(r#"{"id":{id},"a":{}}"#, 7), r#"{"id":100000007,"a":{}}"#);
        assert_eq!(composed(r#"{"id":"{id}","b":["{id}"]}"#, 12), r#"{"id":"100000012","b":["100000012"]}"#);
        assert_eq!(
            composed(r#"{"id":{id},"text":"{{id}} {{ {x} {i"}"#, 1),
            r#"{"id":100000001,"text":"{id} {{ {x} {i"}"#
        );
        assert_eq!(composed(r#"{"a":{"id":{id}}}"#, 1), r#"{"a":{"id":100000001}}"#);
        assert_eq!(composed("{{id}", 2), "{100000002");
        assert!(!Template::parse(b"{{id}} {} {ID}").has_id());
    }

    #[test]
    fn an_id_identifies_its_message() {
        for next in [1, 64, IDS - 1, IDS, IDS + 1, 3 * IDS, u64::MAX] {
            for age in [1, 2, 100].into_iter().filter(|age| *age <= next) {
                assert_eq!(age_of(id_of(next - age), next), Some(age), "{next} {age}");
            }
        }
        for id in [0, FIRST_ID - 1, FIRST_ID + IDS, u64::MAX] {
            assert_eq!(age_of(id, 5), None, "{id}");
        }
        assert_eq!(age_of(id_of(5), 5), Some(IDS), "not yet sent");
    }
}
