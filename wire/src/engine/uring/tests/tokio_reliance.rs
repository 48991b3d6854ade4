//! What `executor.rs` relies on in tokio, in the order of its list.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::Write;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, oneshot};

use super::{guarded, listener, on_ring};
use crate::engine::{Engine, Uring};

type E = Uring;

#[test]
fn the_hook_is_called_when_nothing_can_run_and_who_is_woken_in_it_runs() {
    thread_local! {
        static PARKED: Cell<u32> = const { Cell::new(0) };
        static WAITS: RefCell<Option<Waker>> = const { RefCell::new(None) };
        static ROOT: RefCell<Option<Waker>> = const { RefCell::new(None) };
    }
    // tokio alone, with a hook that does what `park` does.
    let (woken, rounds) = guarded(|| {
        let here = thread::current().id();
        let hook = move || {
            // In the runtime's context: this would panic outside.
            tokio::runtime::Handle::current();
            assert_eq!(thread::current().id(), here);
            PARKED.set(PARKED.get() + 1);
            // The task is woken every other time only; the root always.
            if PARKED.get().is_multiple_of(2)
                && let Some(waker) = WAITS.take()
            {
                waker.wake();
            }
            if let Some(root) = ROOT.with_borrow(Clone::clone) {
                root.wake();
            }
        };
        let runtime = Builder::new_current_thread().on_thread_park(hook).build_local(LocalOptions::default()).unwrap();
        #[allow(clippy::disallowed_methods)] // tokio itself is looked at
        let woken = runtime.block_on(async {
            let task = tokio::task::spawn_local(async {
                let mut woken = 0;
                for _ in 0..100 {
                    let mut asleep = false;
                    poll_fn(|cx| {
                        if std::mem::replace(&mut asleep, true) {
                            return Poll::Ready(());
                        }
                        WAITS.set(Some(cx.waker().clone()));
                        Poll::Pending
                    })
                    .await;
                    woken += 1;
                }
                woken
            });
            let mut task = std::pin::pin!(task);
            poll_fn(|cx| {
                ROOT.set(Some(cx.waker().clone()));
                task.as_mut().poll(cx)
            })
            .await
            .unwrap()
        });
        (woken, PARKED.get())
    });
    assert_eq!(woken, 100);
    assert!(rounds >= 200, "the hook was called {rounds} times");
}

#[test]
fn a_completion_that_wakes_only_a_finished_task_does_not_stop_the_ring() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let (mut peer, _) = socket.accept().unwrap();
        thread::sleep(Duration::from_millis(20));
        peer.write_all(b"to nobody").unwrap();
        peer
    });
    on_ring(move || async move {
        let stream = Rc::new(RefCell::new(E::connect(address).await.unwrap()));
        let its = Rc::clone(&stream);
        // It ends while its waker waits for the socket.
        E::spawn(poll_fn(move |cx| {
            let polled = Pin::new(&mut *its.borrow_mut()).poll_read(cx, &mut ReadBuf::new(&mut [0; 4]));
            assert!(polled.is_pending());
            Poll::Ready(())
        }))
        .await
        .unwrap();
        let start = Instant::now();
        E::sleep_until(start + Duration::from_millis(60)).await;
        let mut all = [0; 9];
        let mut stream = Rc::into_inner(stream).unwrap().into_inner();
        stream.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"to nobody");
    });
    peer.join().unwrap();
}

#[test]
fn two_tasks_that_wake_each_other_let_timers_and_sockets_through() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let (mut peer, _) = socket.accept().unwrap();
        thread::sleep(Duration::from_millis(20));
        peer.write_all(b"through").unwrap();
        peer
    });
    let rounds = on_ring(move || async move {
        let (here, there) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let rounds = Rc::new(Cell::new(0u64));
        let player = |mine: &Rc<Notify>, other: &Rc<Notify>| {
            let (mine, other, rounds) = (Rc::clone(mine), Rc::clone(other), Rc::clone(&rounds));
            E::spawn(async move {
                loop {
                    other.notify_one();
                    mine.notified().await;
                    rounds.set(rounds.get() + 1);
                }
            })
        };
        let players = [player(&here, &there), player(&there, &here)];
        let mut stream = E::connect(address).await.unwrap();
        E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        let mut all = [0; 7];
        stream.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"through");
        players.iter().for_each(|player| assert!(!player.is_finished()));
        rounds.get()
    });
    assert!(rounds > 1000, "they have woken each other {rounds} times only");
    peer.join().unwrap();
}

