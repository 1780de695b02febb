//! The closed lists of words: each is the word of `muster-core`, checked by the compiler to be complete.

use muster_core::access::Role as CoreRole;
use muster_core::fleet::{
    CandidateKind as CoreCandidateKind, CandidateState as CoreCandidateState, EvidenceKind as CoreEvidenceKind,
    IdentityAct as CoreIdentityAct, Protocol as CoreProtocol, WakeOutcome as CoreWakeOutcome,
};
use muster_core::groups::GroupKind as CoreGroupKind;
use muster_core::tasks::approval::ApprovalState as CoreApprovalState;
use muster_core::tasks::{
    AttemptState as CoreAttemptState, Delivery as CoreDelivery, RunState as CoreRunState, State as CoreState, Verdict as CoreVerdict,
};
use muster_engine::groups::MemberAct as CoreMemberAct;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident = $core:ident { $($(#[$word_doc:meta])* $word:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
        }

        impl From<$core> for $name {
            fn from(word: $core) -> Self {
                match word {
                    $($core::$word => Self::$word,)*
                }
            }
        }

        impl From<$name> for $core {
            fn from(word: $name) -> Self {
                match word {
                    $($name::$word => Self::$word,)*
                }
            }
        }
    };
}

words! {
    /// Where an assignment stands.
    State = CoreState {
        /// Waits to be handed out.
        Prepared,
        /// Handed out.
        Started,
        /// The agent said it began.
        Running,
        /// Done well.
        Ok,
        /// Done badly, no try remains.
        Error,
        /// Lost; a late result may still come.
        Unknown,
        /// Ended by a person.
        Cancelled,
        /// Its time passed before it began.
        Expired,
        /// Another branch was taken.
        Skipped,
    }
}

words! {
    /// Where an attempt stands.
    AttemptState = CoreAttemptState {
        /// Handed out.
        Started,
        /// Under way.
        Running,
        /// Done well.
        Ok,
        /// Done badly.
        Error,
        /// Not heard of in time.
        Unknown,
        /// Given back without being begun.
        Declined,
    }
}

words! {
    /// Where a run stands.
    RunState = CoreRunState {
        /// Its assignments are being made.
        Preparing,
        /// None was handed out yet.
        Waiting,
        /// Some were.
        Running,
        /// Until a person resumes it.
        Paused,
        /// Stopped by its own bound on errors.
        Halted,
        /// Every assignment is final.
        Finished,
    }
}

words! {
    /// What a finished run came to.
    Verdict = CoreVerdict {
        /// Everything ended well.
        Ok,
        /// Nothing ended well.
        Error,
        /// Some ended well.
        Partial,
        /// A person ended it before anything was done.
        Cancelled,
    }
}

words! {
    /// Where an approval stands.
    ApprovalState = CoreApprovalState {
        /// It waits for a second person.
        Asked,
        /// One start is approved.
        Approved,
        /// A person refused it, or who asked took it back.
        Rejected,
        /// A run was started with it.
        Used,
    }
}

words! {
    /// Where the members of a group come from.
    GroupKind = CoreGroupKind {
        /// People name them.
        Static,
        /// They follow a query.
        Dynamic,
    }
}

words! {
    /// What is done to the devices that a query selects.
    MemberAct = CoreMemberAct {
        /// They come into the group.
        Add,
        /// They leave it.
        Remove,
    }
}

words! {
    /// What a person or token may do.
    Role = CoreRole {
        /// Sees everything, changes nothing.
        Viewer,
        /// Runs tasks, edits devices, tasks and agents.
        Operator,
        /// Also people, tokens and settings.
        Admin,
    }
}

words! {
    /// How an agent speaks.
    Protocol = CoreProtocol {
        /// Muster's own agent.
        Muster,
        /// GLPI Agent.
        Glpi,
        /// FusionInventory Agent.
        Fusioninventory,
        /// OCS Inventory agent.
        Ocs,
    }
}

words! {
    /// How work reaches the agent.
    Delivery = CoreDelivery {
        /// Wait for it to come.
        Pull,
        /// Wake it.
        Push,
    }
}

words! {
    /// What came of a wake-up.
    WakeOutcome = CoreWakeOutcome {
        /// The agent said it will come.
        Ok,
        /// It was busy with another task.
        Busy,
        /// Nobody listens there.
        Refused,
        /// It does not trust this server's address.
        Denied,
        /// No answer.
        Timeout,
        /// No way there.
        Unreachable,
    }
}

words! {
    /// By what a device is known.
    EvidenceKind = CoreEvidenceKind {
        /// The key of Muster's own agent.
        Key,
        /// The GLPI agent's UUID.
        AgentId,
        /// The DEVICEID of a foreign agent.
        Deviceid,
        /// The system UUID.
        Uuid,
        /// The machine's serial number.
        Serial,
        /// A MAC address.
        Mac,
        /// The host's name; weighed, and worth little.
        Name,
    }
}

words! {
    /// What two devices may be to each other.
    DuplicateKind = CoreCandidateKind {
        /// One machine that is listed twice.
        Duplicate,
        /// Two machines: one was copied from the other, or claims to be it.
        Clone,
    }
}

words! {
    /// What became of a candidate.
    DuplicateState = CoreCandidateState {
        /// Waits for a person.
        Open,
        /// A person said that the two are apart.
        Dismissed,
        /// The two were made one.
        Merged,
    }
}

words! {
    /// What was done to the agents of a device.
    IdentityAct = CoreIdentityAct {
        /// A person made two devices one.
        Merge,
        /// A person parted agents from a device.
        Split,
        /// A person took a merge or split back.
        Undo,
        /// A new agent was recognised on a known device.
        Joined,
        /// A new agent of a protocol that the device had already.
        Reinstalled,
        /// An agent came with another DEVICEID and was known by its agent id.
        RenamedAgent,
    }
}
