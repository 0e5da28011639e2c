//! Contexts: options that hold for all their sockets, and the end.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use libc::{c_int, c_void, size_t};
use ringway::{Context, WaitPolicy};

use crate::{
    constants::*,
    error::{Errno, Result, call},
    fork::Own,
    handle::{self, Handled, Spare},
    reaper,
};

/// What a handle of a context points to, and its sockets share.
#[derive(Debug)]
pub(crate) struct Home {
    state: Mutex<State>,
    is_over: AtomicBool,
    /// Bytes a frame that is sent may have: `ZMQ_MAX_MSGSZ`.
    max_message_size: AtomicUsize,
    /// How calls that wait idle: of the environment variable [`WAIT`], once for all.
    pub(crate) wait: WaitPolicy,
}

#[derive(Debug)]
struct State {
    options: Options,
    /// Made by the first socket, which is when what was set of its threads is settled.
    context: Option<Context>,
}

/// In libzmq's units, as they are read back.
#[derive(Clone, Debug)]
struct Options {
    io_threads: c_int,
    max_sockets: c_int,
    max_message_size: c_int,
    is_ipv6: bool,
    is_blocky: bool,
}

/// What a new socket takes from its context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    pub(crate) is_ipv6: bool,
    /// Do its messages outlive it?
    pub(crate) lingers: bool,
    pub(crate) has_threads: bool,
}

/// The environment variable that says how calls idle: `spin`, `adaptive` (unless it says otherwise) or `park`.
const WAIT: &str = "RINGWAY_WAIT";

/// What libzmq says the system allows.
const SOCKET_LIMIT: c_int = 65_535;

impl Home {
    fn new() -> Self {
        let options = Options {
            io_threads: ZMQ_IO_THREADS_DFLT,
            max_sockets: ZMQ_MAX_SOCKETS_DFLT,
            max_message_size: c_int::MAX,
            is_ipv6: false,
            is_blocky: true,
        };
        let wait = match std::env::var(WAIT).as_deref() {
            Ok("spin") => WaitPolicy::Spin,
            Ok("park") => WaitPolicy::Park,
            _ => WaitPolicy::default(),
        };
        Self {
            state: Mutex::new(State { options, context: None }),
            is_over: AtomicBool::new(false),
            max_message_size: AtomicUsize::new(usize::MAX),
            wait,
        }
    }

    /// Is it terminated, or about to be?
    #[inline(always)]
    pub(crate) fn is_over(&self) -> bool {
        // Relaxed: a call that does not see it yet finds its socket's own end.
        self.is_over.load(Ordering::Relaxed)
    }

    /// May a frame of so many bytes be sent?
    #[inline(always)]
    pub(crate) fn takes(&self, len: usize) -> bool {
        len <= self.max_message_size.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The context a new socket is to be made in, and what it takes from it.
    pub(crate) fn for_socket(&self) -> Result<(Context, Defaults)> {
        let mut state = self.state();
        if self.is_over() {
            return Err(Errno::ETERM);
        }
        let State { options, context } = &mut *state;
        let threads = usize::try_from(options.io_threads).unwrap_or(0);
        let context = context.get_or_insert_with(|| Context::builder().reactor_threads(threads.max(1)).build());
        if context.sockets() >= usize::try_from(options.max_sockets).unwrap_or(0) {
            return Err(Errno::EMFILE);
        }
        let defaults =
            Defaults { is_ipv6: options.is_ipv6, lingers: options.is_blocky, has_threads: options.io_threads > 0 };
        Ok((context.clone(), defaults))
    }

    /// No call of its sockets waits any more, and none succeeds. Returns the context, if a socket was ever made.
    fn end(&self) -> Option<Context> {
        let state = self.state();
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(context) = &state.context {
            context.close();
        }
        state.context.clone()
    }

    fn set(&self, option: c_int, value: c_int) -> Result<()> {
        let mut state = self.state();
        let options = &mut state.options;
        match option {
            ZMQ_IO_THREADS if value >= 0 => options.io_threads = value,
            ZMQ_MAX_SOCKETS if (1..=SOCKET_LIMIT).contains(&value) => options.max_sockets = value,
            ZMQ_MAX_MSGSZ if value >= 0 => {
                options.max_message_size = value;
                let size = if value == c_int::MAX { usize::MAX } else { value.cast_unsigned() as usize };
                self.max_message_size.store(size, Ordering::Relaxed);
            }
            ZMQ_IPV6 if value >= 0 => options.is_ipv6 = value != 0,
            ZMQ_BLOCKY if value >= 0 => options.is_blocky = value != 0,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn option(&self, option: c_int) -> Result<c_int> {
        let state = self.state();
        let options = &state.options;
        Ok(match option {
            ZMQ_IO_THREADS => options.io_threads,
            ZMQ_MAX_SOCKETS => options.max_sockets,
            ZMQ_SOCKET_LIMIT => SOCKET_LIMIT,
            ZMQ_MAX_MSGSZ => options.max_message_size,
            ZMQ_MSG_T_SIZE => 64,
            ZMQ_IPV6 => options.is_ipv6.into(),
            ZMQ_BLOCKY => options.is_blocky.into(),
            _ => return Err(Errno::EINVAL),
        })
    }
}

/// What a handle of a context points to. Its calls only take what is shared out of it: any number of threads may use one.
#[derive(Debug)]
pub(crate) struct Entry(Arc<Home>);

impl Handled for Entry {
    const TAG: u32 = 0x52c7_0000;
    const NOT_OPEN: Errno = Errno::EFAULT;

    fn spare() -> &'static Own<Spare<Self>> {
        static SPARE: Own<Spare<Entry>> = Own::new();
        &SPARE
    }
}

/// What the context behind `handle` shares.
///
/// # Safety
/// `handle` is null, or was made by [`zmq_ctx_new`].
pub(crate) unsafe fn home(handle: *mut c_void) -> Result<Arc<Home>> {
    // SAFETY: the caller's duty.
    Ok(unsafe { handle::visit::<Entry>(handle) }?.0.clone())
}

/// Makes a context. Never null, other than libzmq's: it takes nothing of the system until there is a socket.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_ctx_new() -> *mut c_void {
    call(|| Ok(handle::open(Entry(Arc::new(Home::new())))))
}

/// Makes a context whose sockets' connections are served by `io_threads` threads. Deprecated, as in libzmq.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_init(io_threads: c_int) -> *mut c_void {
    call(|| {
        let home = Home::new();
        home.set(ZMQ_IO_THREADS, io_threads)?;
        Ok(handle::open(Entry(Arc::new(home))))
    })
}

