//! What there is of shared memory under the model checkers: where things are in it. Their atomics cannot lie in mapped memory, so
//! whoever lays something into a segment there takes one from the heap.

#![forbid(unsafe_code)]

pub(crate) mod layout;

pub(crate) use layout::Layout;
