"""Check that job events match the tables: each change has exactly one event."""

from typing import Any

import asyncpg

# Each query returns rows for which the events and the tables disagree.
CHECKS = {
    "numbers have holes": """
        SELECT job_id, max(number), count(*) FROM job_events
        GROUP BY job_id HAVING max(number) <> count(*)""",
    "a job's status was not told": """
        SELECT j.id, j.status, e.state FROM jobs j
        LEFT JOIN LATERAL (SELECT state FROM job_events WHERE job_id = j.id AND unit IS NULL
                           ORDER BY number DESC LIMIT 1) e ON true
        WHERE j.status IS DISTINCT FROM e.state""",
    "a unit's state was not told": """
        SELECT u.job_id, u.number, u.state, u.attempt, e.state, e.attempt FROM units u
        LEFT JOIN LATERAL (SELECT state, attempt FROM job_events
                           WHERE job_id = u.job_id AND unit = u.number AND state <> 'COPIED'
                             AND frame IS NULL
                           ORDER BY number DESC LIMIT 1) e ON true
        WHERE (u.state, u.attempt) <> (coalesce(e.state, 'QUEUED'), coalesce(e.attempt, 0))""",
    "what was charged was not told": """
        SELECT j.id, j.charged, coalesce(e.charged, 0) FROM jobs j
        LEFT JOIN LATERAL (SELECT sum(amount) AS charged FROM job_events
                           WHERE job_id = j.id AND money = 'charged') e ON true
        WHERE j.charged <> coalesce(e.charged, 0)""",
    "what is held was not told": """
        SELECT j.id, e.held, h.held FROM jobs j
        CROSS JOIN LATERAL (SELECT coalesce(sum(CASE money WHEN 'held' THEN amount
                                                ELSE -amount END), 0) AS held
                            FROM job_events WHERE job_id = j.id AND money IS NOT NULL) e
        CROSS JOIN LATERAL (SELECT coalesce(sum(h.amount), 0) AS held FROM units u
                            JOIN holds h ON h.reference = 'job:' || u.job_id || ':' || u.number
                            WHERE u.job_id = j.id AND h.state = 'OPEN') h
        WHERE e.held <> h.held""",
}


async def untold(connection: "asyncpg.Connection[Any] | Any") -> dict[str, list[Any]]:
    """Return the rows that each failed check of ``CHECKS`` found; empty if all match."""
    found = {words: await connection.fetch(query) for words, query in CHECKS.items()}
    return {words: [tuple(row) for row in rows] for words, rows in found.items() if rows}
