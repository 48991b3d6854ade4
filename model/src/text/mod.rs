//! Numbers and phrases as people read them. Reports use them, and so do verdicts, which quote figures.

pub mod phrases;
pub mod quantity;
