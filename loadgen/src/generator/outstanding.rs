//! The messages of a connection whose echoes are still to come: [`Outstanding`].

use std::collections::VecDeque;

use super::breakdown::SentMessage;

/// A message whose echo is still to come.
pub(super) struct OutstandingMessage {
    pub(super) number: u64,
    pub(super) message: SentMessage,
    /// The number of its first byte, if the kernel's clock observes the connection.
    pub(super) first_byte: u64,
}

/// The messages whose echoes are still to come, in the order in which they were sent. The oldest is in place: with thousands
/// of connections every message would otherwise cost a cache miss for the memory of the queue.
#[derive(Default)]
pub(super) struct Outstanding {
    oldest: Option<OutstandingMessage>,
    later: VecDeque<OutstandingMessage>,
}

impl Outstanding {
    pub(super) fn push(&mut self, message: OutstandingMessage) {
        match self.oldest {
            None => self.oldest = Some(message),
            Some(_) => self.later.push_back(message),
        }
    }

    pub(super) fn pop(&mut self) -> Option<OutstandingMessage> {
        std::mem::replace(&mut self.oldest, self.later.pop_front())
    }

    /// Removes the message with this number. The numbers of the outstanding messages ascend.
    pub(super) fn take(&mut self, number: u64) -> Option<OutstandingMessage> {
        if self.oldest.as_ref().is_some_and(|oldest| oldest.number == number) {
            return self.pop();
        }
        let at = self.later.binary_search_by_key(&number, |message| message.number).ok()?;
        self.later.remove(at)
    }

    pub(super) fn oldest(&self) -> Option<&OutstandingMessage> {
        self.oldest.as_ref()
    }

    pub(super) fn latest(&mut self) -> Option<&mut OutstandingMessage> {
        if self.later.is_empty() { self.oldest.as_mut() } else { self.later.back_mut() }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.oldest.is_some()) + self.later.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.oldest.is_none()
    }
}
