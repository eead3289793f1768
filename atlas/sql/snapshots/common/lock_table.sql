-- Lock a table against readers and writers until the end of the transaction. Locking a view locks its tables too.
LOCK TABLE $schema.$table IN ACCESS EXCLUSIVE MODE
