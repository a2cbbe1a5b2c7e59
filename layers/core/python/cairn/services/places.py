"""Page tokens of searches that stop before their page is full, perhaps among what the caller may not see.

The place that such a search has reached is then a name, an id or a time of what does not exist for the
caller. Who may see everything is given the token that says so, at no cost. For all others it is kept for an
hour under a random name, and that name is their token: good for the same principal and the same query
(docs/adr/0027). A token behind a full page says where the last of its rows stands, and needs none of this.
"""

import hashlib
import re

from cairn.errors import InvalidParameterValue
from cairn.search import cursor
from cairn.search.plan import Pause
from cairn.services.ports import Stores

_NAME = re.compile("k[0-9a-f]{32}")  # no token of the cursor begins so


def given(stores: Stores, query: bytes, pause: Pause) -> str:
    """The token that goes on from a pause: 1 PutItem, unless the caller may see everything."""
    token = cursor.encode(query, pause.position)
    if stores.access.unrestricted:
        return token
    name = f"k{stores.bits(128):032x}"
    stores.places.keep(_asked(stores, query, name), token, stores.clock())
    return name


def taken(stores: Stores, query: bytes, token: str) -> str:
    """What stands for a token: what is kept under it, at 1 GetItem; or itself. Raises
    InvalidParameterValue for one that is kept no more, or was not given to this caller for this query."""
    if not _NAME.fullmatch(token):
        return token
    kept = stores.places.find(_asked(stores, query, token), stores.clock())
    if kept is None:
        raise InvalidParameterValue(
            "Page token expired, or it belongs to another query: begin again with the first page"
        )
    return kept


def _asked(stores: Stores, query: bytes, name: str) -> str:
    parts = (stores.access.who, query.hex(), name)
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
