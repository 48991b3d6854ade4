//! A kernel that refuses: descriptors, and rings.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{BOUND, alone, driver, guarded, listener, on_ring, open_files};
use crate::engine::uring::refused;
use crate::engine::{Engine, EngineError, Uring, offers, within};

type E = Uring;

const EMFILE: i32 = 24;

/// From now on so many descriptors can be had, and no more.
fn leave(more: usize) {
    let files = open_files();
    let open: Vec<u64> = files.iter().map(|file| file.split_once(' ').unwrap().0.parse().unwrap()).collect();
    // The lowest numbers that are free are taken: the limit is behind as many of them.
    let limit = (0..).filter(|number| !open.contains(number)).nth(more);
    setrlimit(Resource::Nofile, Rlimit { current: limit, ..getrlimit(Resource::Nofile) }).unwrap();
}

#[test]
fn without_descriptors_accepting_fails_without_spinning_and_goes_on_afterwards() {
    alone!(without_descriptors_accepting_fails_without_spinning_and_goes_on_afterwards, || {
        on_ring(|| async {
            let limit = getrlimit(Resource::Nofile);
            let socket = listener();
            let address = socket.local_addr().unwrap();
            let mut listening = E::listen(socket).unwrap();
            let peers: Vec<_> = (0..30).map(|_| TcpStream::connect(address).unwrap()).collect();
            leave(5);
            let mut accepted = Vec::new();
            let error = loop {
                match within::<E, _>(BOUND, E::accept(&mut listening)).await.unwrap() {
                    Ok(stream) => accepted.push(stream),
                    Err(error) => break error,
                }
            };
            assert_eq!((error.raw_os_error(), accepted.len()), (Some(EMFILE), 5));
            assert_eq!(E::connect(address).await.err().unwrap().raw_os_error(), Some(EMFILE));
            // One error for each time that somebody asks; nobody asks, and the ring sleeps.
            for _ in 0..3 {
                let again = within::<E, _>(BOUND, E::accept(&mut listening)).await.unwrap();
                assert_eq!(again.err().unwrap().raw_os_error(), Some(EMFILE));
                let before = driver::with(|driver| driver.totals());
                E::sleep_until(Instant::now() + Duration::from_millis(30)).await;
                let since = driver::with(|driver| driver.totals()).since(&before);
                assert!(since.enters < 10 && since.submissions < 10, "{since:?}");
            }
            // One at a time.
            for _ in 0..5 {
                drop(accepted.pop());
                E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
                loop {
                    match within::<E, _>(BOUND, E::accept(&mut listening)).await.unwrap() {
                        Ok(stream) => break accepted.insert(0, stream),
                        Err(error) => assert_eq!(error.raw_os_error(), Some(EMFILE)),
                    }
                }
            }
            setrlimit(Resource::Nofile, limit).unwrap();
            let mut all = 10;
            while all < peers.len() {
                match within::<E, _>(BOUND, E::accept(&mut listening)).await.unwrap() {
                    Ok(stream) => {
                        accepted.push(stream);
                        all += 1;
                    }
                    // What was said before the limit was lifted.
                    Err(error) => assert_eq!(error.raw_os_error(), Some(EMFILE)),
                }
            }
        });
    });
}

#[test]
fn without_descriptors_the_engine_does_not_start_and_does_afterwards() {
    alone!(without_descriptors_the_engine_does_not_start_and_does_afterwards, || {
        guarded(|| {
            E::run(|| async {}).unwrap();
            let limit = getrlimit(Resource::Nofile);
            let before = open_files();
            // None for the ring; one for the ring, and none for the bell.
            for more in [0, 1] {
                leave(more);
                let error = E::run(|| async {}).unwrap_err();
                let EngineError::Setup { source, .. } = &error else { panic!("{error}") };
                assert_eq!(source.raw_os_error(), Some(EMFILE));
                setrlimit(Resource::Nofile, limit).unwrap();
                assert_eq!(open_files(), before);
            }
            E::run(|| async {}).unwrap();
        });
    });
}

#[test]
fn each_refusal_says_what_to_do() {
    const ENOMEM: i32 = 12;
    for (code, says) in [
        (1, ["kernel.io_uring_disabled", "try --engine epoll"]),
        (38, ["older than 5.19", "try --engine epoll"]),
        (22, ["older than 5.19", "try --engine epoll"]),
        (ENOMEM, ["ulimit -l", "try --engine epoll"]),
        (EMFILE, ["the uring engine does not start", "Too many open files"]),
    ] {
        let error = refused(code).to_string();
        assert!(says.iter().all(|part| error.contains(part)), "{code}: {error}");
    }
}

/// From now on this thread gets `code` in answer to io_uring_setup.
#[allow(unsafe_code)]
fn filter(code: u16) {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let operation = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        operation(LOAD_NUMBER, 0, 0, 0),
        operation(JUMP_IF, 0, 1, libc::SYS_io_uring_setup as u32),
        operation(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | u32::from(code)),
        operation(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which outlives the calls. It forbids one call to this thread alone, which
    // is that of a process of its own.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

/// Where the kernel answers so, the engine says these words, and others run.
fn refused_by_a_filter(code: u16, says: [&'static str; 2]) {
    guarded(move || {
        filter(code);
        let error = E::run(|| async {}).unwrap_err().to_string();
        assert!(says.iter().all(|part| error.contains(part)), "{error}");
        let offers = offers();
        let runs: Vec<bool> = offers.iter().map(|offer| offer.form.is_ok()).collect();
        let epoll = offers.iter().position(|offer| offer.engine == wss_model::EngineKind::Epoll).unwrap();
        assert!(runs[epoll] && runs.iter().filter(|runs| **runs).count() == 1, "{offers:?}");
        crate::engine::Epoll::run(|| async {}).unwrap();
    });
}

#[test]
fn a_ring_that_is_forbidden_is_an_error_that_says_so() {
    alone!(a_ring_that_is_forbidden_is_an_error_that_says_so, || {
        refused_by_a_filter(1, ["Operation not permitted", "kernel.io_uring_disabled is "]);
    });
}

#[test]
fn a_kernel_without_rings_is_an_error_that_says_so() {
    alone!(a_kernel_without_rings_is_an_error_that_says_so, || {
        refused_by_a_filter(38, ["Function not implemented", "older than 5.19"]);
    });
}

#[test]
fn a_kernel_without_memory_for_a_ring_is_an_error_that_says_so() {
    alone!(a_kernel_without_memory_for_a_ring_is_an_error_that_says_so, || {
        refused_by_a_filter(12, ["Cannot allocate memory", "RLIMIT_MEMLOCK"]);
    });
}
