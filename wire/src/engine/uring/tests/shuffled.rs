//! The whole driver while completions come in any order, and late (`driver/shuffle.rs`): several connections at once,
//! with connects, accepts and timers among them, and all of it dropped in the midst of what it does. The kernel is the
//! real one, so that a script that fails may pass at the next try: what is printed of one is where to begin.

mod script;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::ProptestConfig;
use proptest::test_runner::TestRunner;
use rustix::net::{AddressFamily, SocketType, sockopt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;

use self::script::{Break, Micros, Script, Side, Stray, Then, script};
use super::forms::ALL;
use super::{BOUND, alone, driver, full_listener, guarded, let_go, listener, open_files, pattern};
use crate::engine::uring::{Features, UringListener, UringStream, buffers, ring};
use crate::engine::{Engine, Uring, timer, within};

type E = Uring;

/// Scripts a form.
const SCRIPTS: u32 = 200;
/// Milliseconds in which a script that fails is made smaller.
const SHRINK: u32 = 10_000;

/// What became of what one end of a conversation sends.
#[derive(Default)]
struct Way {
    taken: Cell<usize>,
    read: Cell<usize>,
    ended: Cell<bool>,
}

/// What all tasks of a script have.
struct Scene {
    script: Script,
    address: SocketAddr,
    /// Answers nobody.
    full: SocketAddr,
    /// Refuses everybody.
    refusing: SocketAddr,
    /// By conversation: from the client, from the server.
    ways: Vec<[Way; 2]>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
    /// Everything is being dropped: who is still there, or comes, meets with ends that are gone.
    over: Cell<bool>,
}

/// Bytes of a way from a position on.
fn bytes(number: usize, from: usize, to: usize) -> &'static [u8] {
    static ALL: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(1_300_000));
    &ALL[number + from..number + to]
}

async fn sleep(time: Micros) {
    if time > 0 {
        let deadline = Instant::now() + Duration::from_micros(time);
        E::sleep_until(deadline).await;
        assert!(Instant::now() >= deadline, "woken early");
    }
}

/// A future, unless it takes too long: then it is dropped.
async fn for_at_most<F: Future>(time: Micros, future: F) -> Option<F::Output> {
    within::<E, _>(Duration::from_micros(time), future).await.ok()
}

/// Writes what a side has to write, and ends its way.
async fn write(mut stream: impl AsyncWrite + Unpin, side: &Side, number: usize, way: &Way) -> io::Result<()> {
    for &(length, then) in &side.writes {
        let to = way.taken.get() + length;
        while way.taken.get() < to {
            let taken = stream.write(bytes(number, way.taken.get(), to)).await?;
            assert!(taken > 0);
            way.taken.set(way.taken.get() + taken);
        }
        match then {
            Then::Nothing => {}
            Then::Flush => stream.flush().await?,
            Then::Pause(time) => sleep(time).await,
        }
    }
    stream.shutdown().await
}

/// Reads until the way of the other side ends.
async fn read(mut stream: impl AsyncRead + Unpin, side: &Side, number: usize, way: &Way) -> io::Result<()> {
    let mut reads = side.reads.iter().copied();
    let mut memory = vec![0; 200_000];
    loop {
        let (time, length) = reads.next().unwrap_or((0, memory.len()));
        sleep(time).await;
        let count = stream.read(&mut memory[..length]).await?;
        let to = way.read.get() + count;
        assert!(to <= way.taken.get(), "way {number}: more than was written");
        assert!(
            memory[..count] == *bytes(number, way.read.get(), to),
            "way {number}: other bytes from {to} - {count} on"
        );
        way.read.set(to);
        if count == 0 {
            way.ended.set(true);
            return Ok(());
        }
    }
}

