-- name: database_answers
-- For the readiness probe.
SELECT 1 AS one;

-- name: database_time
-- The time by the database's clock.
SELECT clock_timestamp() AS now;

-- name: database_connection_lasts
-- A transaction of this connection is ended by the server after $1 milliseconds, whatever it waits for. Servers before 17 cannot.
SELECT set_config('transaction_timeout', $1, false) WHERE current_setting('transaction_timeout', true) IS NOT NULL;

-- name: database_transaction_lasts
-- The same for this transaction alone; a timer that runs is only begun anew when it was off.
SELECT set_config('transaction_timeout', '0', true), set_config('transaction_timeout', $1, true)
WHERE current_setting('transaction_timeout', true) IS NOT NULL;

-- name: database_connection_checks
-- A statement of this connection is ended within $1 milliseconds after its client has gone. Servers before 14 cannot.
SELECT set_config('client_connection_check_interval', $1, false) WHERE current_setting('client_connection_check_interval', true) IS NOT NULL;
