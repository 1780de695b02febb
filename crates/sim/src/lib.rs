//! The world in a box: virtual time, scripted agents, checkers.
