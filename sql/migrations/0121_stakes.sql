-- Compatible from: 0120
-- What an operator has pending, newest first; and what of theirs waits for its verdict, oldest first.
DROP INDEX CONCURRENTLY IF EXISTS earnings_at_stake;
CREATE INDEX CONCURRENTLY earnings_at_stake ON earnings (operator_id, earned_at DESC, id DESC) WHERE state = 'PENDING';
DROP INDEX CONCURRENTLY IF EXISTS checks_of_operator;
CREATE INDEX CONCURRENTLY checks_of_operator ON checks (operator, opened_at) WHERE state = 'PENDING';
