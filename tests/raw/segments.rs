//! What the system has counted of a connection.

use std::{mem, net::TcpStream, os::fd::AsRawFd};

/// Segments with data that have come in so far.
pub(crate) fn data_segments_in(stream: &TcpStream) -> u32 {
    let mut info = mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut len = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).expect("it is small");
    // SAFETY: the descriptor is open, and `info` has room for `len` bytes.
    let done = unsafe {
        libc::getsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut len)
    };
    assert_eq!(done, 0, "the system tells about its connections");
    // SAFETY: it is plain numbers, all of them zero before, and the system has written some.
    unsafe { info.assume_init() }.tcpi_data_segs_in
}
