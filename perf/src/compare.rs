//! Ringway and other libraries, taking turns in one run.
