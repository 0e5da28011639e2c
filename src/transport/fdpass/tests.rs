//! Descriptors that come, and come in bad faith; doorbells, and what is sent for one.

#![forbid(unsafe_code)]

use std::{
    env,
    fs::File,
    io::{self, ErrorKind, IoSlice, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream},
    },
    process::{self, Command, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{FdFlags, fcntl_getfd},
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
    process::Resource,
};

use super::*;
use crate::shm::tests::{alone, descriptors, limit};

fn null() -> File {
    File::open("/dev/null").unwrap()
}

/// Is it the same file?
fn is_same(one: impl AsFd, other: impl AsFd) -> bool {
    let id = |status: rustix::fs::Stat| (status.st_dev, status.st_ino);
    id(rustix::fs::fstat(one).unwrap()) == id(rustix::fs::fstat(other).unwrap())
}

/// Sends as somebody would who follows no rules.
fn send_many(stream: &UnixStream, bytes: &[u8], count: usize) {
    let file = null();
    let fds: Vec<BorrowedFd<'_>> = (0..count).map(|_| file.as_fd()).collect();
    let mut space = vec![std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    assert_eq!(sendmsg(stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL), Ok(bytes.len()));
}

fn received(stream: &UnixStream, fds: &mut Descriptors) -> Vec<u8> {
    let mut buffer = [0; 100];
    let size = recv(stream, &mut buffer, fds).unwrap();
    buffer[..size].to_vec()
}

#[test]
fn descriptors_come_with_the_bytes_they_were_sent_with() {
    let (one, other) = UnixStream::pair().unwrap();
    let (null, zero) = (null(), File::open("/dev/zero").unwrap());
    assert_eq!(send(&one, &[IoSlice::new(b"before")], &[]).unwrap(), 6);
    let parts = [IoSlice::new(b"off"), IoSlice::new(b"er")];
    assert_eq!(send(&one, &parts, &[null.as_fd(), zero.as_fd()]).unwrap(), 5);
    assert_eq!(send(&one, &[IoSlice::new(b"after")], &[]).unwrap(), 5);
    let mut fds = Descriptors::default();
    assert_eq!(received(&other, &mut fds), b"beforeoffer");
    assert_eq!((fds.len(), fds.refused(), fds.are_cut()), (2, 0, false));
    let came = fds.take();
    assert!(is_same(&came[0], &null) && is_same(&came[1], &zero) && fds.is_empty());
    assert!(came.iter().all(|fd| fcntl_getfd(fd).unwrap().contains(FdFlags::CLOEXEC)));
    assert_eq!(received(&other, &mut fds), b"after");
    assert!(fds.is_empty());
    drop(one);
    assert_eq!(received(&other, &mut fds), b"");
}

#[test]
fn a_read_of_a_part_has_the_descriptors_of_all_of_it() {
    let (one, other) = UnixStream::pair().unwrap();
    send(&one, &[IoSlice::new(b"offer")], &[null().as_fd()]).unwrap();
    let (mut fds, mut byte) = (Descriptors::default(), [0]);
    assert_eq!((recv(&other, &mut byte, &mut fds).unwrap(), fds.len()), (1, 1));
    assert_eq!((received(&other, &mut fds), fds.len()), (b"ffer".to_vec(), 1));
}

#[test]
fn too_many_at_once_are_cut() {
    alone("transport::fdpass::tests::too_many_at_once_are_cut", || {
        let (one, other) = UnixStream::pair().unwrap();
        let before = descriptors();
        for count in [Descriptors::ROOM + 3, 100, 253] {
            send_many(&one, b"x", count);
            let mut fds = Descriptors::default();
            assert_eq!(received(&other, &mut fds), b"x");
            assert_eq!((fds.len(), fds.are_cut()), (Descriptors::ROOM, true));
            assert_eq!(descriptors(), before + Descriptors::ROOM);
            drop(fds);
            assert_eq!(descriptors(), before);
        }
    });
}

#[test]
fn too_many_one_after_another_are_closed_and_counted() {
    alone("transport::fdpass::tests::too_many_one_after_another_are_closed_and_counted", || {
        let (one, other) = UnixStream::pair().unwrap();
        let before = descriptors();
        let mut fds = Descriptors::default();
        for came in 1..20_u64 {
            send_many(&one, b"x", 1);
            assert_eq!(received(&other, &mut fds), b"x");
            let room = Descriptors::ROOM as u64;
            assert_eq!((fds.len() as u64, fds.refused()), (came.min(room), came.saturating_sub(room)));
        }
        assert_eq!(descriptors(), before + Descriptors::ROOM);
        fds.refuse();
        assert_eq!((fds.len(), fds.refused(), fds.are_cut(), descriptors()), (0, 19, false, before));
    });
}

#[test]
fn descriptors_that_the_process_has_no_room_for_are_cut() {
    alone("transport::fdpass::tests::descriptors_that_the_process_has_no_room_for_are_cut", || {
        let (one, other) = UnixStream::pair().unwrap();
        send_many(&one, b"x", 2);
        limit(Resource::Nofile, 32);
        let mut open = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            open.push(file);
        }
        open.pop();
        let mut fds = Descriptors::default();
        assert_eq!(received(&other, &mut fds), b"x");
        assert_eq!((fds.len(), fds.are_cut()), (1, true));
    });
}

