//! The one writing thread: takes what is queued into one transaction, so that one sync to the disk serves many writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cardine_failpoints::pass;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use super::readers::spawn;
use super::{Connection, Purpose, thread};
use crate::error::cause;
use crate::state::{PlatformState, raise};
use crate::transaction::WriteTx;
use crate::work::{Outcome, WriteWork};
use crate::{Deadline, StoreError};

/// Most writes in one transaction.
const GROUP_SIZE_MAX: usize = 64;

/// No further write is taken into a transaction that has run this long, even if more are waiting.
const GROUP_TIME_MAX: Duration = Duration::from_millis(2);

/// Writes that may wait in each lane; further callers wait to be let in.
const QUEUE_LENGTH: usize = 1_024;

/// So many writes that somebody waits for come before one that nobody waits for, at most.
const BEFORE_OTHERS_MAX: usize = 3;

/// The writing thread. It ends with the value, after what is queued.
pub(crate) struct Writer {
    jobs: Mutex<Option<[mpsc::Sender<Job>; 2]>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Whether somebody waits for a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// A request.
    Awaited = 0,
    /// What is done beside the requests.
    Beside = 1,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        state: watch::Sender<PlatformState>,
        runtime: Handle,
    ) -> Result<Self, StoreError> {
        let (awaited, beside) = (mpsc::channel(QUEUE_LENGTH), mpsc::channel(QUEUE_LENGTH));
        let lanes = Lanes { awaited: awaited.1, beside: beside.1, in_a_row: 0 };
        let group = GroupCommit { tx: WriteTx::sqlite(connection), state, runtime };
        let thread = spawn("cardine-write".to_owned(), move || group.run_until_closed(lanes))?;
        Ok(Self { jobs: Mutex::new(Some([awaited.0, beside.0])), thread: Mutex::new(Some(thread)) })
    }

    /// Queues a write.
    pub(crate) async fn run(&self, job: Job, lane: Lane) -> Result<(), StoreError> {
        if thread::runs_on_store_thread() == Some(Purpose::Write) {
            return Err(StoreError::internal("a write was begun inside another, which it would wait for"));
        }
        let closed = || StoreError::Unavailable(cause("the store was shut down"));
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)?;
        jobs[lane as usize].send(job).await.map_err(|_| closed())
    }

    /// Takes no more writes; those that are queued still run.
    pub(crate) fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Waits for the thread's end after [`Writer::close`].
    pub(crate) fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// One call of [`crate::Store::write`].
pub(crate) struct Job {
    pub(crate) work: WriteWork,
    pub(crate) deadline: Option<Deadline>,
    /// Set when the work begins: from then on its outcome is known only with its answer.
    pub(crate) begun: Arc<AtomicBool>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

impl Job {
    /// Whether nobody waits for its answer any more.
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// Does the work, and tells whether it may be committed.
    fn run(&mut self, tx: &mut WriteTx, runtime: &Handle) -> bool {
        let Self { work, reply, begun, .. } = self;
        begun.store(true, Ordering::Relaxed);
        let drive = async {
            tokio::select! {
                biased;
                outcome = work(tx) => outcome,
                () = reply.closed() => Err(StoreError::Cancelled.into()),
            }
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(drive)))
            .unwrap_or_else(|_| Err(StoreError::internal("a write panicked").into()));
        let outcome = outcome.and_then(|()| match tx.ignored_failure() {
            None => Ok(()),
            Some(ignored) => Err(ignored.into()),
        });
        let commits = outcome.is_ok();
        self.outcome = Some(outcome);
        commits
    }

    /// Answers with the work's outcome, or with `failure` if the work was done in vain.
    fn answer(self, failure: Option<StoreError>) {
        let outcome = match (failure, self.outcome) {
            (Some(failure), None | Some(Ok(()))) => Err(failure.into()),
            (_, Some(outcome)) => outcome,
            (None, None) => Err(StoreError::internal("a write was answered before it ran").into()),
        };
        // Who has gone away wants no answer.
        let _ = self.reply.send(outcome);
    }
}

/// What waits for the writing thread.
struct Lanes {
    awaited: mpsc::Receiver<Job>,
    beside: mpsc::Receiver<Job>,
    /// So many of those that somebody waits for were taken one after the other.
    in_a_row: usize,
}

