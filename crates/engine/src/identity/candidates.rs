//! Pairs of devices that may be one: noticed by themselves, dismissed and reopened by people.

use super::{Host, alike, host, rival, settings};
use crate::audit::{Object, record};
use crate::cx::Cx;
use crate::error::{Error, Kind};
use crate::fleet::{found, limited, online_since};
use muster_core::access::Role;
use muster_core::fleet::{
    CandidateKind, CandidateState, Device, DoubleCandidate, EvidenceKind, Fit, Protocol, Standing, sentence, standing,
};
use muster_core::ids::{CandidateId, DeviceId, OrgId};
use muster_core::limits::NOTES_CHARS_MAX;
use muster_core::page::{Page, PageRequest};
use muster_core::tasks::why::Sentence;
use muster_store::{CandidateFilter, Rx, Tx};
use serde_json::json;
use std::collections::BTreeMap;

/// A candidate with its two devices as they are now, in the order of its ids; a device that is gone is `None`.
#[derive(Clone, Debug)]
pub struct CandidateView {
    /// The candidate.
    pub candidate: DoubleCandidate,
    /// The two, each with whether it is online.
    pub devices: [Option<(Device, bool)>; 2],
}

/// Two devices in the order in which a pair is kept.
pub(crate) fn pair(a: DeviceId, b: DeviceId) -> (DeviceId, DeviceId) {
    if a < b { (a, b) } else { (b, a) }
}

/// Looks for devices that may be the same machine as this one, and forgets pairs whose reason is gone. What a person said of
/// a pair stays.
pub(crate) fn notice(tx: &mut Tx, cx: &Cx, org: OrgId, device: DeviceId) -> Result<(), Error> {
    if tx.device(org, device)?.is_none() {
        return Ok(());
    }
    let mine = host(tx, org, device)?;
    let others: Vec<DeviceId> = alike(tx, org, &mine.evidence)?.into_iter().filter(|d| *d != device).collect();
    let before = tx.candidates_of(device)?;
    if others.is_empty() && before.is_empty() {
        return Ok(());
    }
    let settings = settings(tx, org)?;
    let mut found: BTreeMap<(DeviceId, DeviceId), CandidateKind> = BTreeMap::new();
    for other in others {
        let theirs = host(tx, org, other)?;
        let protocols: Vec<Protocol> = mine.agents.iter().map(|a| a.protocol).collect();
        let rival = rival(&protocols, &theirs.agents, &settings, cx.now);
        let (standing, fit) = standing(&mine.evidence, &theirs.evidence, rival);
        let devices = pair(device, other);
        let known = before.iter().find(|c| c.devices == devices);
        let kind = match (standing, known) {
            (Standing::Other, _) => continue,
            // A copy does not become a duplicate because the original is off for a while.
            (_, Some(known)) => known.kind,
            (Standing::Clone, None) => CandidateKind::Clone,
            (Standing::Same | Standing::Alike, None) => CandidateKind::Duplicate,
        };
        let reason = reason(kind, &fit, &mine, &theirs);
        let (id, points, evidence) = (cx.id(), fit.points, fit.weights);
        found.insert(devices, kind);
        let state = CandidateState::Open;
        tx.candidate_note(&DoubleCandidate { id, org, at: cx.now, kind, devices, points, evidence, state, reason, note: None })?;
    }
    for gone in before.iter().filter(|c| c.state == CandidateState::Open && !found.contains_key(&c.devices)) {
        tx.candidate_forget(gone.id)?;
    }
    Ok(())
}

fn reason(kind: CandidateKind, fit: &Fit, mine: &Host, theirs: &Host) -> Sentence {
    let shared = |kind: EvidenceKind| fit.weights.iter().find(|w| w.kind == kind && w.shared).map(|w| w.value.clone());
    let id = |host: &Host| host.evidence.iter().any(|e| e.kind == EvidenceKind::Deviceid);
    match (kind, shared(EvidenceKind::Deviceid).or_else(|| shared(EvidenceKind::AgentId))) {
        (CandidateKind::Clone, Some(value)) if id(mine) && id(theirs) => {
            let text = format!("Both send the id {value}, from different hardware. One was copied from the other, or claims to be it.");
            sentence("same_id_other_hardware", json!({"id": value}), text)
        }
        (CandidateKind::Clone, _) => {
            let value = shared(EvidenceKind::Uuid).or_else(|| shared(EvidenceKind::Serial)).unwrap_or_default();
            let text = format!("Both tell {value}, under other names or with other network cards. One was copied from the other.");
            sentence("same_hardware_other_host", json!({"value": value, "points": fit.points}), text)
        }
        (CandidateKind::Duplicate, _) => {
            let text = format!("They share evidence worth {} points; they may be one machine.", fit.points);
            sentence("hardware_alike", json!({"points": fit.points}), text)
        }
    }
}

