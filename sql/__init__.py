"""The database: migrations, queries, and typed reads and writes over them."""
