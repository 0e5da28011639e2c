//! Handles that C programs hold for things that are not sockets or contexts: numbers that look like addresses.
//!
//! A handle is looked up and never followed, so one that is wrong or old is an error and not a crash. No number is given
//! twice.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use libc::c_void;

use crate::error::{Errno, Result};

/// Things of one kind, by handle.
pub(crate) struct Registry<T> {
    things: Mutex<Option<Things<T>>>,
}

struct Things<T> {
    last: usize,
    by_number: HashMap<usize, T>,
}

/// Between two handles, and before the first: as far apart as what `malloc` returns.
const STEP: usize = 16;

impl<T> Registry<T> {
    pub(crate) const fn new() -> Self {
        Self { things: Mutex::new(None) }
    }

    /// Keeps `thing`; returns its handle.
    pub(crate) fn insert(&self, thing: T) -> *mut c_void {
        let mut things = self.lock();
        let things = things.get_or_insert_with(|| Things { last: 0, by_number: HashMap::new() });
        things.last += STEP;
        things.by_number.insert(things.last, thing);
        ptr::without_provenance_mut(things.last)
    }

    /// Takes the thing with this handle out.
    ///
    /// # Errors
    /// `EFAULT`: there is none.
    pub(crate) fn remove(&self, handle: *mut c_void) -> Result<T> {
        self.lock().as_mut().and_then(|things| things.by_number.remove(&handle.addr())).ok_or(Errno::EFAULT)
    }

    /// The thing with this handle.
    ///
    /// # Errors
    /// `EFAULT`: there is none.
    pub(crate) fn get(&self, handle: *mut c_void) -> Result<T>
    where
        T: Clone,
    {
        let things = self.lock();
        things.as_ref().and_then(|things| things.by_number.get(&handle.addr())).cloned().ok_or(Errno::EFAULT)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Things<T>>> {
        // Nothing of anybody else's runs under it.
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_good_until_its_thing_is_taken_out() {
        let registry = Registry::new();
        let (a, b) = (registry.insert('a'), registry.insert('b'));
        assert_eq!(registry.get(b), Ok('b'));
        assert_eq!(registry.remove(a), Ok('a'));
        assert_eq!(registry.remove(a), Err(Errno::EFAULT));
        assert_eq!(registry.get(ptr::null_mut()), Err(Errno::EFAULT));
        assert_ne!(registry.insert('c'), a);
    }
}
