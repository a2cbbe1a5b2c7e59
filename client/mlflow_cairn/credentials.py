"""The process's AWS credentials, found and refreshed by botocore."""

import os
import threading
from collections.abc import Callable, Mapping

from botocore.credentials import Credentials, ReadOnlyCredentials, RefreshableCredentials
from botocore.session import Session
from mlflow.exceptions import MlflowException

STATIC_S = 60.0
"""For how long keys are kept that botocore does not refresh. A login tool may write new ones to the same
file or variables, and a notebook lives longer than its keys do."""

REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


class AwsIdentity:
    """Keys and region of this process, as botocore's usual chain finds them.

    ``clock`` is in seconds; ``environ`` is read again for each region.
    """

    def __init__(
        self,
        session: Callable[[], Session],
        clock: Callable[[], float],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._new_session = session
        self._clock = clock
        self._environ = environ
        self._lock = threading.Lock()
        self._found: Credentials | None = None
        self._look_again = 0.0

    def keys(self) -> ReadOnlyCredentials:
        """Keys that belong together. Refreshed before they end, where botocore knows when that is."""
        with self._lock:
            if self._found is None or self._is_stale(self._found):
                self._found = self._new_session().get_credentials()
                self._look_again = self._clock() + STATIC_S
            found = self._found
        if found is None:
            raise MlflowException.invalid_parameter_value(
                "No AWS credentials were found to sign the request with. Set AWS_PROFILE, or "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is attached."
            )
        return found.get_frozen_credentials()

    def region(self) -> str | None:
        """The region of environment or profile, for hosts whose name does not tell."""
        for name in REGIONS:
            if region := self._environ.get(name):
                return region
        configured: str | None = self._new_session().get_config_variable("region")
        return configured

    def _is_stale(self, found: Credentials) -> bool:
        return not isinstance(found, RefreshableCredentials) and self._clock() >= self._look_again
