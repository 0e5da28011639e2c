//! libzmq's C interface, as far as it is used: a table of functions out of a library that is found while the program
//! runs, and what makes them bearable.

use std::{
    error::Error,
    ffi::{CStr, c_char, c_int, c_long, c_short, c_void},
    path::{Path, PathBuf},
    slice,
    sync::{Mutex, PoisonError},
};

use libloading::Library;

use crate::failure::Failure;

/// The functions, and where they come from. Never unloaded: the library may have threads.
pub(crate) struct Api {
    /// As it was asked for.
    pub(crate) path: PathBuf,
    /// What a table calls it: its file's name up to the first dot.
    pub(crate) name: String,
    pub(super) calls: Functions,
}

/// Declares the table and how each entry is looked up, by the name the library exports.
macro_rules! functions {
    ($($field:ident = $symbol:literal: fn($($argument:ty),*) -> $result:ty;)+) => {
        /// One field a function, of the type libzmq's manual gives it.
        pub(super) struct Functions {
            $(pub(super) $field: unsafe extern "C" fn($($argument),*) -> $result,)+
        }

        impl Functions {
            fn of(library: &Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    $($field: {
                        // SAFETY: libzmq's functions of these names have these types, in every library that stands in for it.
                        let function = unsafe {
                            library.get::<unsafe extern "C" fn($($argument),*) -> $result>(concat!($symbol, "\0").as_bytes())
                        };
                        *function?
                    },)+
                })
            }
        }
    };
}

functions! {
    version = "zmq_version": fn(*mut c_int, *mut c_int, *mut c_int) -> ();
    errno = "zmq_errno": fn() -> c_int;
    strerror = "zmq_strerror": fn(c_int) -> *const c_char;
    ctx_new = "zmq_ctx_new": fn() -> *mut c_void;
    ctx_set = "zmq_ctx_set": fn(*mut c_void, c_int, c_int) -> c_int;
    ctx_term = "zmq_ctx_term": fn(*mut c_void) -> c_int;
    socket = "zmq_socket": fn(*mut c_void, c_int) -> *mut c_void;
    close = "zmq_close": fn(*mut c_void) -> c_int;
    bind = "zmq_bind": fn(*mut c_void, *const c_char) -> c_int;
    connect = "zmq_connect": fn(*mut c_void, *const c_char) -> c_int;
    setsockopt = "zmq_setsockopt": fn(*mut c_void, c_int, *const c_void, usize) -> c_int;
    getsockopt = "zmq_getsockopt": fn(*mut c_void, c_int, *mut c_void, *mut usize) -> c_int;
    send = "zmq_send": fn(*mut c_void, *const c_void, usize, c_int) -> c_int;
    recv = "zmq_recv": fn(*mut c_void, *mut c_void, usize, c_int) -> c_int;
    msg_init = "zmq_msg_init": fn(*mut Message) -> c_int;
    msg_init_size = "zmq_msg_init_size": fn(*mut Message, usize) -> c_int;
    msg_data = "zmq_msg_data": fn(*mut Message) -> *mut c_void;
    msg_size = "zmq_msg_size": fn(*const Message) -> usize;
    msg_more = "zmq_msg_more": fn(*const Message) -> c_int;
    msg_send = "zmq_msg_send": fn(*mut Message, *mut c_void, c_int) -> c_int;
    msg_recv = "zmq_msg_recv": fn(*mut Message, *mut c_void, c_int) -> c_int;
    msg_close = "zmq_msg_close": fn(*mut Message) -> c_int;
    poll = "zmq_poll": fn(*mut PollItem, c_int, c_long) -> c_int;
}

impl Api {
    /// This process's library, from now on. A name without a slash is looked for where the system looks.
    pub(crate) fn load(path: &Path) -> Result<&'static Self, Failure> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        match *loaded {
            Some(api) if api.path == path => Ok(api),
            Some(api) => Err(Failure::Library {
                path: path.to_owned(),
                why: format!(
                    "{} is in this process already, and their functions have the same names",
                    api.path.display()
                ),
            }),
            None => {
                let api: &Self = Box::leak(Box::new(Self::open(path)?));
                *loaded = Some(api);
                Ok(api)
            }
        }
    }

    /// This process's library: the system's libzmq if no other was loaded.
    pub(crate) fn get() -> Result<&'static Self, Failure> {
        Self::loaded().map_or_else(|| Self::load(Path::new(SYSTEM)), Ok)
    }

    pub(crate) fn loaded() -> Option<&'static Self> {
        *LOADED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(path: &Path) -> Result<Self, Failure> {
        // What the system said of it is behind what it says itself.
        let missing = |error: &dyn Error| {
            let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            Failure::Library { path: path.to_owned(), why }
        };
        #[cfg(unix)]
        // SAFETY: looked up and not called.
        if unsafe { libloading::os::unix::Library::this().get::<*const c_void>(b"zmq_ctx_new\0") }.is_ok() {
            let why = "another library with its functions is part of this process".to_owned();
            return Err(Failure::Library { path: path.to_owned(), why });
        }
        // SAFETY: what a library of this kind does when it is loaded is set up what its functions need.
        let library = unsafe { Library::new(path) }.map_err(|error| missing(&error))?;
        let calls = Functions::of(&library).map_err(|error| missing(&error))?;
        // Closing it would end the table with it.
        std::mem::forget(library);
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = file.split('.').next().unwrap_or_default().to_owned();
        Ok(Self { path: path.to_owned(), name, calls })
    }

    /// The version of libzmq it says it is.
    pub(crate) fn version(&self) -> String {
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: three ints, written during the call.
        unsafe { (self.calls.version)(&raw mut major, &raw mut minor, &raw mut patch) };
        format!("{major}.{minor}.{patch}")
    }

    pub(super) fn done(&self, result: c_int) -> Result<(), Failure> {
        if result < 0 { Err(self.last_error()) } else { Ok(()) }
    }

    /// This thread's error number.
    pub(super) fn errno(&self) -> c_int {
        // SAFETY: takes nothing.
        unsafe { (self.calls.errno)() }
    }

    #[cold]
    pub(super) fn last_error(&self) -> Failure {
        // SAFETY: takes any number.
        let text = unsafe { (self.calls.strerror)(self.errno()) };
        // SAFETY: the library gave a constant string that ends with NUL.
        let text = unsafe { CStr::from_ptr(text) };
        Failure::road(&self.name, text.to_string_lossy().into_owned())
    }
}

