"""The page: one file per view, all through the engine; it knows nothing of the API."""
