"""Searching registered models and model versions. A page is cut, and goes on, as in every search."""

from dataclasses import replace

from cairn.errors import InvalidParameterValue
from cairn.ids import experiment_of_run
from cairn.protocol import render_registry as render
from cairn.protocol.messages.registry import SearchModelVersions, SearchRegisteredModels
from cairn.search import cursor
from cairn.search import registry as meaning
from cairn.services import lineage, places
from cairn.services.ports import Result, Stores
from cairn.services.search import paged
from cairn.services.sight import Sight
from cairn.sharing.caller import Caller

MAX_MODELS = 1_000
MAX_VERSIONS = 200_000
"""MLflow's SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD and SEARCH_MODEL_VERSION_..."""


def search_registered_models(stores: Stores, caller: Caller, request: SearchRegisteredModels) -> Result:
    """MLflow's ``_search_registered_models``: without prompts, unless the filter asks for them."""
    _check_size(request.max_results, MAX_MODELS)
    tree = meaning.read_model_filter(request.filter)
    orders = meaning.read_model_order(request.order_by)
    ordering = meaning.model_ordering(orders)
    query = cursor.fingerprint("registered models", request.filter, list(request.order_by))
    token = places.taken(stores, query, request.page_token)
    after, resumed = cursor.decode_resumed(query, token, ordering)
    search = meaning.model_search(tree, orders, after, request.max_results + 1, resumed)
    answer = paged(
        "registered_models",
        stores.registry.index.search_models(search),
        request.max_results,
        lambda models: map(render.registered_model, models),
        query,
        ordering.position,
        lambda pause: places.given(stores, query, pause),
    )
    lineage.of_registered_models(stores, answer.get("registered_models", ()))
    return answer


def search_model_versions(stores: Stores, caller: Caller, request: SearchModelVersions) -> Result:
    """MLflow's ``_search_model_versions``: without prompts, unless the filter asks for them."""
    _check_size(request.max_results, MAX_VERSIONS)
    tree = meaning.read_version_filter(request.filter)
    orders = meaning.read_version_order(request.order_by)
    ordering = meaning.version_ordering(orders)
    query = cursor.fingerprint("model versions", request.filter, list(request.order_by))
    after = cursor.decode(query, places.taken(stores, query, request.page_token), ordering)
    search = meaning.version_search(tree, orders, after, request.max_results + 1)
    if not stores.access.unrestricted and meaning.asks_for_origin(tree):
        search = _of_what_is_seen(stores, search)
    answer = paged(
        "model_versions",
        stores.registry.index.search_versions(search),
        request.max_results,
        lambda versions: map(render.model_version, versions),
        query,
        ordering.position,
        lambda pause: places.given(stores, query, pause),
    )
    lineage.of_versions(stores, answer.get("model_versions", ()))
    return answer


def _of_what_is_seen(stores: Stores, search: meaning.VersionSearch) -> meaning.VersionSearch:
    """The same search of versions as this caller is shown them: a run or source that it does not see is
    found by no filter. 1 BatchGetItem for the runs that are asked for, and per 99 versions read."""
    runs = search.run_ids
    if runs is not None and search.names is None:  # else the versions of a name are read, whatever the runs
        sight = Sight(stores)
        sight.look(map(experiment_of_run, runs))
        runs = tuple(filter(sight.run, runs))
    return replace(
        search,
        run_ids=runs,
        look=lambda versions: lineage.look_at_versions(stores, versions),
        meets=lambda version: search.meets(lineage.hidden_version(stores, version)),
    )


def _check_size(max_results: int, most: int) -> None:
    if max_results < 1:
        raise InvalidParameterValue(
            f"Invalid value for max_results. It must be a positive integer, but got {max_results}"
        )
    if max_results > most:
        raise InvalidParameterValue(
            f"Invalid value for request parameter max_results. It must be at most {most}, but got value "
            f"{max_results}"
        )
