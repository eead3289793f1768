"""What each kind of agent needs of the database, one adapter each."""
