//! Signed orders of Muster's own agent (`docs/protocols/native.md`, "Orders"). Used by the agent and the server alike.
//!
//! Lives here: what is signed, making an order, and opening one: every reason for which an agent refuses. Absent on purpose:
//! sockets, files, clocks, randomness, and what an agent remembers of orders it had (its journal).

use crate::native::AttemptRef;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use muster_core::ids::{AgentId, AssignmentId, OrgId, RunId, TaskId};
use muster_core::tasks::book::{Occasion, Recurs};
use muster_core::tasks::job::led::{Course, Piece, Standing};
use muster_core::tasks::pool::Range;
use muster_core::tasks::{Nominal, Open};
use muster_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// How far an order may seem to come from the future: clocks are never quite the same.
pub const FUTURE_MAX: Duration = Duration::from_secs(120);
/// Targets of one manifest.
pub const TARGETS_MAX: u64 = 1 << 24;

/// What a run does, to whom and until when. It is signed as the text that it was written as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this text: 1.
    pub v: u32,
    /// Whose run it is.
    pub org: OrgId,
    /// The run.
    pub run: RunId,
    /// Its task.
    pub task: TaskId,
    /// The task's name when the run started.
    pub task_name: String,
    /// Version of the task.
    pub version: i64,
    /// What agents do in it.
    pub steps: Vec<Step>,
    /// The whole job, for those who walk it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Course>,
    /// Root of the tree of targets, see [`Targets`]; hex.
    pub root: String,
    /// How many targets the tree has.
    pub count: u64,
    /// When it was signed, server's clock, milliseconds since 1970.
    pub issued_ms: i64,
    /// Makes it unlike every other; 32 hex digits.
    pub nonce: String,
}

/// One step of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Index of the step in the task, from 0.
    pub step: u32,
    /// Its id in the task.
    pub id: String,
    /// What to do: `type` and its parameters, as in a task's document.
    pub action: Value,
    /// How long the work may take, seconds.
    pub timeout_seconds: u64,
    /// Whether it may be done twice without harm; otherwise it is begun at most once.
    pub idempotent: bool,
    /// Whether it is ended when its target's time is over; otherwise it may finish.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stops: bool,
    /// The addresses of this order, where the action is done for addresses by a pool: its slice, such as `10.0.0.16-10.0.0.31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<Range>,
}

/// Who may do it, in which of its lives, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// The agent.
    #[schemars(with = "String")]
    pub agent: AgentId,
    /// Its incarnation: a new enrolment ends the orders of the one before.
    pub incarnation: u32,
    /// It must not begin before this instant, milliseconds since 1970 by the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before_ms: Option<i64>,
    /// It must not begin at or after this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after_ms: Option<i64>,
}

impl Target {
    fn leaf(&self) -> [u8; 32] {
        let none_as_minimum = |at: Option<i64>| at.unwrap_or(i64::MIN).to_be_bytes();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[0]);
        hasher.update(self.agent.0.as_bytes());
        hasher.update(&self.incarnation.to_be_bytes());
        hasher.update(&none_as_minimum(self.not_before_ms));
        hasher.update(&none_as_minimum(self.not_after_ms));
        hasher.finalize().into()
    }
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// A tree over targets: pairs are hashed, level by level, and an odd last one moves up as it is.
#[derive(Clone, Debug)]
pub struct Targets {
    levels: Vec<Vec<[u8; 32]>>,
}

