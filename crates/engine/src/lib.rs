//! Commands and queries: authorise, one transaction, decide, save, wake. Workers.
