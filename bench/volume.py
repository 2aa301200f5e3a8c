"""Sound books of a given size, like a gateway's after a year, written by a few statements.

Every transfer moves 100 units from ``adjustments`` to one of 20,000 users. Ended jobs were
cancelled, so their holds are released. Of ten open jobs, nine wait for a node; the tenth is with a
node, and its lease lasts for an hour.
"""

import asyncpg

USERS = 20_000
JOB_TYPE = "volume"
STATEMENTS = (
    f"""CREATE TEMP TABLE people AS
        SELECT gen_random_uuid() AS id, n FROM generate_series(0, {USERS - 1}) AS n""",
    """INSERT INTO users (id, email, name, password_hash)
       SELECT id, 'volume' || n || '@example.org', 'Volume', '' FROM people""",
    "INSERT INTO accounts (name) SELECT 'user:' || id FROM people ORDER BY n",
    """CREATE TEMP TABLE purses AS
       SELECT a.id, p.n, p.id AS user_id
       FROM people p JOIN accounts a ON a.name = 'user:' || p.id""",
    f"""CREATE TEMP TABLE moved AS
        SELECT t, p.id AS account, (t - 1) / {USERS} + 1 AS version
        FROM generate_series(1, $1::bigint / 2) AS t JOIN purses p ON p.n = (t - 1) % {USERS}""",
    """SELECT setval('transfers_id_seq', max(t)) FROM moved""",
    """INSERT INTO transfers (id, debit, credit, subject, amount, kind, reference, created_at, key,
                              debit_version, credit_version, debit_after, credit_after)
       OVERRIDING SYSTEM VALUE
       SELECT m.t, a.id, m.account, m.account, 100, 'ADJUSTMENT', 'volume:' || m.t, now(),
              gen_random_uuid(), m.t, m.version, -100 * m.t, 100 * m.version
       FROM moved m, accounts a WHERE a.name = 'adjustments' ORDER BY m.t""",
    """INSERT INTO nodes (id, name, public_key, capabilities, status, seen_at)
       SELECT gen_random_uuid(), 'volume', decode(md5('a') || md5('b'), 'hex'), '{volume}',
              'HEALTHY', now() FROM generate_series(1, 10)""",
    f"""CREATE TEMP TABLE work AS
        SELECT gen_random_uuid() AS id, p.id AS account, p.user_id, w.n,
               w.n <= $2 AS open, w.n <= $2 / 10 AS assigned
        FROM generate_series(1, $2::bigint + $3::bigint) AS w (n)
        JOIN purses p ON p.n = w.n % {USERS}""",
    f"""INSERT INTO jobs (id, user_id, job_type, payload_ref, status, price, created_at, queued_at,
                          completed_at, updated_at, open_units, cancelled_units, committed, reached)
        SELECT id, user_id, '{JOB_TYPE}', 's3://elsewhere/x',
               CASE WHEN assigned THEN 'DISPATCHED' WHEN open THEN 'QUEUED' ELSE 'CANCELLED' END,
               100, now(), now(), CASE WHEN open THEN NULL ELSE now() END, now(),
               open::integer, (NOT open)::integer, CASE WHEN assigned THEN 100 ELSE 0 END,
               CASE WHEN assigned THEN 'DISPATCHED' ELSE 'QUEUED' END
        FROM work ORDER BY n DESC""",
    """INSERT INTO units (job_id, number, state, attempt, node_id, assigned_at, lease_until, price,
                          ended_at)
       SELECT w.id, 0,
              CASE WHEN assigned THEN 'DISPATCHED' WHEN open THEN 'QUEUED' ELSE 'CANCELLED' END,
              assigned::integer, CASE WHEN assigned THEN k.id END,
              CASE WHEN assigned THEN now() END,
              CASE WHEN assigned THEN now() + interval '1 hour' END, 100,
              CASE WHEN open THEN NULL ELSE now() END
       FROM work w
       JOIN (SELECT id, row_number() OVER () AS number FROM nodes) k ON k.number = w.n % 10 + 1""",
    """INSERT INTO holds (id, account_id, reference, amount, state, created_at, closed_at)
       SELECT gen_random_uuid(), account, 'job:' || id || ':0', 100,
              CASE WHEN open THEN 'OPEN' ELSE 'RELEASED' END, now(),
              CASE WHEN open THEN NULL ELSE now() END
       FROM work""",
    """UPDATE accounts a SET balance = s.balance, version = s.version, held = s.held
       FROM (SELECT account_id, sum(amount) AS balance, max(version) AS version,
                    coalesce((SELECT sum(amount) FROM holds h
                              WHERE h.account_id = e.account_id AND h.state = 'OPEN'), 0) AS held
             FROM entries e GROUP BY account_id) s
       WHERE s.account_id = a.id""",
)


async def fill(dsn: str, *, entries: int, open_jobs: int, ended_jobs: int) -> None:
    """Fill an empty schema; ``dsn`` is the owner's."""
    connection = await asyncpg.connect(dsn)
    sizes = (entries, open_jobs, ended_jobs)
    for statement in STATEMENTS:
        text = statement
        for number, size in enumerate(sizes, 1):
            text = text.replace(f"${number}", str(size))
        await connection.execute(text)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
