"""``cairn ui``: MLflow's web UI of a deployment, in a browser that is signed in as who runs the command.

The browser gets a code in the fragment of a URL, which it sends to nobody by itself. The code is good once,
for a minute; the page asks before it uses it.
"""

import sys
import webbrowser
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from mlflow_cairn.server import Server

BELOW = "/ui"
"""What a deployment's UI has behind its tracking URI."""


def sign_in_url(server: Server, said: dict[str, Any]) -> str:
    return f"{server.uri}{BELOW}/sign-in#code={said['code']}"


def open_ui(
    server: Server,
    permission: str,
    hours: int,
    *,
    only_print: bool = False,
    browse: Callable[[str], bool] = webbrowser.open,
) -> str:
    """What to print: the URL, where it is asked for or no browser opens here. Raises Failed."""
    said = server.post("sessions/code", {"permission": permission, "hours": hours})
    until = datetime.fromtimestamp(said["session_expires"] / 1000, UTC)
    sys.stderr.write(
        f"{server.uri}{BELOW} as {said['principal']}, {said['permission']} at most, "
        f"until {until:%Y-%m-%d %H:%M} UTC\n"
    )
    url = sign_in_url(server, said)
    if only_print:
        return f"{url}\n"
    if browse(url):
        return ""
    sys.stderr.write("No browser opens here. Open this address in one within a minute:\n")
    return f"{url}\n"
