//! When the targets of one occurrence, or of a start by hand, may begin.

use super::occurrence::GRACE;
use super::schedule::{Misfire, Nominal, Occurrence, Schedule, When, next};
use super::window::{Open, Window};
use super::zone::{ZoneName, Zones};
use crate::time::Timestamp;
use jiff::tz::TimeZone;

/// When targets may begin.
#[derive(Clone, Debug)]
pub struct Timing {
    schedule: Option<Schedule>,
    window: Option<Window>,
    wall: Option<Nominal>,
    next: Option<Nominal>,
    zones: Zones,
    zone: ZoneName,
    nominal_at: Timestamp,
    created: Timestamp,
}

impl Timing {
    /// Of an occurrence, or of a start without one; `nominal_at` is where windows are reckoned from, and `created` when it started.
    pub fn new(
        zones: Zones,
        schedule: Option<Schedule>,
        window: Option<Window>,
        nominal: Option<Nominal>,
        (nominal_at, created): (Timestamp, Timestamp),
    ) -> Self {
        let wall = nominal.filter(|n| matches!(n, Nominal::Wall(_)));
        let zone = window.as_ref().map_or(ZoneName::Organization, |w| w.zone_with(schedule.as_ref()));
        // What recurs and has no end of its own ends where the next one begins.
        let has_end = window.as_ref().is_some_and(|w| w.not_after.is_some());
        let recurs = schedule.as_ref().filter(|s| nominal.is_some() && !has_end && matches!(s.when, When::Cron { .. } | When::Every(_)));
        let next = recurs.and_then(|s| next(s, &zones, nominal_at, nominal_at)).map(|o| o.nominal);
        Self { schedule, window, wall, next, zones, zone, nominal_at, created }
    }

    /// Of the next occurrence of a schedule from `now` on; without one, of a start at that moment.
    pub fn of_next(zones: Zones, schedule: Option<&Schedule>, window: Option<&Window>, now: Timestamp) -> Self {
        match schedule.and_then(|schedule| next(schedule, &zones, now, now)) {
            Some(it) => Self::of(zones, schedule, window, &it),
            None => Self::new(zones, schedule.cloned(), window.cloned(), None, (now, now)),
        }
    }

    /// Of an occurrence that is still to come.
    pub fn of(zones: Zones, schedule: Option<&Schedule>, window: Option<&Window>, it: &Occurrence) -> Self {
        Self::new(zones, schedule.cloned(), window.cloned(), Some(it.nominal), (it.starts, it.starts))
    }

    /// The zones of its organization.
    pub fn zones(&self) -> &Zones {
        &self.zones
    }

    /// Whether targets differ by their zones.
    pub fn is_per_device(&self) -> bool {
        self.wall.is_some() || self.zone == ZoneName::Device
    }

    /// When a target in a zone may begin; `None`: its time has passed, or never comes.
    pub fn open(&self, own: &TimeZone) -> Option<Open> {
        let nominal = match (&self.schedule, &self.wall) {
            (Some(schedule), Some(wall)) => schedule.instant_for(wall, own)?,
            _ => self.nominal_at,
        };
        let is_late = self.wall.is_some() && nominal.plus(GRACE) < self.created;
        if is_late && self.schedule.as_ref().is_some_and(|s| s.misfire == Misfire::Skip) {
            return None;
        }
        let zone = self.zones.zone(&self.zone).unwrap_or_else(|| own.clone());
        let open = match &self.window {
            Some(window) => window.open(nominal, &zone).ok()?,
            None => Open { not_before: nominal, not_after: None },
        };
        let next = self.next.map(|n| n.instant_in(own)).filter(|end| *end > open.not_before);
        Some(Open { not_after: open.not_after.or(next), ..open })
    }
}
