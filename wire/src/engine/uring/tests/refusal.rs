//! A kernel that refuses descriptors or rings.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{BOUND, alone, driver, guarded, listener, on_ring, open_files};
use crate::engine::uring::refused;
use crate::engine::{Engine, EngineError, EngineKind, Uring, capabilities, within};

type E = Uring;

const EMFILE: i32 = 24;

/// Limits this process to `count` more descriptors.
fn limit_descriptors(count: usize) {
    let files = open_files();
    let open: Vec<u64> = files.iter().map(|file| file.split_once(' ').unwrap().0.parse().unwrap()).collect();
    // The kernel assigns the lowest free numbers, so the limit is above `count` of them.
    let limit = (0..).filter(|number| !open.contains(number)).nth(count);
    setrlimit(Resource::Nofile, Rlimit { current: limit, ..getrlimit(Resource::Nofile) }).unwrap();
}

#[test]
fn accept_out_of_descriptors_fails_without_spinning_and_recovers() {
    alone!(accept_out_of_descriptors_fails_without_spinning_and_recovers, || {
        on_ring(|| async {
            let limit = getrlimit(Resource::Nofile);
            let socket = listener();
            let address = socket.local_addr().unwrap();
            let mut listening = E::listen(socket).unwrap();
            let peers: Vec<_> = (0..30).map(|_| TcpStream::connect(address).unwrap()).collect();
            limit_descriptors(5);
            let mut accepted = Vec::new();
            let error = loop {
                match within::<E, _>(BOUND, E::accept(&mut listening)).await.unwrap() {
                    Ok(stream) => accepted.push(stream),
                    Err(error) => break error,
                }
            };
            assert_eq!((error.raw_os_error(), accepted.len()), (Some(EMFILE), 5));
            assert_eq!(E::connect(address).await.err().unwrap().raw_os_error(), Some(EMFILE));
            // One error per accept; without an accept the ring sleeps.
            for _ in 0..3 {
                let again = within::<E, _>(BOUND, E::accept(&mut listening)).await.unwrap();
                assert_eq!(again.err().unwrap().raw_os_error(), Some(EMFILE));
                let before = driver::with(|driver| driver.counters());
                E::sleep_until(Instant::now() + Duration::from_millis(30)).await;
                let since = driver::with(|driver| driver.counters()).since(&before);
                assert!(since.enters < 10 && since.submissions < 10, "{since:?}");
            }
            // With one free descriptor at a time.
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
                    // From before the limit was lifted.
                    Err(error) => assert_eq!(error.raw_os_error(), Some(EMFILE)),
                }
            }
        });
    });
}

#[test]
fn start_out_of_descriptors_fails_cleanly_and_recovers() {
    alone!(start_out_of_descriptors_fails_cleanly_and_recovers, || {
        guarded(|| {
            E::run(|| async {}).unwrap();
            let limit = getrlimit(Resource::Nofile);
            let before = open_files();
            // None for the eventfd; one for the eventfd and none for the ring.
            for count in [0, 1] {
                limit_descriptors(count);
                let error = E::run(|| async {}).unwrap_err();
                let EngineError::Setup { cause, .. } = &error else { panic!("{error}") };
                assert_eq!(cause.raw_os_error(), Some(EMFILE));
                setrlimit(Resource::Nofile, limit).unwrap();
                assert_eq!(open_files(), before);
            }
            E::run(|| async {}).unwrap();
        });
    });
}

#[test]
fn every_refusal_names_a_remedy() {
    const ENOMEM: i32 = 12;
    for (code, expected) in [
        (1, ["kernel.io_uring_disabled", "use --engine epoll"]),
        (38, ["older than 5.19", "use --engine epoll"]),
        (22, ["older than 5.19", "use --engine epoll"]),
        (ENOMEM, ["ulimit -l", "use --engine epoll"]),
        (EMFILE, ["cannot start the uring engine", "Too many open files"]),
    ] {
        let error = refused(code).to_string();
        assert!(expected.iter().all(|part| error.contains(part)), "{code}: {error}");
    }
}

/// Makes io_uring_setup fail with `code` on this thread.
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
    // SAFETY: the kernel copies the program, which outlives the calls. The filter affects only this thread, of a process
    // that runs nothing but this test.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

/// With io_uring_setup failing with `code`, the error contains the expected texts and only epoll is available.
fn assert_refused(code: u16, expected: [&'static str; 2]) {
    guarded(move || {
        filter(code);
        let error = E::run(|| async {}).unwrap_err().to_string();
        assert!(expected.iter().all(|part| error.contains(part)), "{error}");
        let found = capabilities();
        let available: Vec<EngineKind> =
            found.iter().filter(|found| found.engine_features.is_ok()).map(|found| found.engine).collect();
        assert_eq!(available, [EngineKind::Epoll], "{found:?}");
        crate::engine::Epoll::run(|| async {}).unwrap();
    });
}

#[test]
fn forbidden_ring_is_an_error_naming_the_sysctl() {
    alone!(forbidden_ring_is_an_error_naming_the_sysctl, || {
        assert_refused(1, ["Operation not permitted", "sysctl kernel.io_uring_disabled (now "]);
    });
}

#[test]
fn kernel_without_io_uring_is_an_error_naming_the_release() {
    alone!(kernel_without_io_uring_is_an_error_naming_the_release, || {
        assert_refused(38, ["Function not implemented", "older than 5.19"]);
    });
}

#[test]
fn ring_without_memory_is_an_error_naming_the_limit() {
    alone!(ring_without_memory_is_an_error_naming_the_limit, || {
        assert_refused(12, ["Cannot allocate memory", "RLIMIT_MEMLOCK"]);
    });
}
