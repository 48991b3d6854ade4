//! The behaviour of tokio that `executor.rs` relies on, in the order of its list.

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
fn park_hook_runs_when_idle_and_its_wakes_take_effect() {
    thread_local! {
        static PARKED: Cell<u32> = const { Cell::new(0) };
        static SLEEPER: RefCell<Option<Waker>> = const { RefCell::new(None) };
        static ROOT: RefCell<Option<Waker>> = const { RefCell::new(None) };
    }
    // tokio alone, with a hook like `park`.
    let (woken, rounds) = guarded(|| {
        let here = thread::current().id();
        let hook = move || {
            // Panics outside the runtime's context.
            tokio::runtime::Handle::current();
            assert_eq!(thread::current().id(), here);
            PARKED.set(PARKED.get() + 1);
            // The task is woken every other time, the root always.
            if PARKED.get().is_multiple_of(2)
                && let Some(waker) = SLEEPER.take()
            {
                waker.wake();
            }
            if let Some(root) = ROOT.with_borrow(Clone::clone) {
                root.wake();
            }
        };
        let runtime = Builder::new_current_thread().on_thread_park(hook).build_local(LocalOptions::default()).unwrap();
        #[allow(clippy::disallowed_methods)] // tokio itself is tested
        let woken = runtime.block_on(async {
            let task = tokio::task::spawn_local(async {
                let mut woken = 0;
                for _ in 0..100 {
                    let mut asleep = false;
                    poll_fn(|cx| {
                        if std::mem::replace(&mut asleep, true) {
                            return Poll::Ready(());
                        }
                        SLEEPER.set(Some(cx.waker().clone()));
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
fn waking_only_a_finished_task_does_not_stall_the_ring() {
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
        let shared = Rc::clone(&stream);
        // The task ends while its waker is registered with the socket.
        E::spawn(poll_fn(move |cx| {
            let polled = Pin::new(&mut *shared.borrow_mut()).poll_read(cx, &mut ReadBuf::new(&mut [0; 4]));
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
fn tasks_waking_each_other_do_not_starve_timers_and_sockets() {
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
    assert!(rounds > 1000, "the tasks woke each other only {rounds} times");
    peer.join().unwrap();
}

#[test]
fn wake_from_another_thread_unparks_the_ring() {
    on_ring(|| async {
        let (sender, receiver) = oneshot::channel();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            sender.send(42).unwrap();
        });
        let task = E::spawn(async move { receiver.await.unwrap() });
        assert_eq!(task.await.unwrap(), 42);
        thread.join().unwrap();
        // The same for the root.
        let (sender, receiver) = oneshot::channel();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            sender.send(43).unwrap();
        });
        assert_eq!(receiver.await.unwrap(), 43);
        thread.join().unwrap();
    });
}

#[test]
fn no_wake_from_another_thread_is_lost() {
    // Before the ring waits, as it starts to, and as it returns: the delay varies.
    const ROUNDS: u64 = 20_000;
    on_ring(|| async {
        let (request, requests) = std::sync::mpsc::channel::<oneshot::Sender<u64>>();
        let thread = thread::spawn(move || {
            for (number, sender) in (0..).zip(requests) {
                for _ in 0..number % 997 {
                    std::hint::spin_loop();
                }
                sender.send(number).unwrap();
            }
        });
        for number in 0..ROUNDS {
            let (sender, receiver) = oneshot::channel();
            request.send(sender).unwrap();
            let got = if number % 2 == 0 { receiver.await } else { E::spawn(receiver).await.unwrap() };
            assert_eq!(got.unwrap(), number);
        }
        drop(request);
        thread.join().unwrap();
    });
}

#[test]
fn runtime_drops_tasks_on_its_thread_before_the_ring() {
    /// Reports on which thread it is dropped, and whether there is a driver.
    struct Guard(std::sync::mpsc::Sender<(thread::ThreadId, bool)>);
    impl Drop for Guard {
        fn drop(&mut self) {
            let driver = super::driver::try_with(|_| ()).is_some();
            self.0.send((thread::current().id(), driver)).unwrap();
        }
    }
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let ring_thread = on_ring(move || async move {
        for number in 0..50 {
            let guard = Guard(sender.clone());
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
        // These were polled; the last one is not.
        tokio::task::yield_now().await;
        let never_polled = Guard(sender.clone());
        E::spawn(async move { drop(never_polled) });
        thread::current().id()
    });
    let dropped: Vec<_> = receiver.iter().collect();
    assert_eq!(dropped.len(), 51);
    assert!(dropped.iter().all(|&dropped| dropped == (ring_thread, true)), "{dropped:?}");
}

#[test]
fn yielding_task_does_not_starve_timers_and_sockets() {
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
fn root_is_always_polled_with_the_same_waker() {
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
