//! The runs that this process has under way, and whose turn it is.

use rustc_hash::FxHashMap;
use uuid::Uuid;

/// Runs at the same time.
const RUNS_MAX: usize = 16;
/// Of them, those of one workflow: the others never wait for all of its runs.
const RUNS_OF_ONE_MAX: usize = 12;
/// Most workflows that are asked for runs in one transaction; where they have nothing to give, the next look asks those behind them.
const ASKED_MAX: usize = 64;

/// How many runs of which workflow this process has under way, and whose turn it was when.
#[derive(Debug, Default)]
pub(super) struct Share {
    running: FxHashMap<Uuid, usize>,
    all: usize,
    /// When each was given runs last, counted in turns. Kept while it has nothing to do: else whoever has one run after the other would always be
    /// the first again.
    turns: FxHashMap<Uuid, u64>,
    turn: u64,
    /// So many of those in turn had nothing to give when they were asked.
    passed: usize,
}

impl Share {
    /// Whether none may begin.
    pub fn is_full(&self) -> bool {
        self.all >= RUNS_MAX
    }

    /// How many are under way.
    pub fn all(&self) -> usize {
        self.all
    }

    /// One begins.
    pub fn begin(&mut self, workflow: Uuid) {
        *self.running.entry(workflow).or_default() += 1;
        self.all += 1;
    }

    /// One has ended.
    pub fn end(&mut self, workflow: Uuid) {
        self.all = self.all.saturating_sub(1);
        if let Some(count) = self.running.get_mut(&workflow) {
            *count = count.saturating_sub(1);
        }
        self.running.retain(|_, count| *count > 0);
    }

    /// How many more runs may begin.
    pub fn free(&self) -> usize {
        RUNS_MAX - self.all.min(RUNS_MAX)
    }

    /// How many more of a workflow's runs may begin, were there nothing else.
    pub fn room(&self, workflow: &Uuid) -> usize {
        RUNS_OF_ONE_MAX.saturating_sub(self.running.get(workflow).copied().unwrap_or_default())
    }

    /// Which of the due workflows are asked for runs, and how many more each may have: who was given none for longest is the first. To have been
    /// asked is no turn: who had nothing to give because another does the same job comes before the other then.
    pub fn in_turn(&self, due: &[Uuid]) -> Vec<(Uuid, usize)> {
        let mut in_turn: Vec<(Uuid, usize)> =
            due.iter().map(|workflow| (*workflow, self.room(workflow))).filter(|(_, room)| *room > 0).collect();
        in_turn.sort_by_key(|(workflow, _)| (self.turns.get(workflow).copied().unwrap_or_default(), *workflow));
        let passed = if self.passed < in_turn.len() { self.passed } else { 0 };
        in_turn.split_off(passed).into_iter().take(ASKED_MAX).collect()
    }

    /// So many were asked, and these gave runs, one after the other.
    pub fn given(&mut self, asked: usize, by: impl Iterator<Item = Uuid>) {
        let before = self.turn;
        for workflow in by {
            self.turn += 1;
            self.turns.insert(workflow, self.turn);
        }
        self.passed = if self.turn > before || asked < ASKED_MAX { 0 } else { self.passed + asked };
    }
}

/// An equal part of what is free for the next workflow in turn, where so many come behind it. What it does not take is left to them.
pub(super) fn part(free: usize, behind: usize, room: usize) -> usize {
    free.div_ceil(behind + 1).min(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: u128) -> Vec<Uuid> {
        (1..=count).map(Uuid::from_u128).collect()
    }

    /// What each workflow gets that has as much as is offered.
    fn parts(share: &Share, due: &[Uuid]) -> Vec<(Uuid, usize)> {
        let in_turn = share.in_turn(due);
        let (mut free, mut parts) = (share.free(), Vec::new());
        for (position, (workflow, room)) in in_turn.iter().enumerate() {
            let part = part(free, in_turn.len() - position - 1, *room);
            free -= part;
            parts.push((*workflow, part));
        }
        parts.retain(|(_, part)| *part > 0);
        parts
    }

    #[test]
    fn every_due_workflow_gets_its_part() {
        let parts =
            |count| -> Vec<usize> { parts(&Share::default(), &ids(count)).into_iter().map(|(_, part)| part).collect() };
        assert_eq!(parts(1), [RUNS_OF_ONE_MAX]);
        assert_eq!(parts(3), [6, 5, 5]);
        assert_eq!(parts(40), [1; RUNS_MAX]);
        assert_eq!(parts(0), [0; 0]);
    }

    #[test]
    fn a_workflow_with_many_runs_leaves_room_and_turns_go_round() {
        let [one, two, three] = ids(3).try_into().unwrap();
        let mut share = Share::default();
        for _ in 0..RUNS_OF_ONE_MAX {
            share.begin(one);
        }
        share.given(1, [one].into_iter());
        assert!(parts(&share, &[one]).is_empty());
        assert_eq!(parts(&share, &[one, two]), [(two, 4)]);
        for _ in 0..3 {
            share.begin(two);
        }
        share.given(1, [two].into_iter());
        assert_eq!(parts(&share, &[one, two, three]), [(three, 1)], "it is the next in turn");
        share.begin(three);
        share.given(1, [three].into_iter());
        assert!(parts(&share, &[one, two, three]).is_empty());
        share.end(one);
        assert_eq!(parts(&share, &[one, two, three]), [(one, 1)]);
    }

    #[test]
    fn those_behind_many_that_have_nothing_to_give_are_asked_too() {
        let (all, mut share) = (ids(ASKED_MAX as u128 + 2), Share::default());
        let asked = |share: &Share| -> Vec<Uuid> { share.in_turn(&all).into_iter().map(|(id, _)| id).collect() };
        assert_eq!(asked(&share), all[..ASKED_MAX]);
        share.given(ASKED_MAX, std::iter::empty());
        assert_eq!(asked(&share), all[ASKED_MAX..]);
        share.given(2, all[ASKED_MAX..=ASKED_MAX].iter().copied());
        assert_eq!(asked(&share), all[..ASKED_MAX], "they may have something by now");
        share.given(ASKED_MAX, std::iter::empty());
        assert_eq!(asked(&share), [all[ASKED_MAX + 1], all[ASKED_MAX]], "who was given none is before who was");
        share.given(2, std::iter::empty());
        assert_eq!(asked(&share), all[..ASKED_MAX]);
    }
}
