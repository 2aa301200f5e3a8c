-- Compatible from: 0101
-- How many sessions the node has had. The newest one serves it, whichever gateway it is at; each older one is closed.
ALTER TABLE nodes ADD COLUMN session_epoch bigint NOT NULL DEFAULT 0;
