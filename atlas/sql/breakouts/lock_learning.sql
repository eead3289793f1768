-- Take the lock of learning, which ends with the transaction, unless another process has it; return when bands were learnt.
SELECT pg_try_advisory_xact_lock('$schema.growth_bands'::regclass::oid::bigint) AS taken,
    (SELECT min(learnt_at) FROM $schema.growth_bands) AS learnt_at
