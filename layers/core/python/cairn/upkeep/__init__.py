"""Background work on what was written, off the table's stream: the index of quiet runs, long metric logs.

``follow`` makes tasks of the stream's records, ``queue`` carries them, ``work`` does them, ``overdue``
sends again what was lost on the way, ``remains`` removes deleted models. A local server does the same in a
thread (``local.upkeep``). No answer depends on any of it: a search matches runs that are not indexed as
they are.
"""
