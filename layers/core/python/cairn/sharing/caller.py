"""Who calls: the principal that API Gateway verified, or the operating system's user on a laptop.

What a caller may do is not decided here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal: partition, account, kind (``user``, ``role``, ``federated``, ``root``, ``local``), name.

    A role's path and session name are not part of it: the session name is the caller's own word.
    """

    partition: str
    account: str
    kind: str
    name: str
