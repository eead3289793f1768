-- The project of each key of which it is known. $1 fingerprints
SELECT fingerprint, project FROM $schema.api_keys WHERE fingerprint = ANY ($1::text[]) AND project IS NOT NULL
