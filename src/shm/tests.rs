//! Segments as they are made, and all that a peer may try instead.

use std::{
    env, io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    process::Command,
    ptr, thread,
};

use rustix::{
    fs::{
        FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, ftruncate,
        memfd_create, open,
    },
    io::{Errno, pwrite, write},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use super::{
    header::{SIZE_MAX, SIZE_MIN},
    layout::{CLOSED, POSITION, RECV_HWM, TAKEN},
    refusal::{refuse, refused_here},
    region::SEALS,
    *,
};
use crate::sync::Ordering;

const SIZE: usize = Layout::size_for(16 << 10);

/// Runs a test in a process where no other runs: it counts descriptors, or changes what all of them share.
pub(crate) fn alone(name: &str, test: impl FnOnce()) {
    if env::var_os("RINGWAY_TEST_ALONE").is_some() {
        return test();
    }
    let this = env::current_exe().unwrap();
    let output = Command::new(this).args([name, "--exact"]).env("RINGWAY_TEST_ALONE", "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{:?}: {told}", output.status);
}

/// How many descriptors this process has.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Limits what this process may have.
pub(crate) fn limit(what: Resource, most: u64) {
    setrlimit(what, Rlimit { current: Some(most), ..getrlimit(what) }).unwrap();
}

/// How many segments this process has mapped.
fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().filter(|line| line.contains("/memfd:ringway")).count()
}

/// The descriptor as the peer has it.
fn sent(region: &Region) -> OwnedFd {
    region.descriptor().try_clone_to_owned().unwrap()
}

/// As a peer would make memory that has something wrong.
fn memory(size: u64, allocated: u64, seals: SealFlags) -> OwnedFd {
    let file = memfd_create("peer", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, size).unwrap();
    if allocated > 0 {
        fallocate(&file, FallocateFlags::empty(), 0, allocated).unwrap();
    }
    fcntl_add_seals(&file, seals).unwrap();
    file
}

fn size_of_ours() -> u64 {
    SIZE.try_into().unwrap()
}

fn map(file: impl Into<OwnedFd>) -> Result<Foreign, ForeignError> {
    Foreign::map(file.into(), size_of_ours())
}

fn mapped(file: BorrowedFd<'_>, protection: i32) -> Result<*mut libc::c_void, Option<i32>> {
    // SAFETY: a mapping where the system likes, which nobody uses.
    let at = unsafe { libc::mmap(ptr::null_mut(), SIZE, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error().raw_os_error()) } else { Ok(at) }
}

#[test]
fn a_peer_sees_what_is_written() {
    let mut region = Region::create(SIZE).unwrap();
    let layout = Layout::write(&region, 16 << 10, 1000);
    let foreign = map(sent(&region)).unwrap();
    region.forget_descriptor();
    assert_eq!((region.size(), foreign.size()), (SIZE, SIZE));
    assert_eq!(Layout::check(&foreign), Ok(layout));
    assert_eq!((layout.ring, layout.capacity), (4096, 16 << 10));
    let word = |at| foreign.word(at).load(Ordering::Relaxed);
    assert_eq!((word(RECV_HWM), word(POSITION), word(TAKEN), word(CLOSED)), (1000, 0, 0, 0));
    region.word(POSITION).store(77, Ordering::Release);
    assert_eq!(word(POSITION), 77);
    region.copy_in(layout.ring + 5, b"hello");
    let mut bytes = [MaybeUninit::uninit(); 7];
    foreign.copy_out(layout.ring + 4, &mut bytes);
    // SAFETY: `copy_out` wrote all of it.
    assert_eq!(&bytes.map(|byte| unsafe { byte.assume_init() }), b"\0hello\0");
    drop(region);
    // It is there as long as anybody has it.
    assert_eq!(word(POSITION), 77);
}