impl Targets {
    /// The tree over these targets, in this order. At least one.
    pub fn new(targets: &[Target]) -> Self {
        let mut levels = vec![targets.iter().map(Target::leaf).collect::<Vec<_>>()];
        while let Some(last) = levels.last().filter(|level| level.len() > 1) {
            let above = last.chunks(2).map(|pair| if let [l, r] = pair { node(l, r) } else { pair[0] }).collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The root; hex.
    pub fn root(&self) -> String {
        hex(&self.levels.last().and_then(|level| level.first()).copied().unwrap_or_default())
    }

    /// How many targets it has.
    pub fn count(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// By what the target at a place is shown to be in the tree.
    pub fn proof(&self, place: u64) -> Proof {
        let (mut at, mut path) = (usize::try_from(place).unwrap_or(usize::MAX), Vec::new());
        for level in &self.levels {
            path.extend(level.get(at ^ 1).filter(|_| level.len() > 1).map(hex));
            at /= 2;
        }
        Proof { place, path }
    }
}

/// By what a target is shown to be in a tree: its place, and its neighbours from the leaves up, hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// Place among the targets, from 0.
    pub place: u64,
    /// Neighbours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
}

impl Proof {
    /// The root that this proof leads to from a target; `None` when it does not fit a tree of `count`.
    fn root(&self, target: &Target, count: u64) -> Option<String> {
        if self.place >= count || count > TARGETS_MAX {
            return None;
        }
        let (mut at, mut width, mut hash, mut path) = (self.place, count, target.leaf(), self.path.iter());
        while width > 1 {
            if (at ^ 1) < width {
                let other = unhex(path.next()?)?;
                hash = if at.is_multiple_of(2) { node(&hash, &other) } else { node(&other, &hash) };
            }
            (at, width) = (at / 2, width.div_ceil(2));
        }
        path.next().is_none().then(|| hex(&hash))
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    blake3::Hash::from_hex(text).ok().map(Into::into)
}

/// Gives one attempt to one agent. It is signed as the text that it was written as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// blake3 of the manifest's text, hex: a token fits no other run.
    pub manifest: String,
    /// The assignment.
    pub assignment: AssignmentId,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// Index of the step.
    pub step: u32,
    /// Who has it.
    pub agent: AgentId,
    /// In which of its lives.
    pub incarnation: u32,
    /// Until when the server waits for word of it, server's clock, milliseconds since 1970.
    pub lease_until_ms: i64,
    /// When it was signed.
    pub issued_ms: i64,
    /// Where the job stands that the agent walks alone from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Of an entry of the order book: when it is begun. Such a token names no assignment, and its attempt is the issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurs: Option<Recurs>,
}

/// One piece of work as it is handed to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// The text of a [`Manifest`].
    pub manifest: String,
    /// Its signature.
    pub manifest_signature: String,
    /// This agent among its targets.
    pub target: Target,
    /// That it is one of them.
    pub proof: Proof,
    /// The text of a [`Token`].
    pub token: String,
    /// Its signature.
    pub token_signature: String,
}

/// A manifest that is signed, with its targets: gives orders.
#[derive(Clone, Debug)]
pub struct Signed {
    text: String,
    signature: String,
    targets: Vec<Target>,
    tree: Targets,
}

impl Signed {
    /// Signs what a run does for these targets; `root` and `count` of the manifest are filled in.
    pub fn new(key: &SigningKey, manifest: Manifest, targets: Vec<Target>) -> Self {
        let tree = Targets::new(&targets);
        let manifest = Manifest { root: tree.root(), count: tree.count(), ..manifest };
        let text = serde_json::to_string(&manifest).expect("a manifest has text keys only");
        let signature = sign(key, MANIFEST, &text);
        Self { text, signature, targets, tree }
    }

