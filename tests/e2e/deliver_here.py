"""Entry of the deployed function ``deliver`` in a test: what goes to a public address arrives here.

It lies as ``handler.py`` beside the product's handler (``product.py``) and the receiver's certificate and
address, and replaces the connector and the authorities of the product's courier. Queue, secret, signature,
resolver and the check of addresses stay those of production.
"""

import importlib
import json
import socket
import ssl
from pathlib import Path
from typing import Any

from cairn.app import build_courier
from cairn.settings import Settings
from cairn.webhooks.post import Connection, Way

FOLDER = Path(__file__).parent
RECEIVER = json.loads((FOLDER / "receiver.json").read_text())


def connect(address: str, port: int, seconds: float) -> Connection:
    """To the receiver, for its address alone."""
    if (address, port) != (RECEIVER["address"], 443):
        raise OSError(f"not the receiver: {address}:{port}")
    return socket.create_connection(("127.0.0.1", RECEIVER["port"]), seconds)


product: Any = importlib.import_module("product")
trust = ssl.create_default_context(cafile=FOLDER / "receiver.crt")
product.courier = build_courier(Settings.from_environment(), way=Way(trust, connect=connect))
handler = product.handler
