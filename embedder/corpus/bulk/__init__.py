"""Texts by the million: shards of files on shared disks or in object storage, each embedded on its own."""