#[test]
fn a_stream_that_is_full_or_closed_says_so() {
    let (one, other) = UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    let large = vec![0; 1 << 20];
    let written = send(&one, &[IoSlice::new(&large)], &[null().as_fd()]).unwrap();
    assert!(0 < written && written < large.len());
    let full = send(&one, &[IoSlice::new(&large)], &[null().as_fd()]).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    let mut fds = Descriptors::default();
    assert_eq!(recv(&one, &mut [0], &mut fds).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(other);
    assert_eq!(send(&one, &[IoSlice::new(b"x")], &[]).unwrap_err().kind(), ErrorKind::BrokenPipe);
}

fn is_readable(fd: impl AsFd) -> bool {
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&Timespec::default())).unwrap() == 1
}

/// The knocker as a peer has it, who was sent it over a stream.
fn passed(knocker: Knocker) -> Knocker {
    let (one, other) = UnixStream::pair().unwrap();
    send(&one, &[IoSlice::new(b"x")], &[knocker.as_fd()]).unwrap();
    drop(knocker);
    let mut fds = Descriptors::default();
    assert_eq!(received(&other, &mut fds), b"x");
    Knocker::from_peer(fds.take().remove(0)).unwrap()
}

#[test]
fn a_knock_wakes() {
    let (bell, knocker) = doorbell().unwrap();
    let knocker = passed(knocker);
    for knocks in [1, 2, 100] {
        assert!(!is_readable(&bell));
        (0..knocks).for_each(|_| knocker.knock());
        assert!(is_readable(&bell) && bell.drain() == Some(true) && !is_readable(&bell));
        assert_eq!(bell.drain(), Some(false));
    }
}

#[test]
fn knocks_that_nobody_hears_cost_nothing_and_block_nobody() {
    let (bell, knocker) = doorbell().unwrap();
    let knocker = passed(knocker);
    // Whatever its owner has made of it.
    rustix::io::ioctl_fionbio(knocker.as_fd(), false).unwrap();
    (0..10_000).for_each(|_| knocker.knock());
    assert!(is_readable(&bell) && bell.drain().is_some());
}

#[test]
fn a_doorbell_that_is_abused_is_of_no_use() {
    let (bell, knocker) = doorbell().unwrap();
    let flood: UnixStream = knocker.as_fd().try_clone_to_owned().unwrap().into();
    (&flood).write_all(&[0; 10_000]).unwrap();
    assert_eq!(bell.drain(), None);
    drop((flood, knocker));
    let (bell, knocker) = doorbell().unwrap();
    knocker.knock();
    drop(knocker);
    assert!(bell.drain().is_some() && is_readable(&bell) && bell.drain().is_none());
}

#[test]
fn descriptors_sent_to_a_doorbell_are_not_taken() {
    alone("transport::fdpass::tests::descriptors_sent_to_a_doorbell_are_not_taken", || {
        let (bell, knocker) = doorbell().unwrap();
        let stream: UnixStream = knocker.as_fd().try_clone_to_owned().unwrap().into();
        let before = descriptors();
        for _ in 0..10 {
            send_many(&stream, b"x", 100);
            assert!(bell.drain().is_some() && descriptors() == before);
        }
    });
}