fn view(rx: &mut Rx, cx: &Cx, candidates: Vec<DoubleCandidate>) -> Result<Vec<CandidateView>, Error> {
    let since = online_since(&settings(rx, cx.org)?, cx.now);
    let ids: Vec<DeviceId> = candidates.iter().flat_map(|c| [c.devices.0, c.devices.1]).collect();
    let devices: BTreeMap<DeviceId, Device> = rx.devices_with_merged(cx.org, &ids)?.into_iter().map(|d| (d.id, d)).collect();
    let show = |id: DeviceId| devices.get(&id).map(|d| (d.clone(), d.last_contact.is_some_and(|at| at >= since)));
    Ok(candidates.into_iter().map(|c| CandidateView { devices: [show(c.devices.0), show(c.devices.1)], candidate: c }).collect())
}

/// A page of candidates; the open ones unless asked for otherwise.
pub fn candidate_list(rx: &mut Rx, cx: &Cx, filter: &CandidateFilter, page: &PageRequest) -> Result<Page<CandidateView>, Error> {
    cx.may_here(Role::Viewer, "listing duplicates")?;
    let Page { items, next, total } = rx.candidates(cx.org, filter, page)?;
    Ok(Page { items: view(rx, cx, items)?, next, total })
}

/// The open candidates of a device.
pub(crate) fn open_of(rx: &mut Rx, cx: &Cx, device: DeviceId) -> Result<Vec<CandidateView>, Error> {
    let filter = CandidateFilter { device: Some(device), ..CandidateFilter::default() };
    let page = PageRequest { limit: 100, descending: true, sort: Some("points".to_owned()), ..PageRequest::default() };
    Ok(candidate_list(rx, cx, &filter, &page)?.items)
}

/// One candidate.
pub fn candidate_view(rx: &mut Rx, cx: &Cx, id: CandidateId) -> Result<CandidateView, Error> {
    cx.may_here(Role::Viewer, "looking at duplicates")?;
    let candidate = rx.candidate(cx.org, id)?.ok_or_else(|| Error::not_found("duplicate/not-found", "candidate", id))?;
    let mut views = view(rx, cx, vec![candidate])?;
    views.pop().ok_or_else(|| Error::not_found("duplicate/not-found", "candidate", id))
}

/// Says that two devices are apart; they are not proposed again.
pub fn candidate_dismiss(tx: &mut Tx, cx: &Cx, id: CandidateId, note: Option<&str>) -> Result<CandidateView, Error> {
    limited("/note", note.unwrap_or(""), NOTES_CHARS_MAX)?;
    become_state(tx, cx, id, CandidateState::Open, CandidateState::Dismissed, note)
}

/// Takes a dismissal back.
pub fn candidate_reopen(tx: &mut Tx, cx: &Cx, id: CandidateId) -> Result<CandidateView, Error> {
    become_state(tx, cx, id, CandidateState::Dismissed, CandidateState::Open, None)
}

fn become_state(
    tx: &mut Tx,
    cx: &Cx,
    id: CandidateId,
    from: CandidateState,
    to: CandidateState,
    note: Option<&str>,
) -> Result<CandidateView, Error> {
    let before = candidate_view(tx, cx, id)?.candidate;
    cx.may_here(Role::Operator, "deciding on duplicates")?;
    if before.state == to {
        return candidate_view(tx, cx, id);
    }
    if before.state != from {
        let detail = format!("this candidate is {}; only one that is {from} can become {to}", before.state);
        return Err(Error::new(Kind::Conflict, "duplicate/decided", detail));
    }
    for device in [before.devices.0, before.devices.1] {
        found(tx, cx, device)?;
    }
    tx.candidate_state(id, to, note, cx.now)?;
    let verb = if to == CandidateState::Dismissed { "duplicate_dismiss" } else { "duplicate_reopen" };
    let after = json!({"state": to.as_str(), "note": note, "devices": [before.devices.0, before.devices.1]});
    let object = Object { kind: "duplicate", id: Some(id.0), name: before.kind.as_str() };
    record(tx, cx, Some(cx.org), verb, object, Some(json!({"state": before.state.as_str()})), Some(after))?;
    candidate_view(tx, cx, id)
}
