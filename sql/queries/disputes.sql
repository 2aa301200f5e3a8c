-- Results of creators' own renders of disputed frames. Disputes themselves belong to the Ledger.

-- name: comparison_keep
-- Store the comparison of dispute $1, once.
INSERT INTO comparisons (dispute_id, verdict, said, places, picture) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: comparison_picture
-- The picture attached to the dispute of unit $2 of job $1, for the unit's creator or operator $3; null: for anyone.
SELECT k.picture FROM comparisons k JOIN disputes d ON d.id = k.dispute_id
WHERE d.job_id = $1 AND d.unit = $2 AND k.picture IS NOT NULL
  AND ($3::uuid IS NULL OR d.user_id = $3
       OR EXISTS (SELECT FROM earnings e
                  WHERE e.job_id = d.job_id AND e.unit = d.unit AND e.operator_id = $3));
