"""Collections in PostgreSQL with pgvector: see `docs/decisions/0037-two-more-stores.md`."""
