-- Select the projects of keys, where known. $1 fingerprints
SELECT fingerprint, project FROM $schema.api_keys WHERE fingerprint = ANY ($1::text[]) AND project IS NOT NULL
