//! What happens to the programs that run when certbake itself is told to end: they are told the same,
//! then killed with all that they started, and certbake ends by the signal as it would have without.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::thread;

/// How long programs may take to end by themselves once they were told to.
const GRACE: Duration = Duration::from_millis(300);

/// Whoever holds it neither starts a program nor gives one's number back to the system.
static RUNNING: Mutex<Vec<Program>> = Mutex::new(Vec::new());

/// Somebody else ends certbake on a signal.
static HANDLED: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy, Eq, PartialEq)]
struct Program {
    pid: Pid,
    /// Whether it leads a process group of its own.
    leads: bool,
}

/// From now on a signal ends the programs that run and leaves certbake to its other listener.
pub fn signals_are_handled() {
    HANDLED.store(true, Ordering::SeqCst);
}

/// Starts a program such that no signal can come between its start and its being known.
pub(super) fn starting<T>(
    start: impl FnOnce() -> io::Result<T>,
    pid: impl FnOnce(&T) -> Pid,
    leads: bool,
) -> io::Result<T> {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(listen);
    let mut running = running();
    let started = start()?;
    let pid = pid(&started);
    running.push(Program { pid, leads });
    Ok(started)
}

/// Forgets a program that is about to be reaped: its number may soon be another's.
pub(super) fn ended(pid: Pid) {
    running().retain(|program| program.pid != pid);
}

pub(super) fn has_ended(pid: Pid) -> io::Result<bool> {
    // Leaves it unreaped, so that its number and its group's stay its own.
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    Ok(rustix::process::waitid(WaitId::Pid(pid), look)?.is_some())
}

fn running() -> MutexGuard<'static, Vec<Program>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without a thread that listens, programs are merely left behind, as they are by SIGKILL.
fn listen() {
    let ignored = ignored();
    let wanted = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].into_iter();
    // Signals are taken up only when there is somebody to hear them.
    let (give, given) = mpsc::channel::<Signals>();
    let listener = thread::spawn(move || {
        let mut signals = given.recv().ok()?;
        signals.forever().for_each(end);
        Some(())
    });
    if listener.is_ok()
        && let Ok(signals) = Signals::new(wanted.filter(|signal| !ignored.contains(signal)))
    {
        // It waits for them.
        let _ = give.send(signals);
    }
}

/// What whoever started us wants to pass us by, as nohup(1) does: a listener would undo that.
fn ignored() -> Vec<i32> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    (1..=64).filter(|n| mask >> (n - 1) & 1 == 1).collect()
}

fn end(signal: i32) {
    let handled = HANDLED.load(Ordering::SeqCst);
    let running = running();
    if let Some(signal) = Signal::from_named_raw(signal) {
        for program in running.iter() {
            program.send(signal);
        }
    }
    let told = Instant::now();
    let alive = |program: &Program| has_ended(program.pid).is_ok_and(|ended| !ended);
    while running.iter().any(alive) && told.elapsed() < GRACE {
        std::thread::sleep(Duration::from_millis(5));
    }
    for program in running.iter() {
        program.send(Signal::KILL);
    }
    if !handled {
        // Before the lock is given back: nothing is started, reaped or made of an answer any more.
        let _ = emulate_default_handler(signal);
    }
}

impl Program {
    fn send(self, signal: Signal) {
        // One that has ended meanwhile, with its group, needs none.
        let _ = if self.leads {
            rustix::process::kill_process_group(self.pid, signal)
        } else {
            rustix::process::kill_process(self.pid, signal)
        };
    }
}
