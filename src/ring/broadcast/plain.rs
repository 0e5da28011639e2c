//! Which values may be copied word by word while they are being overwritten.

/// Plain old data: a value that is nothing but initialised bytes.
///
/// A [`lossy`](super::lossy) reader copies a value out through atomic words while the writer may be overwriting it, and
/// looks at the copy only once it knows that nothing changed meanwhile. So any `Copy` type will do that has no bytes
/// whose content is undefined.
///
/// # Safety
///
/// `Self` has no padding, and every byte of every value is initialised.
///
/// # Examples
///
/// ```
/// use ringway::ring::broadcast::Plain;
///
/// #[derive(Clone, Copy)]
/// #[repr(C)]
/// struct Quote {
///     price: f64,
///     volume: u32,
///     venue: u32, // fills what would otherwise be padding
/// }
///
/// const _: () = assert!(size_of::<Quote>() == 8 + 4 + 4);
/// // SAFETY: `repr(C)`, and the fields add up to the size: no padding.
/// unsafe impl Plain for Quote {}
/// ```
pub unsafe trait Plain: Copy + Send {}

macro_rules! plain {
    ($($type:ty),*) => {$(
        // SAFETY: a primitive; all of its bytes are its value.
        unsafe impl Plain for $type {}
    )*};
}

plain!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, bool, char, ());

// SAFETY: arrays add no padding between or after their items.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}