#[test]
fn a_doorbell_whose_owner_is_gone_may_be_knocked_at() {
    let (bell, knocker) = doorbell().unwrap();
    drop(bell);
    knocker.knock();
}

#[test]
fn what_is_sent_for_a_doorbell_is_looked_at() {
    let refused = |fd: OwnedFd| assert_eq!(Knocker::from_peer(fd).map(drop), Err(NotADoorbell));
    refused(null().into());
    refused(io::pipe().unwrap().1.into());
    refused(UnixDatagram::unbound().unwrap().into());
    refused(std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into());
    refused(std::net::TcpListener::bind("127.0.0.1:0").unwrap().into());
    // A socket that will never be heard is one still; a knock at it is for nothing.
    let directory = std::env::temp_dir().join(format!("ringway-knock-{}", std::process::id()));
    let listener = UnixListener::bind(&directory).unwrap();
    std::fs::remove_file(&directory).unwrap();
    Knocker::from_peer(listener.into()).unwrap().knock();
    let (one, mut other) = UnixStream::pair().unwrap();
    Knocker::from_peer(one.into()).unwrap().knock();
    assert_eq!(other.read(&mut [0; 8]).unwrap(), 1);
}

#[test]
fn what_the_system_refuses_is_said() {
    use crate::shm::{Step, refusal::refused_here};
    let code = |error: io::Error| error.raw_os_error();
    let refused = refused_here(Step::Pair, libc::EMFILE, || doorbell().map(drop));
    assert_eq!(refused.map_err(code), Err(Some(libc::EMFILE)));
    let (one, _other) = UnixStream::pair().unwrap();
    let refused = refused_here(Step::Watch, libc::ENOSYS, || Liveness::of_peer(&one).map(drop));
    assert_eq!(refused.map_err(code), Err(Some(libc::ENOSYS)));
}

#[test]
fn credentials_are_of_the_process_at_the_other_end() {
    let (one, _other) = UnixStream::pair().unwrap();
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let pid = i32::try_from(process::id()).ok();
    assert_eq!(credentials(&one).unwrap(), Credentials { pid, uid, gid });
    for liveness in [Liveness::of_peer(&one).unwrap(), Liveness::by_number(&one).unwrap()] {
        assert!(!liveness.is_dead());
    }
    assert!(credentials(null()).is_err() && Liveness::of_peer(null()).is_err());
}

/// Connects, gives the stream to a process that outlives this one, says so, and waits for its end.
fn be_a_peer(name: &str) -> ! {
    let stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
    // Ends with the stream, at the latest.
    Command::new("cat").stdin(OwnedFd::from(stream.try_clone().unwrap())).stdout(Stdio::null()).spawn().unwrap();
    (&stream).write_all(b"!").unwrap();
    let _ = (&stream).read(&mut [0]);
    process::exit(0);
}

#[test]
fn a_death_is_told_though_another_process_has_the_stream() {
    if let Ok(name) = env::var("RINGWAY_TEST_PEER") {
        be_a_peer(&name);
    }
    let name = format!("ringway-test-{}", process::id());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["transport::fdpass::tests::a_death_is_told_though_another_process_has_the_stream", "--exact"])
        .env("RINGWAY_TEST_PEER", &name)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0]).unwrap();
    assert_eq!(credentials(&stream).unwrap().pid, i32::try_from(child.id()).ok());
    let liveness = [Liveness::of_peer(&stream).unwrap(), Liveness::by_number(&stream).unwrap()];
    assert!(liveness.iter().all(|liveness| !liveness.is_dead()));
    child.kill().unwrap();
    for liveness in &liveness {
        poll(&mut [PollFd::new(liveness, PollFlags::IN)], None).unwrap();
        assert!(liveness.is_dead());
    }
    stream.set_nonblocking(true).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    child.wait().unwrap();
    assert!(liveness.iter().all(Liveness::is_dead));
    // What is asked of one that is gone: an answer of some kind, and no other process.
    assert!(Liveness::of_peer(&stream).map_or(true, |liveness| liveness.is_dead()));
}
