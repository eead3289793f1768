-- Wait for a running refresh, which may have read snapshots that are deleted by now, and block others.
LOCK TABLE $space.$kept IN SHARE ROW EXCLUSIVE MODE
