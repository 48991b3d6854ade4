//! The whole driver with completions reordered and delayed (`driver/shuffle.rs`): concurrent connections, with connects,
//! accepts and timers among them, all dropped in the middle of an operation. The kernel is the real one, so a script that
//! failed may pass when repeated; the printed script is where to start.

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

use self::script::{Break, Cut, Micros, Script, Side, Stray, Then, script};
use super::{BOUND, alone, driver, full_listener, guarded, listener, open_files, pattern, wait_for_entries};
use crate::engine::uring::{Features, UringListener, UringStream, buffers, probe, ring};
use crate::engine::{Engine, Uring, timer, within};

type E = Uring;

/// Scripts per feature set.
const SCRIPTS: u32 = 200;
/// Milliseconds for shrinking a failed script.
const SHRINK: u32 = 10_000;

/// One direction of a conversation, in bytes.
#[derive(Default)]
struct Direction {
    written: Cell<usize>,
    read: Cell<usize>,
    ended: Cell<bool>,
}

/// State shared by all tasks of a script.
struct Scene {
    script: Script,
    address: SocketAddr,
    /// A listener whose queue is full.
    full: SocketAddr,
    /// A port that refuses connections.
    refusing: SocketAddr,
    /// By conversation: from the client, from the server.
    directions: Vec<[Direction; 2]>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
    /// Everything is being dropped: errors of the remaining tasks do not count.
    over: Cell<bool>,
}

/// The bytes of a direction between two positions.
fn bytes(number: usize, from: usize, to: usize) -> &'static [u8] {
    static ALL: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(1_300_000));
    &ALL[number + from..number + to]
}

async fn sleep(time: Micros) {
    if time > 0 {
        let deadline = Instant::now() + Duration::from_micros(time);
        E::sleep_until(deadline).await;
        assert!(Instant::now() >= deadline, "woken too early");
    }
}

/// The output of a future, or `None` if it takes too long and is dropped.
async fn for_at_most<F: Future>(time: Micros, future: F) -> Option<F::Output> {
    within::<E, _>(Duration::from_micros(time), future).await.ok()
}

/// Writes the data of a side and shuts the direction down.
async fn write(
    mut stream: impl AsyncWrite + Unpin,
    side: &Side,
    number: usize,
    direction: &Direction,
) -> io::Result<()> {
    for &(length, then) in &side.writes {
        let to = direction.written.get() + length;
        while direction.written.get() < to {
            let count = stream.write(bytes(number, direction.written.get(), to)).await?;
            assert!(count > 0);
            direction.written.set(direction.written.get() + count);
        }
        match then {
            Then::Nothing => {}
            Then::Flush => stream.flush().await?,
            Then::Pause(time) => sleep(time).await,
        }
    }
    stream.shutdown().await
}

/// Reads until the peer shuts its direction down.
async fn read(mut stream: impl AsyncRead + Unpin, side: &Side, number: usize, direction: &Direction) -> io::Result<()> {
    let mut reads = side.reads.iter().copied();
    let mut memory = vec![0; 200_000];
    loop {
        let (time, length) = reads.next().unwrap_or((0, memory.len()));
        sleep(time).await;
        let count = stream.read(&mut memory[..length]).await?;
        let to = direction.read.get() + count;
        assert!(to <= direction.written.get(), "direction {number}: read more than was written");
        assert!(
            memory[..count] == *bytes(number, direction.read.get(), to),
            "direction {number}: wrong data in the {count} bytes before {to}"
        );
        direction.read.set(to);
        if count == 0 {
            direction.ended.set(true);
            return Ok(());
        }
    }
}

/// Runs one end of a conversation on its stream.
async fn converse(scene: &Scene, at: usize, who: usize, stream: UringStream) {
    let (conversation, directions) = (&scene.script.conversations[at], &scene.directions[at]);
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
    let both = async {
        tokio::join!(write(writer, side, own, &directions[who]), read(reader, side, others, &directions[1 - who]))
    };
    match broken {
        Some(Break { after, .. }) => drop(for_at_most(after, both).await),
        None => {
            let (written, read) = both.await;
            if scene.over.get() {
                return;
            }
            if conversation.arrives_from(1 - who) {
                read.unwrap_or_else(|error| panic!("direction {others}: {error}"));
            }
            if conversation.breaks.is_none() {
                written.unwrap_or_else(|error| panic!("direction {own}: {error}"));
            }
        }
    }
}

async fn client(scene: Rc<Scene>, at: usize) {
    sleep(scene.script.conversations[at].after).await;
    let mut stream = E::connect(scene.address).await.unwrap();
    if at % 2 == 1 {
        E::observe_kernel_times(&mut stream).unwrap();
    }
    // The number of the conversation, because connections are accepted in any order.
    stream.write_u8(at as u8).await.unwrap();
    converse(&scene, at, 0, stream).await;
}

