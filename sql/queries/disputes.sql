-- What creators found who rendered a disputed frame again. Disputes themselves are the Ledger's.

-- name: comparison_keep
-- Keep that of dispute $1; once.
INSERT INTO comparisons (dispute_id, verdict, said, places, picture) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: comparison_picture
-- The picture that the dispute of unit $2 of job $1 carries, for who ordered the unit or earned by it ($3); null: for
-- anybody.
SELECT k.picture FROM comparisons k JOIN disputes d ON d.id = k.dispute_id
WHERE d.job_id = $1 AND d.unit = $2 AND k.picture IS NOT NULL
  AND ($3::uuid IS NULL OR d.user_id = $3
       OR EXISTS (SELECT FROM earnings e
                  WHERE e.job_id = d.job_id AND e.unit = d.unit AND e.operator_id = $3));
