-- The newest jobs that match, as people look for them: null matches any. PostgreSQL puts it into the query that asks
-- for it, so that it is planned with that.
CREATE FUNCTION jobs_found(owner uuid, statuses text[], types text[], node text, person text, error text,
                           since timestamptz, until timestamptz, beginning text, most integer)
RETURNS SETOF jobs LANGUAGE sql STABLE AS $$
    SELECT j.* FROM jobs j
    WHERE (owner IS NULL OR j.user_id = owner)
      AND (statuses IS NULL OR j.status = ANY(statuses))
      AND (types IS NULL OR j.job_type = ANY(types))
      AND (node IS NULL OR j.node_id IN (
              SELECT n.id FROM nodes n
              WHERE strpos(lower(n.name), lower(node)) > 0 OR starts_with(n.id::text, lower(node))))
      AND (person IS NULL OR j.user_id IN (
              SELECT u.id FROM users u
              WHERE strpos(lower(u.email), lower(person)) > 0 OR starts_with(u.id::text, lower(person))))
      AND (error IS NULL OR strpos(lower(j.error_message), lower(error)) > 0)
      AND (since IS NULL OR j.created_at >= since)
      AND (until IS NULL OR j.created_at < until)
      AND (beginning IS NULL OR starts_with(j.id::text, lower(beginning)))
    ORDER BY j.created_at DESC, j.id DESC LIMIT most
$$;
