"""Imported first by a function that somebody waits for: until ``done`` no garbage is looked for.

Nothing of what is imported is garbage, and to look for some took a tenth of the cold start
(``python -m bench.cold_start``).
"""

import gc

gc.disable()


def done() -> None:
    """Look for garbage again, but not in what is loaded, which stays: a full collection took 40 ms for it,
    each dozen pages of a search."""
    gc.freeze()
    gc.enable()
