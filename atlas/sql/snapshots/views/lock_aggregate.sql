-- Waits for a refresh that is at work, which may have read snapshots that are gone by now, and keeps others out.
LOCK TABLE $space.$kept IN SHARE ROW EXCLUSIVE MODE