async fn server(scene: Rc<Scene>, mut stream: UringStream) {
    // Strays send nothing, and a client that resets may not have sent its number.
    if scene.tasks.borrow().len() % 3 == 1 {
        // Fails if the client has already reset the connection.
        let _ = E::observe_kernel_times(&mut stream);
    }
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

async fn run_stray(scene: Rc<Scene>, stray: Stray) {
    match stray {
        Stray::GivenUp(time) => drop(for_at_most(time, E::connect(scene.address)).await),
        Stray::Unanswered(time) => {
            assert!(for_at_most(time, E::connect(scene.full)).await.is_none(), "a full queue accepted");
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
                // Refused if the listener was dropped before; otherwise closed or reset.
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

/// Waits for a task, and propagates its panic.
async fn join(task: JoinHandle<()>) {
    if let Err(error) = task.await
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Waits until all tasks have ended and `condition` holds. Propagates the first panic.
async fn wait_for_tasks(scene: &Scene, condition: impl Fn() -> bool) {
    loop {
        let ended: Vec<_> = scene.tasks.borrow_mut().extract_if(.., |task| task.is_finished()).collect();
        for task in ended {
            join(task).await;
        }
        if scene.tasks.borrow().is_empty() && condition() {
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
    let strays = scene.script.strays.iter().map(|&stray| E::spawn(run_stray(Rc::clone(&scene), stray)));
    let strays: Vec<_> = strays.collect();
    match scene.script.cut {
        None => {
            scene.tasks.borrow_mut().extend(strays);
            // A client may have ended before it is accepted.
            let all_arrived = || {
                let mut both = conversations.iter().zip(&scene.directions);
                both.all(|(conversation, directions)| !conversation.arrives_from(0) || directions[0].ended.get())
            };
            wait_for_tasks(&scene, all_arrived).await;
            serving.abort();
            join(serving).await;
            wait_for_tasks(&scene, || true).await;
            for (at, (conversation, directions)) in conversations.iter().zip(&scene.directions).enumerate() {
                for (who, direction) in directions.iter().enumerate() {
                    let (written, read) = (direction.written.get(), direction.read.get());
                    if conversation.arrives_from(who) {
                        assert!(
                            direction.ended.get() && read == written,
                            "conversation {at} from {who}: {read} of {written} bytes arrived"
                        );
                    }
                }
            }
        }
        Some(Cut { after, engine_stops }) => {
            sleep(after).await;
            scene.over.set(true);
            if !engine_stops {
                // Otherwise the engine drops them.
                scene.tasks.borrow_mut().extend(strays.into_iter().chain([serving]));
            }
            scene.tasks.borrow().iter().for_each(JoinHandle::abort);
            wait_for_tasks(&scene, || true).await;
        }
    }
}

/// Discards unsent data when dropped, also during a panic: nobody reads it any more, and the engine would wait for it.
struct DiscardGuard;

impl Drop for DiscardGuard {
    fn drop(&mut self) {
        driver::with(|driver| driver.discard_all_unsent());
    }
}

/// Checks that the kernel has returned everything.
async fn assert_nothing_left() {
    wait_for_entries(0).await;
    driver::with(|driver| assert_eq!(driver.buffers_out(), 0, "buffers were lost"));
    assert!(timer::next_deadline().is_none(), "a timer is left");
}

/// A socket that is bound to a port but does not listen.
fn refusing() -> TcpListener {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    socket.into()
}

/// Plays a script with a feature set, from the start of an engine to its end. Returns how often completions were reordered
/// and how many were delayed.
fn run(features: Features, script: Script, full: SocketAddr, refusing: SocketAddr) -> (u64, u64) {
    guarded(move || {
        probe::set_override(Some(features));
        buffers::set_counts(script.buffers.0, script.buffers.1);
        ring::set_capacity(script.capacity.0, script.capacity.1);
        driver::set_shuffle(script.seed, script.delivery);
        let main = || async move {
            let socket = listener();
            let address = socket.local_addr().unwrap();
            let directions = script.conversations.iter().map(|_| Default::default()).collect();
            let engine_stops = script.cut.is_some_and(|cut| cut.engine_stops);
            let scene = Rc::new(Scene {
                script,
                address,
                full,
                refusing,
                directions,
                tasks: RefCell::default(),
                over: Cell::default(),
            });
            let discard = DiscardGuard;
            within::<E, _>(BOUND, play(scene, socket)).await.expect("the script hangs");
            drop(discard);
            if !engine_stops {
                assert_nothing_left().await;
            }
            driver::with(|driver| driver.shuffled())
        };
        E::run(main).unwrap()
    })
}

#[test]
fn nothing_is_lost_or_leaked_in_any_completion_order() {
    alone!(nothing_is_lost_or_leaked_in_any_completion_order, || {
        let (full, filling) = full_listener();
        let refusing = refusing();
        let (unanswered, refused) = (full.local_addr().unwrap(), refusing.local_addr().unwrap());
        let before = open_files();
        let config = ProptestConfig {
            failure_persistence: None,
            max_shrink_time: SHRINK,
            ..ProptestConfig::with_cases(SCRIPTS)
        };
        for features in [Features::ALL, Features::MINIMAL] {
            let (reordered, delayed) = (Cell::new(0), Cell::new(0));
            let played = TestRunner::new(config.clone()).run(&script(), |script| {
                let counts = run(features, script, unanswered, refused);
                reordered.set(reordered.get() + counts.0);
                delayed.set(delayed.get() + counts.1);
                assert_eq!(open_files(), before, "descriptors were leaked");
                Ok(())
            });
            if let Err(failure) = played {
                panic!("{features:?}: {failure}");
            }
            assert!(
                reordered.get() > 0 && delayed.get() > 0,
                "nothing was reordered or delayed: {reordered:?}, {delayed:?}"
            );
        }
        drop(filling);
    });
}
