"""Files as they came: what was left of one that nobody went on keeping, or deleting."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from embedder.collections.uploads import Uploads


def test_what_one_who_was_killed_was_keeping_goes_an_hour_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = Uploads(tmp_path / "files")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    kept, other = (uploads.add("a.txt", "assistants", b"kept") for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            uploads.add("b.txt", "assistants", b"half")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            uploads.delete(other.id)
    folder = tmp_path / "files"
    (half,) = (path for path in folder.glob("~*") if not path.name.endswith("-gone"))
    assert len(list(folder.glob("~*"))) == 2
    uploads.sweep()
    assert list(folder.glob("~*")) == [half], "it may be one who is writing"
    os.utime(half, (time.time() - 3700,) * 2)
    added = uploads.add("c.txt", "assistants", b"new")
    assert {path.name for path in folder.iterdir()} == {kept.id, added.id}
    assert uploads.content(kept.id) == b"kept"