    /// The order of an attempt for the target at a place; `token.manifest` is filled in.
    pub fn order(&self, key: &SigningKey, place: usize, token: Token) -> Option<Order> {
        let token = Token { manifest: blake3::hash(self.text.as_bytes()).to_hex().to_string(), ..token };
        let token = serde_json::to_string(&token).ok()?;
        Some(Order {
            manifest: self.text.clone(),
            manifest_signature: self.signature.clone(),
            target: *self.targets.get(place)?,
            proof: self.tree.proof(place as u64),
            token_signature: sign(key, TOKEN, &token),
            token,
        })
    }
}

const MANIFEST: &str = "muster-manifest-v1";
const TOKEN: &str = "muster-token-v1";

fn sign(key: &SigningKey, kind: &str, text: &str) -> String {
    URL_SAFE_NO_PAD.encode(key.sign(format!("{kind}\n{text}").as_bytes()).to_bytes())
}

fn is_signed(keys: &[VerifyingKey], kind: &str, text: &str, signature: &str) -> bool {
    let bytes = URL_SAFE_NO_PAD.decode(signature).ok().and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    let Some(signature) = bytes.map(|bytes| Signature::from_bytes(&bytes)) else { return false };
    keys.iter().any(|key| key.verify_strict(format!("{kind}\n{text}").as_bytes(), &signature).is_ok())
}

/// Who opens an order.
#[derive(Clone, Copy, Debug)]
pub struct Opener<'a> {
    /// The pinned keys of the server.
    pub keys: &'a [VerifyingKey],
    /// This agent.
    pub agent: AgentId,
    /// Which of its lives this is.
    pub incarnation: u32,
    /// The server's clock as far as it is known, milliseconds since 1970.
    pub now_ms: i64,
}

/// An order that was found good.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The run.
    pub run: RunId,
    /// The task's name.
    pub task_name: String,
    /// The attempt.
    pub attempt: AttemptRef,
    /// What to do.
    pub step: Step,
    /// When.
    pub target: Target,
    /// Until when the server waits for word of it.
    pub lease_until_ms: i64,
    /// The job that is walked alone from here, and the piece of it that this attempt is.
    pub job: Option<Box<(Course, Piece)>>,
    /// When it is begun, of an entry of the order book.
    pub recurs: Option<Box<Recurs>>,
}

impl Opened {
    /// The first piece of an occurrence of an entry; `None`: this is no entry.
    pub fn occurrence(&self, nominal: &Nominal, open: &Open) -> Option<Piece> {
        let (recurs, (_, first)) = (self.recurs.as_deref()?, self.job.as_deref()?);
        let Recurs { task, version, .. } = *recurs;
        let occasion = Occasion { task, version, nominal: nominal.to_string() };
        Some(Piece {
            assignment: AssignmentId::of_occurrence(task, version, nominal, self.target.agent),
            attempt: 1,
            from: open.not_before,
            standing: first.standing.clone(),
            occasion: Some((occasion, open.not_after)),
        })
    }

    /// The order of another piece of the same job; `None`: the job has no such piece.
    pub fn at(&self, piece: &Piece) -> Option<Opened> {
        let course = &self.job.as_deref()?.0;
        let (place, leg) = (piece.standing.place, course.legs.get(piece.standing.place)?);
        let step = Step {
            step: u32::try_from(place).ok()?,
            id: course.plan.parts.get(place)?.id.clone(),
            action: course.action(&piece.standing)?,
            timeout_seconds: leg.timeout_seconds,
            idempotent: leg.idempotent,
            stops: leg.stops,
            slice: None,
        };
        let from = self.target.not_before_ms.unwrap_or(i64::MIN).max(piece.from.millis());
        let end = piece.occasion.as_ref().map_or(self.target.not_after_ms, |(_, end)| end.map(Timestamp::millis));
        Some(Opened {
            attempt: AttemptRef { assignment: piece.assignment, attempt: piece.attempt },
            step,
            target: Target { not_before_ms: Some(from), not_after_ms: end, ..self.target },
            job: Some(Box::new((course.clone(), piece.clone()))),
            ..self.clone()
        })
    }
}

/// Why an agent refuses an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderRefusal {
    /// No order of a form this agent knows.
    #[error("the order is not of a form this agent knows")]
    Malformed,
    /// The manifest or the token was not signed by a pinned key.
    #[error("the order is not signed by the server's pinned key")]
    Forged,
    /// It is for another agent, or the target is none of the manifest's.
    #[error("the order is for another agent")]
    Aim,
    /// It is for an earlier life of this agent.
    #[error("the order is for an earlier enrolment of this agent")]
    Incarnation,
    /// The server waits no longer for word of it.
    #[error("the order is outdated: its lease is over")]
    Outdated,
    /// It was signed in the future, or its time has not come.
    #[error("the order is of the future")]
    Future,
    /// This attempt, or a later one, was taken before.
    #[error("the order came before")]
    Replayed,
}

