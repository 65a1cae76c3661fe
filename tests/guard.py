"""Runs a server until its own input ends, which it does too when whoever started it is killed.

`python tests/guard.py SIGNAL USER FOLDER COMMAND…`: the server works in FOLDER, as USER unless that is
"". At the end it gets SIGNAL, and FOLDER goes with it unless the input was the word "keep".
"""

from __future__ import annotations

import pwd
import shutil
import subprocess
import sys
import threading
from typing import Any

_END_S = 20


def as_user(user: str) -> dict[str, Any]:
    """What has `subprocess` start a process as `user`, or as whoever asks for ""."""
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}


def main() -> int:
    """Return what the server returned."""
    sign, user, folder, *command = sys.argv[1:]
    server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, **as_user(user))
    told: list[str] = []

    def end() -> None:
        told.append(sys.stdin.read().strip())
        server.send_signal(int(sign))
        try:
            server.wait(_END_S)
        except subprocess.TimeoutExpired:
            server.kill()

    threading.Thread(target=end, daemon=True).start()
    returned = server.wait()
    if told and told[0] != "keep":
        shutil.rmtree(folder, ignore_errors=True)
    return returned


if __name__ == "__main__":
    sys.exit(main())