#[test]
fn a_wake_from_another_thread_reaches_a_ring_that_sleeps() {
    on_ring(|| async {
        let (tell, told) = oneshot::channel();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            tell.send(42).unwrap();
        });
        let task = E::spawn(async move { told.await.unwrap() });
        assert_eq!(task.await.unwrap(), 42);
        thread.join().unwrap();
        // And the root itself.
        let (tell, told) = oneshot::channel();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            tell.send(43).unwrap();
        });
        assert_eq!(told.await.unwrap(), 43);
        thread.join().unwrap();
    });
}

#[test]
fn a_wake_from_another_thread_reaches_the_ring_whenever_it_comes() {
    // Before it sleeps, while it falls asleep, while it wakes up: the pause is another one each time.
    const ROUNDS: u64 = 20_000;
    on_ring(|| async {
        let (ask, asked) = std::sync::mpsc::channel::<oneshot::Sender<u64>>();
        let thread = thread::spawn(move || {
            for (number, tell) in (0..).zip(asked) {
                for _ in 0..number % 997 {
                    std::hint::spin_loop();
                }
                tell.send(number).unwrap();
            }
        });
        for number in 0..ROUNDS {
            let (tell, told) = oneshot::channel();
            ask.send(tell).unwrap();
            let got = if number % 2 == 0 { told.await } else { E::spawn(told).await.unwrap() };
            assert_eq!(got.unwrap(), number);
        }
        drop(ask);
        thread.join().unwrap();
    });
}

#[test]
fn a_runtime_drops_its_tasks_on_its_thread_and_before_the_ring_ends() {
    /// Says where it is dropped, and with what there.
    struct Guard(std::sync::mpsc::Sender<(thread::ThreadId, bool)>);
    impl Drop for Guard {
        fn drop(&mut self) {
            let driver = super::driver::try_with(|_| ()).is_some();
            self.0.send((thread::current().id(), driver)).unwrap();
        }
    }
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let ring_thread = on_ring(move || async move {
        for number in 0..50 {
            let guard = Guard(tell.clone());
            let stream = (number % 2 == 0).then(|| E::connect(address));
            E::spawn(async move {
                let _guard = guard;
                let stream = match stream {
                    Some(connecting) => Some(connecting.await.unwrap()),
                    None => None,
                };
                std::future::pending::<()>().await;
                drop(stream);
            });
        }
        // Half of them have been polled, the later ones not.
        tokio::task::yield_now().await;
        let never_polled = Guard(tell.clone());
        E::spawn(async move { drop(never_polled) });
        thread::current().id()
    });
    let dropped: Vec<_> = told.iter().collect();
    assert_eq!(dropped.len(), 51);
    assert!(dropped.iter().all(|&dropped| dropped == (ring_thread, true)), "{dropped:?}");
}

#[test]
fn a_task_that_yields_for_ever_lets_timers_and_sockets_through() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    on_ring(move || async move {
        let mut stream = E::connect(address).await.unwrap();
        let (mut peer, _) = socket.accept().unwrap();
        let yielding = E::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        peer.write_all(b"through").unwrap();
        let mut all = [0; 7];
        stream.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"through");
        yielding.abort();
    });
}

#[test]
fn the_root_is_polled_with_the_same_waker_always() {
    guarded(|| {
        let runtime = Builder::new_current_thread().build_local(LocalOptions::default()).unwrap();
        let mut first: Option<Waker> = None;
        let mut polls = 0;
        runtime.block_on(poll_fn(|cx| {
            polls += 1;
            assert!(first.get_or_insert_with(|| cx.waker().clone()).will_wake(cx.waker()));
            cx.waker().wake_by_ref();
            if polls < 300 { Poll::Pending } else { Poll::Ready(()) }
        }));
    });
}
