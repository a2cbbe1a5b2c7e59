"""Where the secrets of webhooks are kept, each under its webhook's id: SSM on AWS, files on this machine.

Neither the table nor a log ever holds one. A parameter is a SecureString (encrypted by KMS) that the
delivering function may read and the API may write, and neither the other way round. A file is its owner's
alone (mode 0600, in a folder of mode 0700): as safe as a private key in ``~/.ssh``. MLflow encrypts its
column with a key that lies in the server's environment; here such a key would lie beside the file.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from cairn.webhooks.deliver import SecretMissing

_ID = re.compile(r"[0-9a-f-]{36}")


class Ssm(Protocol):
    """Of boto3's SSM client, what is used here."""

    exceptions: Any

    def put_parameter(self, **arguments: Any) -> Mapping[str, Any]: ...
    def get_parameter(self, *, Name: str, WithDecryption: bool) -> Mapping[str, Any]: ...  # noqa: N803
    def delete_parameter(self, *, Name: str) -> Mapping[str, Any]: ...  # noqa: N803


class OwnSecrets(Protocol):
    """What writes secrets and reads them, in one."""

    def put(self, webhook_id: str, secret: str) -> None: ...
    def get(self, webhook_id: str) -> str: ...
    def delete(self, webhook_id: str) -> None: ...


class ParameterSecrets:
    """SecureString parameters below ``prefix``; ``key`` is the customer's KMS key, None for the account's
    ``aws/ssm``. A standard parameter costs nothing and holds 4 KB; an account has 10,000 of them."""

    def __init__(self, ssm: Ssm, prefix: str, key: str | None = None) -> None:
        self._ssm = ssm
        self._prefix = prefix.rstrip("/")
        self._key = key

    def put(self, webhook_id: str, secret: str) -> None:
        """1 PutParameter."""
        key = {} if self._key is None else {"KeyId": self._key}
        self._ssm.put_parameter(
            Name=self._name(webhook_id),
            Value=secret,
            Type="SecureString",
            Overwrite=True,
            **key,
        )

    def get(self, webhook_id: str) -> str:
        """1 GetParameter. Raises SecretMissing."""
        try:
            answer = self._ssm.get_parameter(Name=self._name(webhook_id), WithDecryption=True)
        except self._ssm.exceptions.ParameterNotFound:
            raise SecretMissing(webhook_id) from None
        return str(answer["Parameter"]["Value"])

    def delete(self, webhook_id: str) -> None:
        """1 DeleteParameter."""
        try:
            self._ssm.delete_parameter(Name=self._name(webhook_id))
        except self._ssm.exceptions.ParameterNotFound:
            return

    def _name(self, webhook_id: str) -> str:
        return f"{self._prefix}/{_checked(webhook_id)}"


class FolderSecrets:
    """Files in a folder, which is made at the first secret."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, webhook_id: str, secret: str) -> None:
        """Whole or not at all, and never readable by others, not for a moment."""
        path = self._path(webhook_id)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        arriving = path.with_suffix(f".{os.getpid()}")
        arriving.unlink(missing_ok=True)
        descriptor = os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret.encode())
        arriving.replace(path)

    def get(self, webhook_id: str) -> str:
        """Raises SecretMissing."""
        try:
            return self._path(webhook_id).read_bytes().decode()
        except FileNotFoundError:
            raise SecretMissing(webhook_id) from None

    def delete(self, webhook_id: str) -> None:
        self._path(webhook_id).unlink(missing_ok=True)

    def _path(self, webhook_id: str) -> Path:
        return self._folder / _checked(webhook_id)


def _checked(webhook_id: str) -> str:
    """An id is part of a path: anything else is none of ours."""
    if not _ID.fullmatch(webhook_id):
        raise SecretMissing(webhook_id)
    return webhook_id