/// Ends a context: every call of its sockets fails with `ETERM` from now on, those that wait too; then waits until all of
/// them are closed and what they sent has gone out, or their lingers are over.
///
/// # Errors
/// `EFAULT`: not a context. `EINTR`: a signal ended the wait; to be called again.
///
/// # Safety
/// `context` is null, or was made by [`zmq_ctx_new`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_term(context: *mut c_void) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        let home = match unsafe { home(context) } {
            // Of a parent process, whose threads are not here: there is nothing to wait for, or to free.
            Err(Errno::ETERM) => {
                // SAFETY: the caller's duty.
                unsafe { handle::close::<Entry>(context) }?;
                return Ok(0);
            }
            home => home?,
        };
        if let Some(context) = home.end() {
            // Without end: how long lingers last is the sockets' to say.
            context.shutdown_interruptible(Duration::MAX).map_err(|_| Errno::EINTR)?;
        }
        // What programs gave to be sent is theirs again.
        reaper::settle();
        // SAFETY: the caller's duty.
        unsafe { handle::close::<Entry>(context) }?;
        Ok(0)
    })
}

/// As [`zmq_ctx_term`], under its deprecated name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_destroy(context: *mut c_void) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { zmq_ctx_term(context) }
}

/// As [`zmq_ctx_term`], under its first name.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_term(context: *mut c_void) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { zmq_ctx_term(context) }
}

/// What [`zmq_ctx_term`] begins with: every call of the context's sockets fails with `ETERM` from now on, those that wait
/// too. Does not wait; nothing queued is lost by it.
///
/// # Safety
/// `context` is null, or was made by [`zmq_ctx_new`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_shutdown(context: *mut c_void) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        unsafe { home(context) }?.end();
        Ok(0)
    })
}

/// Sets one of a context's options. Threads are settled by the first socket. `ZMQ_THREAD_PRIORITY`, `_SCHED_POLICY`,
/// `_AFFINITY_CPU_ADD`, `_AFFINITY_CPU_REMOVE`, `_NAME_PREFIX` and `ZMQ_ZERO_COPY_RECV` are `EINVAL` here.
///
/// # Errors
/// `EFAULT`: not a context. `EINVAL`: no such option, or not such a value.
///
/// # Safety
/// `context` is null, or was made by [`zmq_ctx_new`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        unsafe { home(context) }?.set(option, value)?;
        Ok(0)
    })
}

/// One of a context's options.
///
/// # Errors
/// `EFAULT`: not a context. `EINVAL`: no such option.
///
/// # Safety
/// `context` is null, or was made by [`zmq_ctx_new`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int {
    // SAFETY: the caller's duty.
    call(|| unsafe { home(context) }?.option(option))
}

/// As [`zmq_ctx_set`], of a value of any size. Draft in libzmq. All options there are, are of `int`.
///
/// # Errors
/// As there; also `EINVAL` if it is not the size of an `int`.
///
/// # Safety
/// As there; and `value` points to `size` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_set_ext(
    context: *mut c_void,
    option: c_int,
    value: *const c_void,
    size: size_t,
) -> c_int {
    call(|| {
        if value.is_null() || size != size_of::<c_int>() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the caller's duty.
        let value = unsafe { value.cast::<c_int>().read_unaligned() };
        // SAFETY: the caller's duty.
        unsafe { home(context) }?.set(option, value)?;
        Ok(0)
    })
}

/// As [`zmq_ctx_get`], of a value of any size. Draft in libzmq. All options there are, are of `int`.
///
/// # Errors
/// As there; also `EINVAL` if there is no room for an `int`.
///
/// # Safety
/// As there; and `value` points to `*size` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_get_ext(
    context: *mut c_void,
    option: c_int,
    value: *mut c_void,
    size: *mut size_t,
) -> c_int {
    call(|| {
        // SAFETY: the caller's duty.
        if value.is_null() || size.is_null() || unsafe { size.read() } < size_of::<c_int>() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the caller's duty.
        let number = unsafe { home(context) }?.option(option)?;
        // SAFETY: there is room, as was just seen.
        unsafe { value.cast::<c_int>().write_unaligned(number) };
        // SAFETY: the caller's duty.
        unsafe { size.write(size_of::<c_int>()) };
        Ok(0)
    })
}
