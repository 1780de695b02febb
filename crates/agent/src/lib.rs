//! Muster's own agent: collectors, enrolment, work.

pub mod collect;
