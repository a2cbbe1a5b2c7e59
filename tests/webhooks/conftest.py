from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webhooks.receiver import Receiver, receiver


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Receiver]:
    """A receiver that answers 200."""
    with receiver(tmp_path) as found:
        yield found
