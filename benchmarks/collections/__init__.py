"""Collections at size: taking in, searching, opening, and being killed."""
