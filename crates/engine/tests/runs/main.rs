//! Runs on our own agents and on others: jobs of several steps, roll-out.

mod alone;
mod approvals;
mod book;
mod jobs;
mod late;
mod leftovers;
mod moves;
mod planner;
mod pool;
mod reports;
mod rollout;
mod switch;
mod world;
