"""A file of any size passes through in bounded memory, on both engines."""

import tracemalloc

from cairn.services.ports import ArtifactStore
from tests.artifacts.stores import Generated

SIZE = 200 * 1024 * 1024
PEAK = 32 * 1024 * 1024
URI = "mlflow-artifacts:/0/abc/artifacts/big.bin"


def test_a_large_file_streams_in_and_out(store: ArtifactStore) -> None:
    tracemalloc.start()
    try:
        store.save(URI, Generated(SIZE), None)  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
        assert peak < PEAK
        tracemalloc.reset_peak()
        chunks, size = store.open(URI)
        assert sum(len(chunk) for chunk in chunks) == size == SIZE
        _, peak = tracemalloc.get_traced_memory()
        assert peak < PEAK
    finally:
        tracemalloc.stop()
