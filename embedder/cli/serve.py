"""`tessera serve`: bind, say where and how to call, then serve from the socket, alone or with workers."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import shlex
import socket

from embedder import __version__
from embedder.addresses import is_loopback
from embedder.cli.flags import flags_to_environment
from embedder.config import Settings
from embedder.errors import ConfigError

_BACKLOG = 2048


def serve(args: argparse.Namespace) -> int:
    """Serve `app:app` until a signal comes; returns the exit code.

    Raises:
        ConfigError: a setting is wrong, or the address cannot be listened on.
    """
    flags_to_environment(args)
    settings = Settings.load()
    if settings.workers > 1:
        check_workers()
    listener = listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    os.environ["TESSERA_PORT"] = str(port)  # the real one where 0 asked for any
    print(greeting(settings, port), flush=True)
    if settings.workers > 1:
        from embedder.workers.supervisor import supervise

        return supervise(settings, listener)
    return _serve_alone(settings, listener)


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address and listening.

    Raises:
        ConfigError: the port is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    dualstack = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=dualstack)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"Port {port} is in use on {host}. Choose another with --port, or 0 for any free one."
        elif error.errno == errno.EACCES:
            reason = f"Port {port} needs rights this user does not have. Choose one above 1023 with --port."
        else:
            # create_server adds the address to the text of what the system says; a name that is
            # not found is no system error and has only its own.
            code = error.errno or 0
            why = os.strerror(code) if code > 0 else error.strerror
            reason = f"Cannot listen on {host}: {why}. Give an address of this machine to --host."
        raise ConfigError(reason) from None


def greeting(settings: Settings, port: int) -> str:
    """What is printed at start: the address, lines to paste into a shell, and who may call.

    A key is never in it.
    """
    base = public_base(settings.host, port)
    page = f"Open the page:  {base}/" if settings.ui else "The API alone is served (--no-ui): no page."
    return "\n".join(
        [
            f"Tessera {__version__}",
            page,
            "Call the API:   paste these lines into a shell, then copy a call from the README.",
            "",
            f"export EMBED_BASE={shlex.quote(base)}",
            f"export EMBED_MODEL={shlex.quote(settings.default_model)}",
            # Quoted: a bare <your key> would be a redirection.
            "export EMBED_KEY='<your key>'",
            "",
            _who_may_call(settings),
        ]
    )


def public_base(host: str, port: int) -> str:
    """The address a browser on this machine, or a visitor of the Space, would open."""
    if os.environ.get("SPACE_HOST"):
        return f"https://{os.environ['SPACE_HOST']}"
    if host in ("0.0.0.0", "::", ""):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_workers() -> None:
    """Refuse workers where a connection cannot be handed from one process to another.

    Raises:
        ConfigError
    """
    if not hasattr(socket, "send_fds"):
        raise ConfigError("--workers needs a system with Unix sockets, which Windows is not. Serve without.")


def _serve_alone(settings: Settings, listener: socket.socket) -> int:
    import importlib

    import uvicorn

    from embedder.workers.server import Server, uvicorn_options

    app = importlib.import_module("app").app
    server = Server(uvicorn.Config(app, **uvicorn_options(settings)), app.leave, settings.notice_s)
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn, after it has stopped
        server.run(sockets=[listener])
    return 0 if server.started else 1


def _who_may_call(settings: Settings) -> str:
    if settings.keys:
        return "The server asks for its key: the one in EMBED_KEY (or TESSERA_KEYS) when it was started."
    if settings.open:
        return (
            "The server is open to everybody who reaches it (TESSERA_OPEN): any word serves as the key, "
            "unless keys are kept in its store (tessera key)."
        )
    if is_loopback(settings.host):
        return (
            "The server is open to programs on this machine: any word serves as the key, unless keys are "
            "kept in its store (tessera key). Start it with EMBED_KEY set to ask for one."
        )
    return (
        f"No key is set and {settings.host} is reachable from outside, so /v1 answers 401. Start it with "
        "EMBED_KEY set to the key it shall ask for, or with TESSERA_OPEN=1 to let anybody in."
    )
