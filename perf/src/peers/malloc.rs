//! The C library's own count of its heap, where Rust's allocations and those of C libraries are counted alike.

/// Bytes in use in all of it.
pub(crate) fn live() -> i64 {
    // SAFETY: takes nothing; walks the heap under its own locks.
    let info = unsafe { mallinfo2() };
    (info.uordblks + info.hblkhd) as i64
}

/// glibc's account of its heap, in bytes.
#[repr(C)]
struct MallInfo2 {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    /// In blocks mapped one by one.
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    /// In use in all arenas.
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

unsafe extern "C" {
    fn mallinfo2() -> MallInfo2;
}