#[test]
fn nobody_else_writes_it() {
    let region = Region::create(SIZE).unwrap();
    let file = sent(&region);
    assert_eq!(fcntl_get_seals(&file).unwrap().difference(SealFlags::EXEC), SEALS);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let reopened = open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
    for file in [&file, &reopened] {
        assert_eq!(ftruncate(file, size_of_ours() - 4096), Err(Errno::PERM));
        assert_eq!(ftruncate(file, size_of_ours() + 4096), Err(Errno::PERM));
        assert_eq!(fallocate(file, FallocateFlags::empty(), 0, size_of_ours() + 4096), Err(Errno::PERM));
        assert_eq!(write(file, b"x"), Err(Errno::PERM));
        assert_eq!(pwrite(file, b"x", 4096), Err(Errno::PERM));
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        assert_eq!(fallocate(file, punch, 0, 4096), Err(Errno::PERM));
        assert_eq!(fcntl_add_seals(file, SealFlags::WRITE), Err(Errno::PERM));
        assert_eq!(mapped(file.as_fd(), libc::PROT_READ | libc::PROT_WRITE), Err(Some(libc::EPERM)));
        let readable = mapped(file.as_fd(), libc::PROT_READ).unwrap();
        // SAFETY: it was mapped just now.
        let protected = unsafe { libc::mprotect(readable, SIZE, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!((protected, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EACCES)));
        // SAFETY: as above.
        unsafe { libc::munmap(readable, SIZE) };
    }
    // And who may write it cannot take pages away that a reader is at.
    let page = ptr::from_ref(region.word(4096)).cast_mut().cast();
    // SAFETY: a page of the region's, which stays where it is.
    let removed = unsafe { libc::madvise(page, 4096, libc::MADV_REMOVE) };
    assert_eq!((removed, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EPERM)));
}

#[test]
fn it_is_what_it_says_or_not_mapped() {
    let size = size_of_ours();
    let error = |file: OwnedFd| map(file).unwrap_err();
    let short = size - 4096;
    assert_eq!(error(memory(short, short, SEALS)), ForeignError::OtherSize { expected: size, is: short });
    let long = size + 4096;
    assert_eq!(error(memory(long, long, SEALS)), ForeignError::OtherSize { expected: size, is: long });
    assert_eq!(error(memory(size, 0, SEALS)), ForeignError::Sparse { allocated: 0 });
    assert_eq!(error(memory(size, short, SEALS)), ForeignError::Sparse { allocated: short });
    for missing in SEALS {
        let seals = SEALS.difference(missing);
        assert_eq!(error(memory(size, size, seals)), ForeignError::Unsealed { seals: seals.bits() });
    }
    let seals = SEALS | SealFlags::WRITE;
    assert_eq!(error(memory(size, size, seals)), ForeignError::Unsealed { seals: seals.bits() });
    assert!(map(memory(size, size, SEALS)).is_ok());
    assert!(ForeignError::NotMemory.is_of_peer() && ForeignError::Sparse { allocated: 0 }.is_of_peer());
}

#[test]
fn sizes_that_no_segment_has_are_refused() {
    for size in [0, 1, 4096, SIZE_MIN as u64 - 1, SIZE_MAX as u64 + 1, 1 << 40, u64::MAX] {
        let error = Foreign::map(memory(size_of_ours(), 0, SEALS), size).unwrap_err();
        assert_eq!(error, ForeignError::OutOfRange { size });
    }
}

#[test]
fn what_is_no_memory_is_refused() {
    let error = |file: OwnedFd| map(file).unwrap_err();
    let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    assert_eq!(error(one.into()), ForeignError::NotMemory);
    assert_eq!(error(io::pipe().unwrap().0.into()), ForeignError::NotMemory);
    assert_eq!(error(std::fs::File::open("/dev/zero").unwrap().into()), ForeignError::NotMemory);
    assert_eq!(error(std::fs::File::open("/").unwrap().into()), ForeignError::NotMemory);
    assert_eq!(error(std::fs::File::open("/proc/self/exe").unwrap().into()), ForeignError::NotMemory);
    // Named memory has seals that cannot be added to.
    let named = "/dev/shm/ringway-test-named";
    if let Ok(file) = std::fs::File::create_new(named) {
        std::fs::remove_file(named).unwrap();
        assert!(matches!(error(file.into()), ForeignError::Unsealed { .. } | ForeignError::NotMemory));
    }
    // Pages of another size may be missing when they are read.
    let huge = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
    if let Ok(file) = memfd_create("peer", huge) {
        ftruncate(&file, 2 << 20).unwrap();
        fcntl_add_seals(&file, SEALS).unwrap();
        assert_eq!(Foreign::map(file, 2 << 20).unwrap_err(), ForeignError::NotMemory);
    }
}

