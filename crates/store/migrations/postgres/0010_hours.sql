-- Assignments first handed out and ended, by hour of the clock in UTC (hours since 1970) and kind: the first screen draws them.
CREATE TABLE hour_count (
  org UUID NOT NULL REFERENCES org(id), hour BIGINT NOT NULL, kind TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (org, hour, kind)
);
INSERT INTO hour_count (org, hour, kind, n)
  SELECT org, ended / 3600000, state, count(*) FROM assignment
  WHERE ended IS NOT NULL AND state IN ('ok', 'error', 'unknown') GROUP BY org, ended / 3600000, state
  UNION ALL SELECT org, started / 3600000, 'started', count(*) FROM assignment WHERE started IS NOT NULL GROUP BY org, started / 3600000;
