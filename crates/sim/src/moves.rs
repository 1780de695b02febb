//! What can happen next: the moves of agents, people, workers and time, each switched and weighted by the seed.

use crate::world::World;
use muster_engine::queue::QueueAct;
use std::time::Duration;

/// One thing that may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Contact,
    Contacts,
    Inventory,
    Repeat,
    Work,
    Reports,
    Resume,
    OldReport,
    StrangeReport,
    Rebirth,
    Reinstall,
    Return,
    NewTask,
    ChangeTask,
    DeleteTask,
    Switch,
    Approve,
    Start,
    CancelRun,
    CancelAssignment,
    CancelQueue,
    DelayQueue,
    PrioritiseQueue,
    Pause,
    Freeze,
    ChangeDevice,
    Transfer,
    DeleteDevice,
    MergeDevices,
    SplitDevice,
    UndoAct,
    Groups,
    Members,
    Settings,
    Intrude,
    Prepare,
    Lapse,
    Schedules,
    Happenings,
    Steps,
    Jobs,
    Book,
    Keep,
    Presence,
    Wake,
    WakeDone,
    Forward,
    Backward,
    Restart,
}

impl Move {
    pub(crate) const ALL: [Move; 49] = [
        Move::Contact,
        Move::Contacts,
        Move::Inventory,
        Move::Repeat,
        Move::Work,
        Move::Reports,
        Move::Resume,
        Move::OldReport,
        Move::StrangeReport,
        Move::Rebirth,
        Move::Reinstall,
        Move::Return,
        Move::NewTask,
        Move::ChangeTask,
        Move::DeleteTask,
        Move::Switch,
        Move::Approve,
        Move::Start,
        Move::CancelRun,
        Move::CancelAssignment,
        Move::CancelQueue,
        Move::DelayQueue,
        Move::PrioritiseQueue,
        Move::Pause,
        Move::Freeze,
        Move::ChangeDevice,
        Move::Transfer,
        Move::DeleteDevice,
        Move::MergeDevices,
        Move::SplitDevice,
        Move::UndoAct,
        Move::Groups,
        Move::Members,
        Move::Settings,
        Move::Intrude,
        Move::Prepare,
        Move::Lapse,
        Move::Schedules,
        Move::Happenings,
        Move::Steps,
        Move::Jobs,
        Move::Book,
        Move::Keep,
        Move::Presence,
        Move::Wake,
        Move::WakeDone,
        Move::Forward,
        Move::Backward,
        Move::Restart,
    ];

    /// Without it hardly anything happens: seldom switched off, seldom rare.
    pub(crate) fn is_needed(self) -> bool {
        use Move::{Contact, Forward, Inventory, Lapse, NewTask, Prepare, Start, Work};
        matches!(self, Contact | Inventory | Work | NewTask | Start | Prepare | Lapse | Forward)
    }
}

impl World {
    /// The next move by weight.
    pub(crate) fn draw(&mut self) -> Option<Move> {
        let total = self.swarm.weights.iter().map(|(_, w)| w).sum();
        let mut left = self.dice.below(total);
        for (it, weight) in &self.swarm.weights {
            if left < *weight {
                return Some(*it);
            }
            left -= weight;
        }
        None
    }

    /// Does one move.
    pub(crate) fn act(&mut self, it: Move) {
        self.change_server();
        match it {
            Move::Contact | Move::Inventory | Move::Repeat | Move::Work | Move::OldReport => self.agent_moves(it),
            Move::StrangeReport | Move::Rebirth | Move::Reinstall | Move::Return => self.agent_moves(it),
            Move::Contacts => self.contacts_together(),
            Move::Reports => self.reports_together(),
            Move::Resume => self.channel_opened(),
            Move::NewTask => self.task_new(),
            Move::ChangeTask => self.task_change(),
            Move::DeleteTask => self.task_remove(),
            Move::Switch => self.schedule_switch(),
            Move::Approve => self.start_approve(),
            Move::Start => self.run_new(),
            Move::CancelRun => self.run_end(),
            Move::CancelAssignment => self.assignment_end(),
            Move::CancelQueue => self.queue_act(QueueAct::Cancel),
            Move::DelayQueue => {
                let until = self.now().plus(Duration::from_secs(self.dice.within(1, 2 * 86_400) as u64));
                self.queue_act(QueueAct::Delay(until));
            }
            Move::PrioritiseQueue => {
                let priority = u8::try_from(self.dice.below(10)).unwrap_or(5);
                self.queue_act(QueueAct::Prioritise(priority));
            }
            Move::Pause => self.run_hold(),
            Move::Freeze => self.brake(),
            Move::ChangeDevice => self.device_change(),
            Move::Transfer => self.device_move(),
            Move::DeleteDevice => self.device_remove_any(),
            Move::MergeDevices => self.devices_merge(),
            Move::SplitDevice => self.device_split(),
            Move::UndoAct => self.act_undo(),
            Move::Groups => self.group_act(),
            Move::Members => drop(self.work_groups()),
            Move::Settings => self.settings_change(),
            Move::Intrude => self.intrude(),
            Move::Prepare => drop(self.work_prepare()),
            Move::Lapse => drop(self.work_lapse()),
            Move::Schedules => drop(self.work_schedules()),
            Move::Happenings => drop(self.work_happenings()),
            Move::Steps => drop(self.work_steps()),
            Move::Jobs => drop(self.work_jobs()),
            Move::Book => drop(self.work_book()),
            Move::Keep => self.keepers_move(),
            Move::Presence => self.work_presence(),
            Move::Wake => self.work_wakes(),
            Move::WakeDone => self.work_wake_done(),
            Move::Forward => self.time_forward(),
            Move::Backward => self.time_backward(),
            Move::Restart => {
                self.note("restart");
                self.restart();
            }
        }
    }

    fn time_forward(&mut self) {
        let most = self.dice.pick(&[10, 300, 3_600, 4 * 3_600, 12 * 3_600]).unwrap_or(10);
        let by = Duration::from_secs(self.dice.within(1, most) as u64);
        self.clock.advance(by);
        self.note(format_args!("time: {} s later", by.as_secs()));
    }

    /// The wall clock is set back, at most two days in one world.
    fn time_backward(&mut self) {
        let by = Duration::from_secs(self.dice.within(1, 6 * 3_600) as u64);
        if !self.swarm.backwards || self.set_back + by > Duration::from_secs(2 * 86_400) {
            return;
        }
        self.set_back += by;
        self.clock.set(self.now().minus(by));
        self.note(format_args!("time: set back by {} s", by.as_secs()));
    }
}