impl Lanes {
    /// Waits for a job; none when there will be no more.
    fn wait(&mut self, runtime: &Handle) -> Option<(Job, Lane)> {
        if let Some(next) = self.next(&[]) {
            return Some(next);
        }
        let Self { awaited, beside, .. } = self;
        let next = runtime.block_on(async {
            tokio::select! {
                biased;
                Some(job) = awaited.recv() => Some((job, Lane::Awaited)),
                Some(job) = beside.recv() => Some((job, Lane::Beside)),
                else => None,
            }
        });
        self.count(next)
    }

    /// What comes next, of what waits, behind those that are in the transaction already. Who waits comes first, save that the others have their
    /// turn; and one that somebody waits for is not held up by others that could still come behind it.
    fn next(&mut self, group: &[Lane]) -> Option<(Job, Lane)> {
        let is_turn_of_others = self.in_a_row >= BEFORE_OTHERS_MAX;
        let mut others = || self.beside.try_recv().ok().map(|job| (job, Lane::Beside));
        let next = if is_turn_of_others { others() } else { None };
        let next = next.or_else(|| self.awaited.try_recv().ok().map(|job| (job, Lane::Awaited)));
        let next = next.or_else(|| if group.contains(&Lane::Awaited) { None } else { others() });
        self.count(next)
    }

    fn count(&mut self, next: Option<(Job, Lane)>) -> Option<(Job, Lane)> {
        match &next {
            Some((_, Lane::Awaited)) => self.in_a_row += 1,
            Some((_, Lane::Beside)) => self.in_a_row = 0,
            None => {}
        }
        next
    }
}

struct GroupCommit {
    tx: WriteTx,
    state: watch::Sender<PlatformState>,
    runtime: Handle,
}

impl GroupCommit {
    fn run_until_closed(mut self, mut lanes: Lanes) {
        thread::mark(Purpose::Write);
        while let Some((first, lane)) = lanes.wait(&self.runtime) {
            let mut group = vec![lane];
            self.run_group(first, || {
                let (job, lane) = lanes.next(&group)?;
                group.push(lane);
                Some(job)
            });
        }
        self.tx.sqlite_connection().close_tidily();
    }

    /// One transaction for `first` and what `next` still gives. A job behind another has a savepoint, so that if it fails it takes
    /// only its own changes with it. The first has none, and takes the transaction: inside a savepoint SQLite keeps a copy of
    /// each page for every statement that changes it, which for hundreds of records is more than all that they write.
    fn run_group(&mut self, first: Job, mut next: impl FnMut() -> Option<Job>) {
        if let Err(error) = self.control("BEGIN IMMEDIATE") {
            return first.answer(Some(error));
        }
        pass!("group.begun");
        let begun = Instant::now();
        let mut done = Vec::new();
        let mut state_after = None;
        let mut waiting = Some(first);
        while let Some(mut job) = waiting.take() {
            if !job.is_abandoned() {
                let is_alone = done.is_empty();
                if !is_alone && let Err(error) = self.control("SAVEPOINT job") {
                    job.answer(Some(error.clone()));
                    return self.fail_group(done, &error);
                }
                let commits = self.run_job(&mut job);
                let ended = if commits {
                    if is_alone { Ok(true) } else { self.control("RELEASE job").map(|()| true) }
                } else if self.tx.sqlite_connection().in_transaction() {
                    if is_alone {
                        // The next begins a transaction of its own.
                        let undone = self.control("ROLLBACK").err();
                        return job.answer(undone);
                    }
                    self.control("ROLLBACK TO job").and_then(|()| self.control("RELEASE job")).map(|()| false)
                } else {
                    // The disk is full, or the like: SQLite has rolled all of it back by itself.
                    job.answer(None);
                    return done.into_iter().for_each(|earlier| self.run_alone(earlier));
                };
                match ended {
                    Ok(true) => {
                        pass!("group.job_done");
                        state_after = self.tx.changed_state().or(state_after);
                        done.push(job);
                    }
                    Ok(false) => job.answer(None),
                    Err(error) => {
                        job.answer(Some(error.clone()));
                        return self.fail_group(done, &error);
                    }
                }
            }
            if done.len() < GROUP_SIZE_MAX && begun.elapsed() < GROUP_TIME_MAX {
                waiting = next();
            }
        }
        pass!("write.before_commit");
        match self.control("COMMIT") {
            Ok(()) => {
                pass!("write.after_commit");
                raise(&self.state, state_after);
                done.into_iter().for_each(|job| job.answer(None));
            }
            Err(error) => self.fail_group(done, &error),
        }
    }

