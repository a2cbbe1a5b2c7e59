"""Questions about decisions."""

from cairn.protocol.message import Message
from cairn.protocol.scalars import Given, Text


class ExplainAccess(Message):
    """Whether and why ``principal`` (an IAM or STS ARN; ``organisation`` is its account's, which an ARN
    does not say) may do ``action`` with one of ``experiment`` (id or name), ``model`` and ``prompt``."""

    principal: Given
    action: Given
    organisation: Text = ""
    experiment: Text = ""
    model: Text = ""
    prompt: Text = ""
