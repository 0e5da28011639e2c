//! Other libraries' roads.
