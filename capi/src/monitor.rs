//! `zmq_socket_monitor`: what happens to a socket, sent through a PAIR.
//!
//! Each monitored socket has a thread, a [`Pump`]'s. It waits for what Ringway's [`Monitor`] tells, says it in libzmq's words
//! (`words`), and sends that through a PAIR in the same context. Waiting for the program to read holds up that thread and
//! nothing else: what happens meanwhile is kept, up to a thousand events, of which the oldest give way.
//!
//! The thread ends, and its PAIR with it, when it is told to, when the socket is closed, or when the context is terminated.
//! It says so last, `ZMQ_EVENT_MONITOR_STOPPED`, unless the context was: nothing can be sent then. Once it is about to end it
//! waits for nobody any more.

mod words;

use std::{
    ffi::CStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use libc::{c_char, c_int, c_void};
use ringway::{
    Context, Endpoint, Message, Monitor, Pair, Poller, WaitPolicy,
    monitor::{Event, EventKind, MonitorStopper},
    poll::{Events, Interest, Waker},
    socket::SendFailure,
};
use words::{Told, Words};

use crate::{
    constants::*,
    error::{Errno, Result, call},
    socket,
    thread::with_signals_blocked,
};

/// What feeds the PAIR of a monitored socket. Dropped, it ends by itself.
#[derive(Debug)]
pub(crate) struct Pump {
    is_ending: Arc<AtomicBool>,
    stopper: MonitorStopper,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Pump {
    /// Begins to send what `monitor` tells from now on, of the events of `mask`, to who connects to `endpoint`.
    fn start(context: &Context, endpoint: &str, mask: u16, mut monitor: Monitor) -> Result<Self> {
        // The monitor has been told what was there already, which libzmq does not tell.
        let now = Instant::now();
        let mut words = Words::default();
        let mut first = None;
        while first.is_none()
            && let Ok(event) = monitor.try_recv()
        {
            if event.at <= now {
                words.say(&event.kind, |_| {});
            } else {
                first = Some(event);
            }
        }
        let builder = Pair::builder().wait(WaitPolicy::Park).linger(Duration::ZERO);
        let mut pair = builder.build(context).map_err(|_| Errno::ETERM)?;
        pair.bind(endpoint)?;
        let mut poller = Poller::with_policy(WaitPolicy::Park);
        poller.add(&mut pair, Interest::WRITABLE, 0).map_err(|_| Errno::EMFILE)?;
        let is_ending = Arc::new(AtomicBool::new(false));
        let (stopper, waker) = (monitor.stopper(), poller.waker());
        let outlet = Outlet { pair, poller, events: Events::new(), mask, is_ending: is_ending.clone() };
        let pump = move || outlet.pump(first, monitor, words);
        let thread = with_signals_blocked(|| thread::Builder::new().name("ringway-monitor".into()).spawn(pump))?
            .map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EAGAIN)))?;
        Ok(Self { is_ending, stopper, waker, thread: Some(thread) })
    }

    /// Ends, and waits until the endpoint is free again: a moment, as the thread waits for nobody.
    fn stop(mut self) {
        self.end();
        if let Some(thread) = self.thread.take() {
            // A panic there is told by its own thread.
            let _ = thread.join();
        }
    }

    fn end(&self) {
        // Release: pairs with Acquire in `Outlet::send`, which looks before it waits; a wake that comes before is kept.
        self.is_ending.store(true, Ordering::Release);
        self.stopper.stop();
        self.waker.wake();
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.end();
    }
}

/// The sending end.
struct Outlet {
    pair: Pair,
    poller: Poller,
    events: Events,
    mask: u16,
    is_ending: Arc<AtomicBool>,
}

/// Nothing can be sent any more.
struct Over;

impl Outlet {
    fn pump(mut self, first: Option<Event>, monitor: Monitor, mut words: Words) {
        for event in first.into_iter().chain(monitor) {
            if event.kind == EventKind::ContextClosed || event.kind == EventKind::Closed {
                break;
            }
            let mut over = false;
            words.say(&event.kind, |told| over |= self.send(told).is_err());
            if over {
                return;
            }
        }
        self.is_ending.store(true, Ordering::Relaxed);
        // In vain if the context is terminated.
        let _ = self.send(Told { event: ZMQ_EVENT_MONITOR_STOPPED, value: 0, endpoint: String::new() });
    }

