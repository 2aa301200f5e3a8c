-- What each try of a delivery was answered, {at, status, error}, the oldest first: that it took two shows why.
ALTER TABLE deliveries ADD COLUMN answers jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(answers) = 'array');
