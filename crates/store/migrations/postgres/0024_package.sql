-- Work for OCS agents as packages: each is one attempt. 'token' is a part of the address where it is fetched.
CREATE TABLE package (
  number BIGINT PRIMARY KEY, org UUID NOT NULL, assignment UUID NOT NULL REFERENCES assignment(id) ON DELETE CASCADE, attempt BIGINT NOT NULL, token TEXT NOT NULL
);
CREATE UNIQUE INDEX package_attempt ON package(assignment, attempt);