/// `zmq_msg_t`: opaque, 64 bytes aligned as a pointer.
#[repr(C, align(8))]
pub(super) struct Message([u8; 64]);

impl Message {
    /// Not yet a message: one of the `zmq_msg_init` functions makes it one.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([0; 64])
    }

    /// Shows what was received and closes it; whether more frames of the message follow.
    #[inline(always)]
    pub(super) fn finish(mut self, api: &Api, see: impl FnOnce(&[u8])) -> Result<bool, Failure> {
        // SAFETY: only messages that were received get here, and those are initialised.
        let size = unsafe { (api.calls.msg_size)(&raw const self) };
        // SAFETY: as above.
        let data = unsafe { (api.calls.msg_data)(&raw mut self) }.cast::<u8>();
        // SAFETY: the message has this many bytes until it is closed, below.
        see(unsafe { slice::from_raw_parts(data, size) });
        // SAFETY: as above.
        let more = unsafe { (api.calls.msg_more)(&raw const self) } != 0;
        // SAFETY: as above, and it is not used after.
        api.done(unsafe { (api.calls.msg_close)(&raw mut self) })?;
        Ok(more)
    }
}

const _: () = assert!(size_of::<Message>() == 64 && align_of::<Message>() >= align_of::<*const ()>());

/// `zmq_pollitem_t`, where a descriptor is an int.
#[repr(C)]
pub(super) struct PollItem {
    pub(super) socket: *mut c_void,
    pub(super) fd: c_int,
    pub(super) events: c_short,
    pub(super) revents: c_short,
}

/// The system's libzmq: Debian's package libzmq5 has it.
pub(crate) const SYSTEM: &str = "libzmq.so.5";

/// The library of this process.
static LOADED: Mutex<Option<&'static Api>> = Mutex::new(None);

pub(super) const ZMQ_PAIR: c_int = 0;
pub(super) const ZMQ_PUB: c_int = 1;
pub(super) const ZMQ_SUB: c_int = 2;
pub(super) const ZMQ_REQ: c_int = 3;
pub(super) const ZMQ_REP: c_int = 4;
pub(super) const ZMQ_DEALER: c_int = 5;
pub(super) const ZMQ_ROUTER: c_int = 6;
pub(super) const ZMQ_PULL: c_int = 7;
pub(super) const ZMQ_PUSH: c_int = 8;
pub(super) const ZMQ_SUBSCRIBE: c_int = 6;
pub(super) const ZMQ_MAX_SOCKETS: c_int = 2;
pub(super) const ZMQ_XPUB: c_int = 9;
pub(super) const ZMQ_RCVMORE: c_int = 13;
pub(super) const ZMQ_LAST_ENDPOINT: c_int = 32;
pub(super) const ZMQ_XPUB_VERBOSE: c_int = 40;
pub(super) const ZMQ_EVENTS: c_int = 15;
pub(super) const ZMQ_LINGER: c_int = 17;
pub(super) const ZMQ_SNDHWM: c_int = 23;
pub(super) const ZMQ_RCVHWM: c_int = 24;
pub(super) const ZMQ_ROUTER_MANDATORY: c_int = 33;
pub(super) const ZMQ_XPUB_NODROP: c_int = 69;
pub(super) const ZMQ_POLLIN: c_short = 1;
pub(super) const ZMQ_DONTWAIT: c_int = 1;
pub(super) const ZMQ_SNDMORE: c_int = 2;

/// Linux's numbers, which libzmq passes through.
pub(super) const EINTR: c_int = 4;
pub(super) const EAGAIN: c_int = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_says_so() {
        let failure = Api::open(Path::new("/nonexistent/libzmq.so.5")).map(drop).unwrap_err();
        assert!(failure.to_string().contains("/nonexistent/libzmq.so.5"), "{failure}");
    }

    #[test]
    fn a_library_without_the_functions_says_which() {
        let failure = Api::open(Path::new("libc.so.6")).map(drop).unwrap_err();
        assert!(failure.to_string().contains("zmq_version"), "{failure}");
    }
}
