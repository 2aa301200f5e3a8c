-- The newest migration of the oldest program that works with the schema after this one, from the line
-- "-- Compatible from: NNNN" of its file. Null: programs that lack the migration do not.
ALTER TABLE schema_migrations ADD COLUMN compatible_from integer;