/// An end of a conversation, from its stream on.
async fn converse(scene: &Scene, at: usize, who: usize, stream: UringStream) {
    let (conversation, ways) = (&scene.script.conversations[at], &scene.ways[at]);
    let side = conversation.sides()[who];
    if conversation.narrow {
        sockopt::set_socket_send_buffer_size(&stream, 4 << 10).unwrap();
    }
    let broken = conversation.breaks.filter(|broken| broken.who == who);
    if broken.is_some_and(|broken| broken.resets) {
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    }
    let (reader, writer) = tokio::io::split(stream);
    let (own, others) = (2 * at + who, 2 * at + 1 - who);
    let both = async { tokio::join!(write(writer, side, own, &ways[who]), read(reader, side, others, &ways[1 - who])) };
    match broken {
        Some(Break { after, .. }) => drop(for_at_most(after, both).await),
        None => {
            let (written, read) = both.await;
            if scene.over.get() {
                return;
            }
            if conversation.arrives_from(1 - who) {
                read.unwrap_or_else(|error| panic!("way {others}: {error}"));
            }
            if conversation.breaks.is_none() {
                written.unwrap_or_else(|error| panic!("way {own}: {error}"));
            }
        }
    }
}

async fn client(scene: Rc<Scene>, at: usize) {
    sleep(scene.script.conversations[at].after).await;
    let mut stream = E::connect(scene.address).await.unwrap();
    // Which one it is, since they are accepted in any order.
    stream.write_u8(at as u8).await.unwrap();
    converse(&scene, at, 0, stream).await;
}

async fn server(scene: Rc<Scene>, mut stream: UringStream) {
    // A stray says nothing, and one that resets may not have come to it.
    if let Ok(at) = stream.read_u8().await {
        converse(&scene, usize::from(at), 1, stream).await;
    }
}

async fn serve(scene: Rc<Scene>, mut listening: UringListener) {
    loop {
        let accepted = match scene.script.patience {
            Some(patience) => for_at_most(patience + 1, E::accept(&mut listening)).await,
            None => Some(E::accept(&mut listening).await),
        };
        if let Some(stream) = accepted {
            let serving = E::spawn(server(Rc::clone(&scene), stream.unwrap()));
            scene.tasks.borrow_mut().push(serving);
        }
    }
}

