-- Organizations, people, fleet, tasks. The same tables and columns as the other dialect; instants are milliseconds, ids BLOB v7.
CREATE TABLE org (
  id BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, settings TEXT NOT NULL, settings_version INTEGER NOT NULL,
  run_number INTEGER NOT NULL, created INTEGER NOT NULL
) STRICT;
CREATE TABLE person (
  id BLOB PRIMARY KEY, org BLOB REFERENCES org(id), name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, password TEXT NOT NULL,
  must_change INTEGER NOT NULL, created INTEGER NOT NULL, last_login INTEGER, disabled INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE TABLE session (
  hash BLOB PRIMARY KEY, person BLOB NOT NULL REFERENCES person(id) ON DELETE CASCADE, csrf TEXT NOT NULL,
  created INTEGER NOT NULL, expires INTEGER NOT NULL
) STRICT;
CREATE INDEX session_person ON session(person);
CREATE TABLE token (
  id BLOB PRIMARY KEY, org BLOB REFERENCES org(id), name TEXT NOT NULL, role TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
  created INTEGER NOT NULL, last_used INTEGER, expires INTEGER
) STRICT;
CREATE TABLE join_token (
  id BLOB PRIMARY KEY, org BLOB NOT NULL REFERENCES org(id), name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
  uses_left INTEGER, used INTEGER NOT NULL, verified INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER
) STRICT;
CREATE TABLE device (
  id BLOB PRIMARY KEY, org BLOB NOT NULL REFERENCES org(id), name TEXT NOT NULL, given_name TEXT, os TEXT, os_family TEXT,
  manufacturer TEXT, model TEXT, serial TEXT, uuid TEXT, cpu TEXT, memory_mb INTEGER, tag TEXT, given_tag TEXT, notes TEXT,
  ips TEXT NOT NULL, macs TEXT NOT NULL, verified INTEGER NOT NULL, agent BLOB, protocol TEXT, agent_version TEXT,
  software_count INTEGER NOT NULL, findings TEXT NOT NULL, finding_count INTEGER NOT NULL, first_seen INTEGER NOT NULL,
  last_inventory INTEGER NOT NULL, last_contact INTEGER NOT NULL, search TEXT NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE INDEX device_name ON device(org, name, id);
CREATE INDEX device_contact ON device(org, last_contact, id);
CREATE INDEX device_inventory ON device(org, last_inventory, id);
CREATE TABLE agent (
  id BLOB PRIMARY KEY, org BLOB NOT NULL REFERENCES org(id), device BLOB NOT NULL REFERENCES device(id) ON DELETE CASCADE,
  protocol TEXT NOT NULL, foreign_id TEXT, glpi_id TEXT, public_key BLOB, version TEXT, modules TEXT NOT NULL,
  verified INTEGER NOT NULL, incarnation INTEGER NOT NULL, first_contact INTEGER NOT NULL, last_contact INTEGER, next_contact INTEGER,
  last_inventory INTEGER, address TEXT, port INTEGER, source TEXT, wake_at INTEGER, wake_outcome TEXT, wake_detail TEXT,
  readings BLOB, readings_hash BLOB, version_no INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX agent_foreign ON agent(foreign_id, protocol) WHERE foreign_id IS NOT NULL;
CREATE UNIQUE INDEX agent_key ON agent(public_key) WHERE public_key IS NOT NULL;
CREATE INDEX agent_device ON agent(device);
CREATE INDEX agent_source ON agent(source, first_contact);
CREATE TABLE agent_section (
  agent BLOB NOT NULL REFERENCES agent(id) ON DELETE CASCADE, section TEXT NOT NULL, hash BLOB NOT NULL, doc BLOB NOT NULL,
  row_count INTEGER NOT NULL, changed INTEGER NOT NULL, PRIMARY KEY (agent, section)
) STRICT;
CREATE TABLE evidence (
  agent BLOB NOT NULL REFERENCES agent(id) ON DELETE CASCADE, kind TEXT NOT NULL, value TEXT NOT NULL, org BLOB NOT NULL,
  PRIMARY KEY (agent, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_value ON evidence(org, kind, value);
CREATE TABLE device_address (
  device BLOB NOT NULL REFERENCES device(id) ON DELETE CASCADE, kind TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (device, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_address_value ON device_address(value, device);
CREATE TABLE device_login (
  device BLOB NOT NULL REFERENCES device(id) ON DELETE CASCADE, name TEXT NOT NULL, PRIMARY KEY (device, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_login_name ON device_login(name, device);
CREATE TABLE software (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, publisher TEXT NOT NULL, arch TEXT NOT NULL
) STRICT;
CREATE INDEX software_name ON software(name);
CREATE TABLE device_software (
  software INTEGER NOT NULL, device BLOB NOT NULL REFERENCES device(id) ON DELETE CASCADE, PRIMARY KEY (software, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE history (
  id BLOB PRIMARY KEY, org BLOB NOT NULL, device BLOB NOT NULL REFERENCES device(id) ON DELETE CASCADE, agent BLOB NOT NULL,
  at INTEGER NOT NULL, sections TEXT NOT NULL, doc BLOB NOT NULL
) STRICT;
CREATE INDEX history_device ON history(device, id);
CREATE TABLE task (
  id BLOB PRIMARY KEY, org BLOB NOT NULL REFERENCES org(id), name TEXT NOT NULL, version INTEGER NOT NULL, created INTEGER NOT NULL,
  updated INTEGER NOT NULL, author TEXT NOT NULL, deleted INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX task_name ON task(org, name) WHERE deleted = 0;
CREATE TABLE task_version (
  task BLOB NOT NULL REFERENCES task(id), version INTEGER NOT NULL, doc TEXT NOT NULL, created INTEGER NOT NULL, author TEXT NOT NULL,
  PRIMARY KEY (task, version)
) STRICT;
CREATE TABLE run (
  id BLOB PRIMARY KEY, org BLOB NOT NULL REFERENCES org(id), number INTEGER NOT NULL, task BLOB NOT NULL REFERENCES task(id),
  task_version INTEGER NOT NULL, task_name TEXT NOT NULL, state TEXT NOT NULL, verdict TEXT, delivery TEXT NOT NULL, priority INTEGER NOT NULL,
  targeted INTEGER NOT NULL, made INTEGER NOT NULL, cancel_requested INTEGER NOT NULL, cancel_done INTEGER NOT NULL, created INTEGER NOT NULL,
  started INTEGER, ended INTEGER, started_by TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX run_number ON run(org, number);
CREATE INDEX run_task ON run(task, id);
CREATE INDEX run_open ON run(id) WHERE state <> 'finished';
CREATE TABLE run_snapshot (
  run BLOB NOT NULL REFERENCES run(id) ON DELETE CASCADE, chunk INTEGER NOT NULL, devices BLOB NOT NULL, PRIMARY KEY (run, chunk)
) STRICT;
CREATE TABLE run_step (
  run BLOB NOT NULL REFERENCES run(id) ON DELETE CASCADE, step INTEGER NOT NULL, name TEXT NOT NULL, action TEXT NOT NULL,
  attempts_max INTEGER NOT NULL, backoff INTEGER NOT NULL, on_error INTEGER NOT NULL, on_unknown INTEGER NOT NULL,
  idempotent INTEGER NOT NULL, strangers INTEGER NOT NULL, timeout INTEGER, PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;
CREATE TABLE run_count (
  run BLOB NOT NULL REFERENCES run(id) ON DELETE CASCADE, step INTEGER NOT NULL, prepared INTEGER NOT NULL, started INTEGER NOT NULL,
  running INTEGER NOT NULL, ok INTEGER NOT NULL, error INTEGER NOT NULL, unknown INTEGER NOT NULL, cancelled INTEGER NOT NULL,
  expired INTEGER NOT NULL, skipped INTEGER NOT NULL, PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;
-- Predicates say `open`, not a list of states: a claim must touch as few indexes as can be.
CREATE TABLE assignment (
  id BLOB PRIMARY KEY, org BLOB NOT NULL, run BLOB NOT NULL REFERENCES run(id) ON DELETE CASCADE, step INTEGER NOT NULL, device BLOB NOT NULL,
  state TEXT NOT NULL, open INTEGER NOT NULL, priority INTEGER NOT NULL, attempt INTEGER NOT NULL, agent BLOB, incarnation INTEGER,
  attempt_state TEXT, lease INTEGER NOT NULL, due INTEGER NOT NULL, cancel_requested INTEGER NOT NULL, created INTEGER NOT NULL,
  updated INTEGER NOT NULL, started INTEGER, ended INTEGER, exit_code INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX a_unique ON assignment(run, step, device);
CREATE INDEX a_open ON assignment(device, priority, id) WHERE open = 1;
CREATE INDEX a_queue ON assignment(org, priority, id) WHERE open = 1;
CREATE INDEX a_lease ON assignment(lease) WHERE lease > 0;
CREATE INDEX a_device ON assignment(device, id);
CREATE TABLE attempt (
  assignment BLOB NOT NULL REFERENCES assignment(id) ON DELETE CASCADE, no INTEGER NOT NULL, agent BLOB NOT NULL, incarnation INTEGER NOT NULL,
  state TEXT NOT NULL, handed INTEGER NOT NULL, begun INTEGER, ended INTEGER, lease INTEGER NOT NULL, exit_code INTEGER, output TEXT, message TEXT,
  PRIMARY KEY (assignment, no)
) STRICT;
CREATE TABLE event (
  id INTEGER PRIMARY KEY, org BLOB NOT NULL, run BLOB NOT NULL REFERENCES run(id) ON DELETE CASCADE,
  assignment BLOB, attempt INTEGER, at INTEGER NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
CREATE INDEX event_run ON event(run, id);
CREATE INDEX event_assignment ON event(assignment, id) WHERE assignment IS NOT NULL;
CREATE TABLE wake (
  agent BLOB PRIMARY KEY REFERENCES agent(id) ON DELETE CASCADE, org BLOB NOT NULL, due INTEGER NOT NULL, tries INTEGER NOT NULL,
  created INTEGER NOT NULL
) STRICT;
CREATE INDEX wake_due ON wake(due);
CREATE TABLE wake_log (
  id BLOB PRIMARY KEY, org BLOB NOT NULL, agent BLOB NOT NULL REFERENCES agent(id) ON DELETE CASCADE, at INTEGER NOT NULL,
  outcome TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE INDEX wake_log_agent ON wake_log(agent, id);
CREATE TABLE audit (
  id BLOB PRIMARY KEY, org BLOB, at INTEGER NOT NULL, actor TEXT NOT NULL, verb TEXT NOT NULL, object_kind TEXT NOT NULL,
  object_id BLOB, object_name TEXT NOT NULL, before TEXT, after TEXT, request TEXT NOT NULL
) STRICT;
CREATE INDEX audit_org ON audit(org, id);
CREATE TABLE idempotency (
  caller TEXT NOT NULL, key TEXT NOT NULL, request BLOB NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (caller, key)
) STRICT;
CREATE INDEX idempotency_at ON idempotency(at);
