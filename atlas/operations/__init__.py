"""Operations over the database and the archive together."""