async fn pass_by(scene: Rc<Scene>, stray: Stray) {
    match stray {
        Stray::GivenUp(time) => drop(for_at_most(time, E::connect(scene.address)).await),
        Stray::Unanswered(time) => {
            assert!(for_at_most(time, E::connect(scene.full)).await.is_none(), "somebody answers");
        }
        Stray::Refused => {
            let error = E::connect(scene.refusing).await.map(drop).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
        Stray::Closing(time, clients) => {
            let socket = listener();
            let address = socket.local_addr().unwrap();
            let mut listening = E::listen(socket).unwrap();
            let connecting = (0..clients).map(|_| E::spawn(E::connect(address)));
            let connecting: Vec<_> = connecting.collect();
            let mut accepted = Vec::new();
            let accepting = async {
                loop {
                    accepted.push(E::accept(&mut listening).await.unwrap());
                }
            };
            assert!(for_at_most(time, accepting).await.is_none());
            drop((listening, accepted));
            for connecting in connecting {
                // Refused, if the listener was gone already; else nobody is there, or nobody any more.
                if let Ok(mut stream) = connecting.await.unwrap() {
                    assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
                }
            }
        }
        Stray::Slept(time) => sleep(time).await,
        Stray::Dropped(time) => {
            let far = E::sleep_until(Instant::now() + Duration::from_hours(1));
            assert!(for_at_most(time, far).await.is_none());
        }
    }
}

/// A task's end; its panic is ours.
async fn end(task: JoinHandle<()>) {
    if let Err(error) = task.await
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// All tasks have ended, and what else is waited for is there. The first that panics ends it.
async fn all_ended(scene: &Scene, and: impl Fn() -> bool) {
    loop {
        let ended: Vec<_> = scene.tasks.borrow_mut().extract_if(.., |task| task.is_finished()).collect();
        for task in ended {
            end(task).await;
        }
        if scene.tasks.borrow().is_empty() && and() {
            return;
        }
        sleep(100).await;
    }
}

async fn play(scene: Rc<Scene>, socket: TcpListener) {
    let conversations = &scene.script.conversations;
    let serving = E::spawn(serve(Rc::clone(&scene), E::listen(socket).unwrap()));
    let clients = (0..conversations.len()).map(|at| E::spawn(client(Rc::clone(&scene), at)));
    scene.tasks.borrow_mut().extend(clients);
    let strays = scene.script.strays.iter().map(|&stray| E::spawn(pass_by(Rc::clone(&scene), stray)));
    let strays: Vec<_> = strays.collect();
    match scene.script.cut {
        None => {
            scene.tasks.borrow_mut().extend(strays);
            // A client may be gone before it is accepted.
            let all_came =
                || conversations.iter().zip(&scene.ways).all(|(its, ways)| !its.arrives_from(0) || ways[0].ended.get());
            all_ended(&scene, all_came).await;
            serving.abort();
            end(serving).await;
            all_ended(&scene, || true).await;
            for (at, (conversation, ways)) in conversations.iter().zip(&scene.ways).enumerate() {
                for (who, way) in ways.iter().enumerate() {
                    let (taken, read) = (way.taken.get(), way.read.get());
                    if conversation.arrives_from(who) {
                        assert!(way.ended.get() && read == taken, "{at} from {who}: {read} of {taken} bytes came");
                    }
                }
            }
        }
        Some((time, ends_at_once)) => {
            sleep(time).await;
            scene.over.set(true);
            if !ends_at_once {
                // Else they are the engine's to end.
                scene.tasks.borrow_mut().extend(strays.into_iter().chain([serving]));
            }
            scene.tasks.borrow().iter().for_each(JoinHandle::abort);
            all_ended(&scene, || true).await;
        }
    }
}

/// At its end, and if that is a panic, nothing more is sent: nobody reads any more, and it would be waited for.
struct GivingUp;

impl Drop for GivingUp {
    fn drop(&mut self) {
        driver::with(|driver| driver.give_up_all());
    }
}

/// Everything is dropped: what the kernel had comes back.
async fn nothing_is_left() {
    let_go(0).await;
    driver::with(|driver| assert_eq!(driver.buffers_out(), 0, "buffers are lost"));
    assert!(timer::next().is_none(), "a timer is left");
}

/// A socket that has a port and does not listen.
fn refusing() -> TcpListener {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    socket.into()
}

/// Plays a script in a form, from the start of an engine to its end. How often completions were put into another order,
/// and how many came late.
fn run(form: Features, script: Script, full: SocketAddr, refusing: SocketAddr) -> (u64, u64) {
    guarded(move || {
        Features::set_override(Some(form));
        buffers::set_counts(script.buffers.0, script.buffers.1);
        ring::set_sizes(script.sizes.0, script.sizes.1);
        driver::set_shuffle(script.seed, script.late);
        let main = || async move {
            let socket = listener();
            let address = socket.local_addr().unwrap();
            let ways = script.conversations.iter().map(|_| Default::default()).collect();
            let ends_at_once = matches!(script.cut, Some((_, true)));
            let scene = Rc::new(Scene {
                script,
                address,
                full,
                refusing,
                ways,
                tasks: RefCell::default(),
                over: Cell::default(),
            });
            let giving_up = GivingUp;
            within::<E, _>(BOUND, play(scene, socket)).await.expect("it hangs");
            drop(giving_up);
            if !ends_at_once {
                nothing_is_left().await;
            }
            driver::with(|driver| driver.shuffled())
        };
        E::run(main).unwrap()
    })
}

#[test]
fn nothing_is_lost_or_left_in_whatever_order_completions_come() {
    alone!(nothing_is_lost_or_left_in_whatever_order_completions_come, || {
        let (full, filling) = full_listener();
        let refusing = refusing();
        let (unanswered, refused) = (full.local_addr().unwrap(), refusing.local_addr().unwrap());
        let before = open_files();
        let config = ProptestConfig {
            failure_persistence: None,
            max_shrink_time: SHRINK,
            ..ProptestConfig::with_cases(SCRIPTS)
        };
        for form in [ALL, Features::LEAST] {
            let (moved, late) = (Cell::new(0), Cell::new(0));
            let played = TestRunner::new(config.clone()).run(&script(), |script| {
                let counts = run(form, script, unanswered, refused);
                moved.set(moved.get() + counts.0);
                late.set(late.get() + counts.1);
                assert_eq!(open_files(), before, "descriptors are left");
                Ok(())
            });
            if let Err(failure) = played {
                panic!("{form:?}: {failure}");
            }
            assert!(moved.get() > 0 && late.get() > 0, "all came in order, or in time: {moved:?}, {late:?}");
        }
        drop(filling);
    });
}
