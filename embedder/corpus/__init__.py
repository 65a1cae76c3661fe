"""Texts with columns: reading what users bring, and embedding it as a job."""
