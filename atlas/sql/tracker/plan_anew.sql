-- Plan this transaction's statements for the present sizes of the tables: a plan that was kept from when a partition of
-- snapshots was empty reads all of it. Without JIT, whose compiling takes longer than the statements do.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)
