-- Whether an assignment is begun by its machine's order book, and is not known to have begun: asked at every contact.
ALTER TABLE assignment ADD COLUMN in_book BIGINT NOT NULL DEFAULT 0;
UPDATE assignment SET in_book = 1 WHERE state = 'started' AND attempt = 1 AND EXISTS (
  SELECT 1 FROM walk w WHERE w.run = assignment.run AND w.device = assignment.device AND w.step = assignment.step AND w.led LIKE '%"by_book":true%');
