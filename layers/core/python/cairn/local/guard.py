"""Who may talk to a server that listens to this machine alone: programs of its user, and its own pages.

A web page from anywhere can have a browser send requests here. Two headers, which such a page cannot forge,
tell it: ``Host`` names its own site where it has bound its name to 127.0.0.1 (DNS rebinding), ``Origin``
names it where it sends anything but a plain GET. Neither is looked at where the address was given on the
command line: behind a proxy or in a container the names are the user's affair.
"""

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from cairn.errors import PermissionDenied
from cairn.local.events import Environ, StartResponse, Wsgi, respond


@dataclass(frozen=True, slots=True)
class Guard:
    """In front of ``behind``: 403 for a request that came by another name, or from another site's page."""

    behind: Wsgi

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        host, origin = environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
        if not is_this_machine(host):
            problem = f"The request is for the host {host!r}, and this server answers for localhost alone. "
            return _refuse(problem + "To serve other names, start it with --host.", environ, start_response)
        if origin is not None and origin.lower() != f"http://{host}".lower():
            problem = (
                f"The request comes from a page of {origin!r}; pages of http://{host} alone may call. "
            )
            return _refuse(problem + "To allow others, start it with --host.", environ, start_response)
        return self.behind(environ, start_response)


def is_this_machine(host: str) -> bool:
    """Whether a ``Host`` header names the loopback interface: by address, or as localhost. No port is
    asked for: a forwarded one is as good."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):  # browsers never resolve it elsewhere (RFC 6761)
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refuse(message: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    error = PermissionDenied(message)
    headers = {"Content-Type": "application/json"}
    with_body = environ["REQUEST_METHOD"] != "HEAD"
    return respond(
        error.status, headers, json.dumps(error.as_dict()).encode(), start_response, with_body=with_body
    )