impl OrderRefusal {
    /// All of them.
    pub const ALL: [OrderRefusal; 7] =
        [Self::Malformed, Self::Forged, Self::Aim, Self::Incarnation, Self::Outdated, Self::Future, Self::Replayed];

    /// The word on the wire, in metrics and in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Forged => "forged",
            Self::Aim => "aim",
            Self::Incarnation => "incarnation",
            Self::Outdated => "outdated",
            Self::Future => "future",
            Self::Replayed => "replayed",
        }
    }
}

impl Order {
    /// The attempt that its token names, unproven: to say which order is refused.
    pub fn named(&self) -> Option<AttemptRef> {
        let token: Token = serde_json::from_str(&self.token).ok()?;
        Some(AttemptRef { assignment: token.assignment, attempt: token.attempt })
    }

    /// Opens an order: both signatures, the target and its proof, the life, and the time. Whether it came before is for the
    /// journal to say.
    pub fn open(&self, who: &Opener<'_>) -> Result<Opened, OrderRefusal> {
        let (manifest, token) = self.proven(who)?;
        let latest = who.now_ms.saturating_add(i64::try_from(FUTURE_MAX.as_millis()).unwrap_or(i64::MAX));
        if manifest.issued_ms.max(token.issued_ms) > latest || self.target.not_before_ms.is_some_and(|from| from > latest) {
            return Err(OrderRefusal::Future);
        }
        if token.lease_until_ms <= who.now_ms {
            return Err(OrderRefusal::Outdated);
        }
        self.opened(manifest, &token)
    }

    /// The same for an order that was obeyed already: whatever the time.
    pub fn reopen(&self, who: &Opener<'_>) -> Result<Opened, OrderRefusal> {
        let (manifest, token) = self.proven(who)?;
        self.opened(manifest, &token)
    }

    fn proven(&self, who: &Opener<'_>) -> Result<(Manifest, Token), OrderRefusal> {
        if !is_signed(who.keys, MANIFEST, &self.manifest, &self.manifest_signature)
            || !is_signed(who.keys, TOKEN, &self.token, &self.token_signature)
        {
            return Err(OrderRefusal::Forged);
        }
        let manifest: Manifest = serde_json::from_str(&self.manifest).map_err(|_| OrderRefusal::Malformed)?;
        let token: Token = serde_json::from_str(&self.token).map_err(|_| OrderRefusal::Malformed)?;
        if manifest.v != 1 {
            return Err(OrderRefusal::Malformed);
        }
        if token.manifest != blake3::hash(self.manifest.as_bytes()).to_hex().as_str()
            || self.proof.root(&self.target, manifest.count).as_deref() != Some(manifest.root.as_str())
            || self.target.agent != who.agent
            || token.agent != who.agent
        {
            return Err(OrderRefusal::Aim);
        }
        if self.target.incarnation != who.incarnation || token.incarnation != who.incarnation {
            return Err(OrderRefusal::Incarnation);
        }
        Ok((manifest, token))
    }

    fn opened(&self, manifest: Manifest, token: &Token) -> Result<Opened, OrderRefusal> {
        let step = manifest.steps.into_iter().find(|s| s.step == token.step).ok_or(OrderRefusal::Malformed)?;
        let piece = |standing: &Standing| Piece {
            assignment: token.assignment,
            attempt: token.attempt,
            from: Timestamp(self.target.not_before_ms.unwrap_or(0)),
            standing: standing.clone(),
            occasion: None,
        };
        let job = manifest.job.zip(token.standing.as_ref().map(piece)).map(Box::new);
        Ok(Opened {
            run: manifest.run,
            task_name: manifest.task_name,
            attempt: AttemptRef { assignment: token.assignment, attempt: token.attempt },
            step,
            target: self.target,
            lease_until_ms: token.lease_until_ms,
            job,
            recurs: token.recurs.clone().map(Box::new),
        })
    }
}

#[cfg(test)]
#[path = "order/tests.rs"]
mod tests;
