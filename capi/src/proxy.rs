//! `zmq_proxy`, `zmq_proxy_steerable`, `zmq_device`: Ringway's proxy between two sockets of a program.
//!
//! What differs from libzmq 4.3.5: `PAUSE` pauses and `RESUME` resumes, and only a REP is answered beside `STATISTICS`, as
//! in libzmq after that version. Two sockets of which neither can send what the other receives are an error (`ENOTSUP`),
//! where libzmq waits for ever.

use libc::{c_int, c_void};
use ringway::{
    poll::PollError,
    proxy::{ProxyEnd, ProxyOptions, ProxyReport, proxy, proxy_one, proxy_one_way},
};

use crate::{
    error::{Errno, Result, call},
    handle::{self, Held},
    socket::{self, AnySocket, Socket},
};

/// What a proxy that a signal ended had received and not sent. Its frontend keeps it, and goes on with it when it is run again.
#[derive(Debug)]
pub(crate) struct InHand {
    /// The backend: its handle, and what tells it from others that had the same.
    backend: (usize, u32),
    report: ProxyReport,
}

/// Forwards messages both ways between `frontend` and `backend`, which may be the same, until the context of one of them is
/// terminated. `capture`, if it is not null, gets a copy of each. Nobody else can use the sockets meanwhile.
///
/// # Errors
/// `ETERM`: that is how it ends. `EINTR`: a signal came; to be called again. `EFAULT`: a side is null. `ENOTSOCK`: a socket is
/// not open. `ENOTSUP`: they cannot be forwarded between.
///
/// # Safety
/// The sockets are null, or were made by zmq_socket.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_proxy(frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void) -> c_int {
    // SAFETY: the caller's duty.
    call(|| unsafe { run(frontend, backend, capture, std::ptr::null_mut()) })
}

/// As [`zmq_proxy`], steered through `control`, if it is not null: messages `PAUSE`, `RESUME`, `TERMINATE` (returns 0) and
/// `STATISTICS`, which is answered with eight frames, each a `uint64_t`: messages and bytes received from the frontend and sent
/// to it, then those of the backend. A REP is answered an empty message beside that. Other messages are ignored.
///
/// # Errors
/// As there.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_proxy_steerable(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
    control: *mut c_void,
) -> c_int {
    // SAFETY: the caller's duty.
    call(|| unsafe { run(frontend, backend, capture, control) })
}

/// As [`zmq_proxy`] without a capture. The kind does not count, as in libzmq. Deprecated.
///
/// # Errors
/// As there.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_device(_kind: c_int, frontend: *mut c_void, backend: *mut c_void) -> c_int {
    // SAFETY: the caller's duty.
    unsafe { zmq_proxy(frontend, backend, std::ptr::null_mut()) }
}

/// # Safety
/// The sockets are null, or were made by zmq_socket.
unsafe fn run(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
    control: *mut c_void,
) -> Result<c_int> {
    if frontend.is_null() || backend.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: the caller's duty.
    let mut front = unsafe { socket::enter(frontend) }?;
    // SAFETY: the caller's duty.
    let enter_if = |socket: *mut c_void, wanted: bool| wanted.then(|| unsafe { socket::enter(socket) }).transpose();
    let mut back = enter_if(backend, backend != frontend)?;
    let mut capture = enter_if(capture, !capture.is_null())?;
    let mut control = enter_if(control, !control.is_null())?;
    // SAFETY: the caller's duty.
    let other = (backend.addr(), unsafe { handle::turn_of::<Socket>(backend) }?);

    let mut options = ProxyOptions::new().wait(front.home().wait).interruptible();
    if let Some(capture) = &mut capture {
        options = options.capture(capture.core().sending()?).wait_for_capture();
    }
    if let Some(control) = &mut control {
        options = steer(options, control.core())?;
    }
    if let Some(in_hand) = front.in_hand_mut().take_if(|in_hand| in_hand.backend == other) {
        options = options.after(in_hand.report);
    }
    let report = between(&mut front, back.as_mut(), options)?.map_err(|error| match error {
        PollError::System(error) => Errno(error.raw_os_error().unwrap_or(libc::EFAULT)),
        _ => Errno::EFAULT,
    })?;
    match report.end {
        ProxyEnd::Terminated => Ok(0),
        ProxyEnd::Interrupted => {
            if report.left_for_backend.is_some() || report.left_for_frontend.is_some() {
                *front.in_hand_mut() = Some(InHand { backend: other, report });
            }
            Err(Errno::EINTR)
        }
        _ => Err(Errno::ETERM),
    }
}

fn steer<'a>(options: ProxyOptions<'a>, control: &'a mut AnySocket) -> Result<ProxyOptions<'a>> {
    if control.both().is_ok() {
        Ok(options.control(control.both()?))
    } else {
        Ok(options.control_one_way(control.receiving()?))
    }
}

/// Forwards whichever way the two sockets can.
fn between(
    front: &mut Held<Socket>,
    back: Option<&mut Held<Socket>>,
    options: ProxyOptions<'_>,
) -> Result<std::result::Result<ProxyReport, PollError>> {
    let front = front.core();
    let Some(back) = back else { return Ok(proxy_one(front.both()?, options)) };
    let back = back.core();
    if front.both().is_ok() && back.both().is_ok() {
        return Ok(proxy(front.both()?, back.both()?, options));
    }
    if front.receiving().is_ok() && back.sending().is_ok() {
        return Ok(proxy_one_way(front.receiving()?, back.sending()?, options));
    }
    Ok(proxy_one_way(back.receiving()?, front.sending()?, options))
}
