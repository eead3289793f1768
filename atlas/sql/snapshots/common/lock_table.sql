-- Shut out all readers and writers of a table until the end of the transaction. Locking a view locks its tables too.
LOCK TABLE $schema.$table IN ACCESS EXCLUSIVE MODE
