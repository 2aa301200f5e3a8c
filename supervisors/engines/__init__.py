"""The engines beneath the gateway: PostgreSQL, Valkey and an object store, embedded or remote."""
