-- name: database_answers
-- Return a row, so that the readiness probe sees that the database answers.
SELECT 1 AS one;

-- name: database_time
-- The time by the database's clock.
SELECT clock_timestamp() AS now;

-- name: database_connection_lasts
-- End transactions of this connection after $1 milliseconds, even while they wait. Servers before 17 do not support
-- it.
SELECT set_config('transaction_timeout', $1, false) WHERE current_setting('transaction_timeout', true) IS NOT NULL;

-- name: database_transaction_lasts
-- End this transaction after $1 milliseconds, instead of the connection's limit. A running timer must be switched off
-- before it can restart.
SELECT set_config('transaction_timeout', '0', true), set_config('transaction_timeout', $1, true)
WHERE current_setting('transaction_timeout', true) IS NOT NULL;

-- name: database_connection_checks
-- End statements of this connection within $1 milliseconds after the client is gone. Servers before 14 do not support
-- it.
SELECT set_config('client_connection_check_interval', $1, false) WHERE current_setting('client_connection_check_interval', true) IS NOT NULL;
