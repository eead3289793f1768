-- Create TimescaleDB in the schema that every database has: the user's search_path may name none.
CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public