#[test]
fn a_descriptor_that_cannot_be_read_is_refused() {
    let region = Region::create(SIZE).unwrap();
    let path = format!("/proc/self/fd/{}", region.descriptor().as_raw_fd());
    let reopened = |flags| open(&path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap();
    assert_eq!(map(reopened(OFlags::WRONLY)).unwrap_err(), ForeignError::Unreadable);
    assert_eq!(map(reopened(OFlags::PATH)).unwrap_err(), ForeignError::NotMemory);
    assert!(map(reopened(OFlags::RDONLY)).is_ok());
}

#[test]
fn refusals_of_the_system_are_told_apart_and_leave_nothing() {
    alone("shm::tests::refusals_of_the_system_are_told_apart_and_leave_nothing", || {
        let region = Region::create(SIZE).unwrap();
        let before = (descriptors(), mappings());
        for step in [Step::Create, Step::Reserve, Step::Map, Step::Hide, Step::Seal] {
            let failed = |code| refused_here(step, code, || Region::create(SIZE).unwrap_err());
            assert_eq!(failed(libc::EMFILE), RegionError::TooManyDescriptors);
            assert_eq!(failed(libc::ENOMEM), RegionError::NoMemory);
            assert_eq!(failed(libc::ENOSPC), RegionError::NoMemory);
            let error = (&io::Error::from_raw_os_error(libc::EPERM)).into();
            assert_eq!(failed(libc::EPERM), RegionError::Refused { step, error });
            assert!(failed(libc::EPERM).to_string().contains(" memory") && Region::create(SIZE).is_ok());
        }
        for step in [Step::Inspect, Step::Map, Step::Hide] {
            let error = refused_here(step, libc::ENOMEM, || map(sent(&region)).unwrap_err());
            assert!(matches!(error, ForeignError::Refused { step: refused, .. } if refused == step));
            assert!(!error.is_of_peer());
        }
        // To other threads, too.
        let refused = refuse(Step::Create, libc::ENFILE);
        let elsewhere = || thread::spawn(|| Region::create(SIZE).map(drop)).join().unwrap();
        assert_eq!(elsewhere(), Err(RegionError::TooManyDescriptors));
        drop(refused);
        assert_eq!(elsewhere(), Ok(()));
        assert_eq!((descriptors(), mappings()), before);
    });
}

#[test]
fn nothing_is_left_of_segments() {
    alone("shm::tests::nothing_is_left_of_segments", || {
        let before = (descriptors(), mappings());
        for _ in 0..100 {
            let mut region = Region::create(SIZE).unwrap();
            let foreign = map(region.take_descriptor()).unwrap();
            assert_eq!((descriptors(), mappings()), (before.0, before.1 + 2));
            drop(foreign);
            let _ = map(memory(4096, 0, SEALS)).unwrap_err();
            drop(region);
        }
        assert_eq!((descriptors(), mappings()), before);
    });
}

#[test]
fn a_limit_of_files_is_no_death() {
    alone("shm::tests::a_limit_of_files_is_no_death", || {
        let before = getrlimit(Resource::Fsize);
        limit(Resource::Fsize, 4096);
        let error = Region::create(SIZE).unwrap_err();
        setrlimit(Resource::Fsize, before).unwrap();
        assert!(matches!(error, RegionError::Refused { step: Step::Reserve, .. }), "{error}");
        assert!(Region::create(SIZE).is_ok());
    });
}

#[test]
fn too_many_descriptors_is_said_so() {
    alone("shm::tests::too_many_descriptors_is_said_so", || {
        limit(Resource::Nofile, 64);
        let mut open = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            open.push(file);
        }
        assert_eq!(Region::create(SIZE).map(drop), Err(RegionError::TooManyDescriptors));
        open.pop();
        // One is enough, and it can be given away.
        let mut region = Region::create(SIZE).unwrap();
        assert!(map(region.take_descriptor()).is_ok());
    });
}

