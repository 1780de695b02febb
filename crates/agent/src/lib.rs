//! Muster's own agent: collectors, enrolment, work.
