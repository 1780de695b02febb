-- A run's assignments in their order, and among them those that did not end well: few, and what is looked for.
CREATE INDEX a_run ON assignment(run, id);
CREATE INDEX a_run_bad ON assignment(run, state, id) WHERE open = 0 AND state <> 'ok';
