//! What a wait brings.

#![forbid(unsafe_code)]

/// One socket or descriptor that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What it was registered with.
    pub data: u64,
    /// Of a socket: a call that receives returns at once. Of a descriptor: `read` does.
    pub readable: bool,
    /// Of a socket: a call that sends returns at once. Of a descriptor: `write` does.
    pub writable: bool,
    /// Of a descriptor: it has an error to tell. Reported whatever the interest is.
    pub error: bool,
    /// Of a descriptor: the other side has gone. Reported whatever the interest is.
    pub hung_up: bool,
}

/// The events of a wait. Reused from wait to wait, it allocates only when more are ready at once than ever before.
#[derive(Clone, Debug, Default)]
pub struct Events {
    pub(super) list: Vec<Event>,
}

impl Events {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// None, with memory for so many.
    pub fn with_capacity(events: usize) -> Self {
        Self { list: Vec::with_capacity(events) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Event> {
        self.list.iter()
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = std::slice::Iter<'a, Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
