"""Collections in a folder, kept by LanceDB: see `docs/decisions/0036-collections-on-lancedb.md`."""