    /// The work of one job, within its time, and whether it may be committed.
    fn run_job(&mut self, job: &mut Job) -> bool {
        let deadline = job.deadline;
        self.tx.begin_job(deadline);
        if deadline.is_some()
            && let Err(error) = self.tx.sqlite_connection().stop_at(deadline)
        {
            tracing::error!(error = ?error, "a write could not be bounded in time");
        }
        let commits = job.run(&mut self.tx, &self.runtime);
        if deadline.is_some()
            && let Err(error) = self.tx.sqlite_connection().stop_at(None)
        {
            tracing::error!(error = ?error, "the bound of a write could not be taken away");
        }
        commits
    }

    /// Runs a job again that was rolled back together with another's failure.
    fn run_alone(&mut self, job: Job) {
        self.run_group(job, || None);
    }

    fn fail_group(&mut self, jobs: Vec<Job>, error: &StoreError) {
        if self.tx.sqlite_connection().in_transaction()
            && let Err(error) = self.control("ROLLBACK")
        {
            tracing::error!(error = ?error, "a failed transaction could not be rolled back");
        }
        for job in jobs {
            job.answer(Some(error.clone()));
        }
    }

    fn control(&mut self, text: &'static str) -> Result<(), StoreError> {
        self.tx.sqlite_connection().run_control(text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::Options;
    use crate::work::{Slot, writing};

    type Answer = (Slot<(), StoreError>, oneshot::Receiver<Outcome>);

    /// A job whose outcome is its answer.
    fn job(
        work: impl for<'a> Fn(&'a mut WriteTx) -> BoxFuture<'a, Result<(), StoreError>> + Send + Sync + 'static,
    ) -> (Job, Answer) {
        let (work, slot) = writing(work);
        let (reply, answer) = oneshot::channel();
        (Job { work, deadline: None, begun: Arc::default(), outcome: None, reply }, (slot, answer))
    }

    fn group_commit(directory: &tempfile::TempDir) -> (GroupCommit, Arc<AtomicUsize>) {
        let path = directory.path().join("test.db");
        let mut connection = Connection::open(&path, Purpose::Write, &Options::default()).unwrap();
        connection.run_batch("CREATE TABLE t (n INTEGER UNIQUE)").unwrap();
        let commits = connection.count_commits();
        let state = watch::channel(PlatformState::default()).0;
        (GroupCommit { tx: WriteTx::sqlite(connection), state, runtime: Handle::current() }, commits)
    }

    /// Runs all jobs in one group, whatever the time, and gives their answers.
    async fn run_all(mut group: GroupCommit, jobs: Vec<(Job, Answer)>) -> (GroupCommit, Vec<Result<(), StoreError>>) {
        let (jobs, answers): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        let run = move || {
            let mut jobs = jobs.into_iter();
            while let Some(first) = jobs.next() {
                group.run_group(first, || jobs.next());
            }
            group
        };
        let group = tokio::task::spawn_blocking(run).await.unwrap();
        let answer = |(slot, answer): Answer| async move { slot.answer(answer.await.unwrap()) };
        let answers = futures_util::future::join_all(answers.into_iter().map(answer)).await;
        (group, answers)
    }

    fn rows(group: &mut GroupCommit) -> i64 {
        let statement = cardine_sql::Statement {
            text: "SELECT count(*) FROM t".to_owned(),
            params: Vec::new(),
            columns: vec![cardine_sql::ColumnType::Integer],
        };
        let rows = group.tx.sqlite_connection().query(&statement, &crate::Bindings::default()).unwrap();
        rows.cell(0, 0).integer().unwrap()
    }

    #[tokio::test]
    async fn writes_that_wait_share_a_commit() {
        let directory = tempfile::tempdir().unwrap();
        let (group, commits) = group_commit(&directory);
        let jobs = (0..200).map(|number| {
            job(move |tx| Box::pin(async move { tx.run_ddl(&format!("INSERT INTO t VALUES ({number})")).await }))
        });
        let (mut group, answers) = run_all(group, jobs.collect()).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(rows(&mut group), 200);
        let commits = commits.load(Ordering::SeqCst);
        assert!((4..100).contains(&commits), "{commits}");
    }

    /// In which order `awaited` and `beside` jobs are taken that all wait, in one group or each in one of its own.
    fn taken(awaited: usize, beside: usize, in_one_group: bool) -> String {
        let (awaited_sender, beside_sender) = (mpsc::channel(QUEUE_LENGTH), mpsc::channel(QUEUE_LENGTH));
        let nothing = || job(|_| Box::pin(async { Ok(()) })).0;
        (0..awaited).for_each(|_| assert!(awaited_sender.0.try_send(nothing()).is_ok()));
        (0..beside).for_each(|_| assert!(beside_sender.0.try_send(nothing()).is_ok()));
        let mut lanes = Lanes { awaited: awaited_sender.1, beside: beside_sender.1, in_a_row: 0 };
        let (mut group, mut order) = (Vec::new(), String::new());
        while let Some((_, lane)) = lanes.next(&group) {
            order.push(if lane == Lane::Awaited { 'a' } else { 'b' });
            if in_one_group {
                group.push(lane);
            }
        }
        order
    }

    #[test]
    fn who_waits_comes_first_and_others_have_their_turn() {
        assert_eq!(taken(7, 4, false), "aaabaaababb");
        assert_eq!(taken(0, 3, false), "bbb");
        assert_eq!(taken(2, 0, false), "aa");
        // Who waits gets the answer when the group is committed: it is not made longer by what could still come behind it.
        assert_eq!(taken(2, 2, true), "aa");
        assert_eq!(taken(7, 4, true), "aaabaaaba");
        assert_eq!(taken(0, 3, true), "bbb", "where nobody waits they share a commit");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn writes_of_both_lanes_are_done_before_the_thread_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        let mut connection = Connection::open(&path, Purpose::Write, &Options::default()).unwrap();
        connection.run_batch("CREATE TABLE t (n INTEGER UNIQUE)").unwrap();
        let state = watch::channel(PlatformState::default()).0;
        let writer = Writer::start(connection, state, Handle::current()).unwrap();
        let mut answers = Vec::new();
        for number in 0..20 {
            let (job, answer) =
                job(move |tx| Box::pin(async move { tx.run_ddl(&format!("INSERT INTO t VALUES ({number})")).await }));
            let lane = if number % 2 == 0 { Lane::Awaited } else { Lane::Beside };
            writer.run(job, lane).await.unwrap();
            answers.push(answer);
        }
        writer.close();
        for (slot, answer) in answers {
            slot.answer(answer.await.unwrap()).unwrap();
        }
        tokio::task::spawn_blocking(move || writer.join()).await.unwrap();
    }

    #[tokio::test]
    async fn writes_that_were_lost_with_another_run_again() {
        let directory = tempfile::tempdir().unwrap();
        let (group, _) = group_commit(&directory);
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        let jobs = vec![
            job(move |tx| {
                counter.fetch_add(1, Ordering::SeqCst);
                Box::pin(async move { tx.run_ddl("INSERT INTO t VALUES (1)").await })
            }),
            // As SQLite itself does when the disk is full.
            job(|tx| {
                Box::pin(async move {
                    tx.run_ddl("ROLLBACK").await?;
                    Err(StoreError::Cancelled)
                })
            }),
            job(|tx| Box::pin(async move { tx.run_ddl("INSERT INTO t VALUES (2)").await })),
        ];
        let (mut group, answers) = run_all(group, jobs).await;
        assert!(matches!(answers[..], [Ok(()), Err(StoreError::Cancelled), Ok(())]), "{answers:?}");
        assert_eq!((rows(&mut group), runs.load(Ordering::SeqCst)), (2, 2));
    }

    #[tokio::test]
    async fn a_commit_that_fails_fails_all_of_its_group() {
        let directory = tempfile::tempdir().unwrap();
        let (mut group, _) = group_commit(&directory);
        // A reference that is checked at the commit only.
        let tables = "CREATE TABLE p (id INTEGER PRIMARY KEY);
                      CREATE TABLE c (p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)";
        group.tx.sqlite_connection().run_batch(tables).unwrap();
        let jobs = vec![
            job(|tx| Box::pin(async move { tx.run_ddl("INSERT INTO t VALUES (1)").await })),
            job(|tx| Box::pin(async move { tx.run_ddl("INSERT INTO c VALUES (9)").await })),
        ];
        let (mut group, answers) = run_all(group, jobs).await;
        assert!(
            answers.iter().all(|answer| matches!(answer, Err(StoreError::ForeignKeyViolation { .. }))),
            "{answers:?}"
        );
        assert_eq!(rows(&mut group), 0);
        assert!(!group.tx.sqlite_connection().in_transaction());
    }
}