    /// Sends it if it is wanted; waits until there is room, unless it is about to end.
    fn send(&mut self, told: Told) -> std::result::Result<(), Over> {
        if c_int::from(self.mask) & told.event == 0 {
            return Ok(());
        }
        let mut message = told.into_message();
        loop {
            match self.pair.try_send(message) {
                Ok(()) => return Ok(()),
                Err(error) if error.reason == SendFailure::ContextClosed => return Err(Over),
                Err(error) => message = error.message,
            }
            // Acquire: pairs with Release in `Pump::end`.
            if self.is_ending.load(Ordering::Acquire) {
                return Ok(());
            }
            if self.poller.wait(&mut self.events, None).is_err() {
                return Err(Over);
            }
        }
    }
}

impl Told {
    /// As libzmq puts it: a frame of `uint16_t` event and `int32_t` value, in native order, and one of the endpoint.
    fn into_message(self) -> Message {
        let mut head = [0; 6];
        head[..2].copy_from_slice(&(self.event as u16).to_ne_bytes());
        head[2..].copy_from_slice(&self.value.to_ne_bytes());
        let mut message = Message::from(head);
        message.push(self.endpoint);
        message
    }
}

/// Sends what happens to `socket` from now on, the events of the mask, to a PAIR that connects to `endpoint`, which is
/// `inproc://`: a frame of `uint16_t` event and `int32_t` value, in native order, and one of the endpoint. Values are as
/// libzmq's, but for descriptors: they are -1. A socket has one monitor: a second call ends the first. With a null
/// `endpoint` it ends; the last event is `ZMQ_EVENT_MONITOR_STOPPED`.
///
/// # Errors
/// `EINVAL`: not an endpoint, or an event there is not. `EPROTONOSUPPORT`: not `inproc://`. `EADDRINUSE`: it is taken.
/// `ENOTSOCK`: not an open socket. `ETERM`: the context is terminated.
///
/// # Safety
/// `socket` is null, or was made by zmq_socket; `endpoint` is null or a C string.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_socket_monitor(
    socket: *mut c_void,
    endpoint: *const c_char,
    events: c_int,
) -> c_int {
    // SAFETY: the caller's duty.
    call(|| unsafe { monitor(socket, endpoint, events as u64) })
}

/// Draft. As [`zmq_socket_monitor`], if `version` is 1 and `kind` is `ZMQ_PAIR`. `ENOTSUP` if `version` is 2, or `kind` PUB or PUSH.
///
/// # Errors
/// As there; `EINVAL` also of another version or kind.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_socket_monitor_versioned(
    socket: *mut c_void,
    endpoint: *const c_char,
    events: u64,
    version: c_int,
    kind: c_int,
) -> c_int {
    call(|| match (version, kind) {
        // SAFETY: the caller's duty.
        (ZMQ_CURRENT_EVENT_VERSION, ZMQ_PAIR) => unsafe { monitor(socket, endpoint, events) },
        (ZMQ_CURRENT_EVENT_VERSION | ZMQ_CURRENT_EVENT_VERSION_DRAFT, ZMQ_PAIR | ZMQ_PUB | ZMQ_PUSH) => {
            Err(Errno::ENOTSUP)
        }
        _ => Err(Errno::EINVAL),
    })
}

/// # Safety
/// As for [`zmq_socket_monitor`].
unsafe fn monitor(socket: *mut c_void, endpoint: *const c_char, events: u64) -> Result<c_int> {
    // SAFETY: the caller's duty.
    let mut socket = unsafe { socket::enter(socket) }?;
    if endpoint.is_null() {
        if let Some(pump) = socket.monitor_mut().take() {
            pump.stop();
        }
        return Ok(0);
    }
    let mask = u16::try_from(events).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the caller's duty.
    let endpoint = unsafe { CStr::from_ptr(endpoint) }.to_str().map_err(|_| Errno::EINVAL)?;
    match endpoint.parse::<Endpoint>() {
        Ok(Endpoint::Inproc(_)) => {}
        Ok(_) => return Err(Errno::EPROTONOSUPPORT),
        Err(error) => return Err(socket::endpoint_errno(&error)),
    }
    if let Some(pump) = socket.monitor_mut().take() {
        pump.stop();
    }
    let (context, _) = socket.home().for_socket()?;
    let monitor = socket.core().monitor();
    let pump = Pump::start(&context, endpoint, mask, monitor)?;
    *socket.monitor_mut() = Some(pump);
    Ok(0)
}
