"""How PostgreSQL is reached, and what its errors mean."""
