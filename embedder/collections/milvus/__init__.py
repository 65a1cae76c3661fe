"""Collections in Milvus, one process or a cluster: see `docs/decisions/0037-two-more-stores.md`."""
