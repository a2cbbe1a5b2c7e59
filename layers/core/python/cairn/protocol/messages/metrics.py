"""Requests about histories of metrics."""

from typing import Annotated

from pydantic import FailFast, Field

from cairn.protocol.message import Message
from cairn.protocol.scalars import Given, Int32, Int64, Text


class GetMetricHistory(Message):
    """Without ``max_results`` the history is answered whole, without pages."""

    run_id: Given
    run_uuid: Text = ""
    metric_key: Given
    page_token: Text = ""
    max_results: Int32 | None = None


class GetMetricHistoryBulk(Message):
    """Not a proto message in MLflow: its handler reads the query by itself."""

    run_id: Annotated[list[Text], FailFast()] = Field(default_factory=list)
    metric_key: Text | None = None
    max_results: Int64 | None = None


class GetMetricHistoryBulkInterval(Message):
    run_ids: Annotated[list[Text], FailFast()]
    metric_key: Given
    start_step: Int32 | None = None
    end_step: Int32 | None = None
    max_results: Int32 | None = None
