-- Since when a machine begins what its book says, by this issue or by an earlier one that says the same.
ALTER TABLE book ADD COLUMN begins BIGINT;
UPDATE book SET begins = held;
