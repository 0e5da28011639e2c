pub(crate) mod chunked;