/// Is the page at an address mapped? In a child that has done nothing else: this is a system call and no more.
fn is_mapped(page: *mut libc::c_void) -> bool {
    let mut present = 0_u8;
    // SAFETY: asks about one page, whatever is there.
    unsafe { libc::mincore(page, 4096, &mut present) == 0 }
}

#[test]
fn a_forked_process_does_not_have_it() {
    alone("shm::tests::a_forked_process_does_not_have_it", || {
        let region = Region::create(SIZE).unwrap();
        let foreign = map(sent(&region)).unwrap();
        let pages = [0, SIZE - 8]
            .map(|at| [region.word(at), foreign.word(at)].map(|word| ptr::from_ref(word) as usize & !4095));
        let pages: Vec<_> = pages.into_iter().flatten().map(|page| page as *mut libc::c_void).collect();
        // Any other memory is inherited.
        let other = mapped(region.descriptor(), libc::PROT_READ).unwrap();
        assert!(pages.iter().all(|page| is_mapped(*page)) && is_mapped(other));
        // SAFETY: the child makes system calls only, and leaves without running anything else.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = if pages.iter().any(|page| is_mapped(*page)) { 1 } else { i32::from(!is_mapped(other)) * 2 };
            // SAFETY: runs no handlers.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: our child.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 0));
        // SAFETY: mapped above.
        unsafe { libc::munmap(other, SIZE) };
    });
}

#[test]
fn a_peer_that_scribbles_is_read_all_the_same() {
    let region = Region::create(SIZE).unwrap();
    let foreign = map(sent(&region)).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..2_000_u64 {
                let byte = u8::try_from(round & 0x7F).unwrap();
                region.copy_in(4096 + usize::from(byte), &[byte; 3001]);
                region.word(POSITION).store(round.wrapping_mul(0x9E37_79B9_7F4A_7C15), Ordering::Relaxed);
            }
        });
        while !writer.is_finished() {
            let mut bytes = [MaybeUninit::uninit(); 3200];
            foreign.copy_out(4096 + 3, &mut bytes);
            // SAFETY: `copy_out` wrote all of it.
            assert!(bytes.iter().all(|byte| unsafe { byte.assume_init() } < 0x80));
            let _ = foreign.word(POSITION).load(Ordering::Relaxed);
        }
    });
}

#[test]
fn headers_that_are_not_ours_are_refused() {
    let region = Region::create(SIZE).unwrap();
    let foreign = map(sent(&region)).unwrap();
    assert_eq!(Layout::check(&foreign), Err(LayoutError::NoSegment));
    let good = Layout::write(&region, 16 << 10, 0);
    let with = |at: usize, word: u64| {
        let before = region.word(at).swap(word, Ordering::Relaxed);
        let found = Layout::check(&foreign);
        region.word(at).store(before, Ordering::Relaxed);
        found
    };
    assert_eq!(with(0, header::MAGIC + 1), Err(LayoutError::NoSegment));
    let format = |version: u32, flags: u32| {
        let bytes = [version.to_ne_bytes(), flags.to_ne_bytes()].concat();
        u64::from_ne_bytes(bytes.try_into().unwrap())
    };
    assert_eq!(with(8, format(2, 0)), Err(LayoutError::Version(2)));
    assert_eq!(with(8, format(1, 4)), Err(LayoutError::Flags(4)));
    assert_eq!(with(16, size_of_ours() + 1), Err(LayoutError::Size(size_of_ours() + 1)));
    for offset in [0, 4095, 4097, 8192, 1 << 32, u64::MAX, u64::MAX - 4095] {
        assert_eq!(with(24, offset), Err(LayoutError::Ring { offset, capacity: 16 << 10 }));
    }
    for capacity in [0, 1, 2048, 12 << 10, 32 << 10, 1 << 40, 1 << 63, u64::MAX] {
        assert_eq!(with(32, capacity), Err(LayoutError::Ring { offset: 4096, capacity }));
    }
    // Smaller than there is room for, or further behind.
    assert_eq!(with(32, 8192), Ok(Layout { ring: 4096, capacity: 8192 }));
    assert_eq!(Layout::check(&foreign), Ok(good));
}
