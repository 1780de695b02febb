-- Since when no machine has a program; 0 when nobody can tell, none while one has it.
ALTER TABLE program ADD COLUMN gone INTEGER;
UPDATE program SET gone = 0 WHERE devices = 0;
-- Documents that wait for a use are removed by their age.
CREATE INDEX kept_document_org ON kept_document(org, id);
