-- Organizations, people, fleet, tasks. The same tables and columns as the other dialect; instants are milliseconds, ids UUID v7.
CREATE TABLE org (
  id UUID PRIMARY KEY, name TEXT NOT NULL UNIQUE, settings TEXT NOT NULL, settings_version BIGINT NOT NULL,
  run_number BIGINT NOT NULL, created BIGINT NOT NULL
);
CREATE TABLE person (
  id UUID PRIMARY KEY, org UUID REFERENCES org(id), name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, password TEXT NOT NULL,
  must_change BIGINT NOT NULL, created BIGINT NOT NULL, last_login BIGINT, disabled BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE TABLE session (
  hash BYTEA PRIMARY KEY, person UUID NOT NULL REFERENCES person(id) ON DELETE CASCADE, csrf TEXT NOT NULL,
  created BIGINT NOT NULL, expires BIGINT NOT NULL
);
CREATE INDEX session_person ON session(person);
CREATE TABLE token (
  id UUID PRIMARY KEY, org UUID REFERENCES org(id), name TEXT NOT NULL, role TEXT NOT NULL, hash BYTEA NOT NULL UNIQUE,
  created BIGINT NOT NULL, last_used BIGINT, expires BIGINT
);
CREATE TABLE join_token (
  id UUID PRIMARY KEY, org UUID NOT NULL REFERENCES org(id), name TEXT NOT NULL, hash BYTEA NOT NULL UNIQUE,
  uses_left BIGINT, used BIGINT NOT NULL, verified BIGINT NOT NULL, created BIGINT NOT NULL, expires BIGINT
);
CREATE TABLE device (
  id UUID PRIMARY KEY, org UUID NOT NULL REFERENCES org(id), name TEXT NOT NULL, given_name TEXT, os TEXT, os_family TEXT,
  manufacturer TEXT, model TEXT, serial TEXT, uuid TEXT, cpu TEXT, memory_mb BIGINT, tag TEXT, given_tag TEXT, notes TEXT,
  ips TEXT NOT NULL, macs TEXT NOT NULL, verified BIGINT NOT NULL, agent UUID, protocol TEXT, agent_version TEXT,
  software_count BIGINT NOT NULL, findings TEXT NOT NULL, finding_count BIGINT NOT NULL, first_seen BIGINT NOT NULL,
  last_inventory BIGINT NOT NULL, last_contact BIGINT NOT NULL, search TEXT NOT NULL, version BIGINT NOT NULL
);
CREATE INDEX device_name ON device(org, name, id);
CREATE INDEX device_contact ON device(org, last_contact, id);
CREATE INDEX device_inventory ON device(org, last_inventory, id);
CREATE TABLE agent (
  id UUID PRIMARY KEY, org UUID NOT NULL REFERENCES org(id), device UUID NOT NULL REFERENCES device(id) ON DELETE CASCADE,
  protocol TEXT NOT NULL, foreign_id TEXT, glpi_id TEXT, public_key BYTEA, version TEXT, modules TEXT NOT NULL,
  verified BIGINT NOT NULL, incarnation BIGINT NOT NULL, first_contact BIGINT NOT NULL, last_contact BIGINT, next_contact BIGINT,
  last_inventory BIGINT, address TEXT, port BIGINT, source TEXT, wake_at BIGINT, wake_outcome TEXT, wake_detail TEXT,
  readings BYTEA, readings_hash BYTEA, version_no BIGINT NOT NULL
);
CREATE UNIQUE INDEX agent_foreign ON agent(foreign_id, protocol) WHERE foreign_id IS NOT NULL;
CREATE UNIQUE INDEX agent_key ON agent(public_key) WHERE public_key IS NOT NULL;
CREATE INDEX agent_device ON agent(device);
CREATE INDEX agent_source ON agent(source, first_contact);
CREATE TABLE agent_section (
  agent UUID NOT NULL REFERENCES agent(id) ON DELETE CASCADE, section TEXT NOT NULL, hash BYTEA NOT NULL, doc BYTEA NOT NULL,
  row_count BIGINT NOT NULL, changed BIGINT NOT NULL, PRIMARY KEY (agent, section)
);
CREATE TABLE evidence (
  agent UUID NOT NULL REFERENCES agent(id) ON DELETE CASCADE, kind TEXT NOT NULL, value TEXT NOT NULL, org UUID NOT NULL,
  PRIMARY KEY (agent, kind, value)
);
CREATE INDEX evidence_value ON evidence(org, kind, value);
CREATE TABLE device_address (
  device UUID NOT NULL REFERENCES device(id) ON DELETE CASCADE, kind TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (device, kind, value)
);
CREATE INDEX device_address_value ON device_address(value, device);
CREATE TABLE device_login (
  device UUID NOT NULL REFERENCES device(id) ON DELETE CASCADE, name TEXT NOT NULL, PRIMARY KEY (device, name)
);
CREATE INDEX device_login_name ON device_login(name, device);
CREATE TABLE software (
  id BIGINT PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, publisher TEXT NOT NULL, arch TEXT NOT NULL
);
CREATE INDEX software_name ON software(name);
CREATE TABLE device_software (
  software BIGINT NOT NULL, device UUID NOT NULL REFERENCES device(id) ON DELETE CASCADE, PRIMARY KEY (software, device)
);
CREATE TABLE history (
  id UUID PRIMARY KEY, org UUID NOT NULL, device UUID NOT NULL REFERENCES device(id) ON DELETE CASCADE, agent UUID NOT NULL,
  at BIGINT NOT NULL, sections TEXT NOT NULL, doc BYTEA NOT NULL
);
CREATE INDEX history_device ON history(device, id);
CREATE TABLE task (
  id UUID PRIMARY KEY, org UUID NOT NULL REFERENCES org(id), name TEXT NOT NULL, version BIGINT NOT NULL, created BIGINT NOT NULL,
  updated BIGINT NOT NULL, author TEXT NOT NULL, deleted BIGINT NOT NULL
);
CREATE UNIQUE INDEX task_name ON task(org, name) WHERE deleted = 0;
CREATE TABLE task_version (
  task UUID NOT NULL REFERENCES task(id), version BIGINT NOT NULL, doc TEXT NOT NULL, created BIGINT NOT NULL, author TEXT NOT NULL,
  PRIMARY KEY (task, version)
);
CREATE TABLE run (
  id UUID PRIMARY KEY, org UUID NOT NULL REFERENCES org(id), number BIGINT NOT NULL, task UUID NOT NULL REFERENCES task(id),
  task_version BIGINT NOT NULL, task_name TEXT NOT NULL, state TEXT NOT NULL, verdict TEXT, delivery TEXT NOT NULL, priority BIGINT NOT NULL,
  targeted BIGINT NOT NULL, made BIGINT NOT NULL, cancel_requested BIGINT NOT NULL, cancel_done BIGINT NOT NULL, created BIGINT NOT NULL,
  started BIGINT, ended BIGINT, started_by TEXT NOT NULL
);
CREATE UNIQUE INDEX run_number ON run(org, number);
CREATE INDEX run_task ON run(task, id);
CREATE INDEX run_open ON run(id) WHERE state <> 'finished';
CREATE TABLE run_snapshot (
  run UUID NOT NULL REFERENCES run(id) ON DELETE CASCADE, chunk BIGINT NOT NULL, devices BYTEA NOT NULL, PRIMARY KEY (run, chunk)
);
CREATE TABLE run_step (
  run UUID NOT NULL REFERENCES run(id) ON DELETE CASCADE, step BIGINT NOT NULL, name TEXT NOT NULL, action TEXT NOT NULL,
  attempts_max BIGINT NOT NULL, backoff BIGINT NOT NULL, on_error BIGINT NOT NULL, on_unknown BIGINT NOT NULL,
  idempotent BIGINT NOT NULL, strangers BIGINT NOT NULL, timeout BIGINT, PRIMARY KEY (run, step)
);
CREATE TABLE run_count (
  run UUID NOT NULL REFERENCES run(id) ON DELETE CASCADE, step BIGINT NOT NULL, prepared BIGINT NOT NULL, started BIGINT NOT NULL,
  running BIGINT NOT NULL, ok BIGINT NOT NULL, error BIGINT NOT NULL, unknown BIGINT NOT NULL, cancelled BIGINT NOT NULL,
  expired BIGINT NOT NULL, skipped BIGINT NOT NULL, PRIMARY KEY (run, step)
);
-- Predicates say `open`, not a list of states: a claim must touch as few indexes as can be.
CREATE TABLE assignment (
  id UUID PRIMARY KEY, org UUID NOT NULL, run UUID NOT NULL REFERENCES run(id) ON DELETE CASCADE, step BIGINT NOT NULL, device UUID NOT NULL,
  state TEXT NOT NULL, open BIGINT NOT NULL, priority BIGINT NOT NULL, attempt BIGINT NOT NULL, agent UUID, incarnation BIGINT,
  attempt_state TEXT, lease BIGINT NOT NULL, due BIGINT NOT NULL, cancel_requested BIGINT NOT NULL, created BIGINT NOT NULL,
  updated BIGINT NOT NULL, started BIGINT, ended BIGINT, exit_code BIGINT
);
CREATE UNIQUE INDEX a_unique ON assignment(run, step, device);
CREATE INDEX a_open ON assignment(device, priority, id) WHERE open = 1;
CREATE INDEX a_queue ON assignment(org, priority, id) WHERE open = 1;
CREATE INDEX a_lease ON assignment(lease) WHERE lease > 0;
CREATE INDEX a_device ON assignment(device, id);
CREATE TABLE attempt (
  assignment UUID NOT NULL REFERENCES assignment(id) ON DELETE CASCADE, no BIGINT NOT NULL, agent UUID NOT NULL, incarnation BIGINT NOT NULL,
  state TEXT NOT NULL, handed BIGINT NOT NULL, begun BIGINT, ended BIGINT, lease BIGINT NOT NULL, exit_code BIGINT, output TEXT, message TEXT,
  PRIMARY KEY (assignment, no)
);
CREATE TABLE event (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, org UUID NOT NULL, run UUID NOT NULL REFERENCES run(id) ON DELETE CASCADE,
  assignment UUID, attempt BIGINT, at BIGINT NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL
);
CREATE INDEX event_run ON event(run, id);
CREATE INDEX event_assignment ON event(assignment, id) WHERE assignment IS NOT NULL;
CREATE TABLE wake (
  agent UUID PRIMARY KEY REFERENCES agent(id) ON DELETE CASCADE, org UUID NOT NULL, due BIGINT NOT NULL, tries BIGINT NOT NULL,
  created BIGINT NOT NULL
);
CREATE INDEX wake_due ON wake(due);
CREATE TABLE wake_log (
  id UUID PRIMARY KEY, org UUID NOT NULL, agent UUID NOT NULL REFERENCES agent(id) ON DELETE CASCADE, at BIGINT NOT NULL,
  outcome TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX wake_log_agent ON wake_log(agent, id);
CREATE TABLE audit (
  id UUID PRIMARY KEY, org UUID, at BIGINT NOT NULL, actor TEXT NOT NULL, verb TEXT NOT NULL, object_kind TEXT NOT NULL,
  object_id UUID, object_name TEXT NOT NULL, before TEXT, after TEXT, request TEXT NOT NULL
);
CREATE INDEX audit_org ON audit(org, id);
CREATE TABLE idempotency (
  caller TEXT NOT NULL, key TEXT NOT NULL, request BYTEA NOT NULL, status BIGINT NOT NULL, body TEXT NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_at ON idempotency(at);
