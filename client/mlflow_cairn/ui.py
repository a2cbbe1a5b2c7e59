"""``cairn ui``: MLflow's web UI of a deployment, in a browser that is signed in as who runs the command.

The browser gets a code in the fragment of a URL, which it sends to nobody by itself. The code is good once,
for a minute; the page asks before it uses it.
"""

import re
import sys
import webbrowser
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from mlflow_cairn.server import Failed, Server

BELOW = "/ui"
"""What a deployment's UI has behind its tracking URI."""

_ELSEWHERE = re.compile(r"https://[a-z0-9.-]+/ui")


def ui_url(server: Server, said: dict[str, Any]) -> str:
    """Where the deployment says that its UI is: behind a distribution that is before it, else behind its
    tracking URI. The code comes from the same answer, so nobody else learns it. Raises Failed."""
    url = said.get("ui", f"{server.uri}{BELOW}")
    if "ui" in said and not (isinstance(url, str) and _ELSEWHERE.fullmatch(url)):
        raise Failed(f"{server.uri} says that its UI is at {url!r}, which is no such address.")
    return str(url)


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
    at = ui_url(server, said)
    until = datetime.fromtimestamp(said["session_expires"] / 1000, UTC)
    sys.stderr.write(
        f"{at} as {said['principal']}, {said['permission']} at most, until {until:%Y-%m-%d %H:%M} UTC\n"
    )
    url = f"{at}/sign-in#code={said['code']}"
    if only_print:
        return f"{url}\n"
    if browse(url):
        return ""
    sys.stderr.write("No browser opens here. Open this address in one within a minute:\n")
    return f"{url}\n"
