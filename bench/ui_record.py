"""``python -m bench.ui_record``: what MLflow's UI asks for when a page is opened, out of a browser, written
to bench/ui_requests.json.

The server is a Cairn with some finished runs; static files are left out. Ids are written as what they are,
so that the requests can be sent about any experiment: ``{experiment}``, and ``{run:0}`` for the newest run.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Page, Request, sync_playwright

from bench import load, searches
from bench.servers import HOST, Server, cairn
from bench.ui import REQUESTS, RUNS, filled_in
from bench.workloads import new_experiment
from cairn.domain.release import MLFLOW_VERSION
from cairn.storage.sqlite import SqliteTable

PAGES = {
    "runs table": "/experiments/{experiment}/runs",
    "a run's page": "/experiments/{experiment}/runs/{run:0}",
}
SHOWN = {"runs table": "matching runs", "a run's page": "Registered models"}
"""What the page says when it is complete."""
LATER_MS = 3_000
"""What is asked for later than this is asked for again: pages poll, so that the network is never idle."""
CHROMIUM = "/usr/bin/chromium"


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cairn-bench-") as folder,
        cairn(Path(folder) / "cairn") as server,
    ):
        experiment = _filled(server)
        runs = [load.run_id_of(experiment, number) for number in reversed(range(RUNS))]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            pages = {
                name: recorded(browser.new_page(), server.port, name, experiment, runs) for name in PAGES
            }
            browser.close()
    REQUESTS.write_text(json.dumps({"mlflow": MLFLOW_VERSION, "pages": pages}, indent=1) + "\n")


def recorded(
    page: Page, port: int, name: str, experiment: str, runs: Sequence[str]
) -> list[dict[str, Any]]:
    """The requests of one page, in their order."""
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    route = filled_in(PAGES[name], experiment, runs)
    page.goto(f"http://{HOST}:{port}/#{route}")
    page.get_by_text(SHOWN[name]).first.wait_for()
    page.wait_for_timeout(LATER_MS)
    names = {run_id: f"{{run:{number}}}" for number, run_id in enumerate(runs)}
    return [written(request, experiment, names) for request in asked if is_call(request.url)]


def is_call(url: str) -> bool:
    """Not the page's own files."""
    return urlsplit(url).path.startswith(("/ajax-api/", "/graphql", "/get-artifact"))


def written(request: Request, experiment: str, names: Mapping[str, str]) -> dict[str, Any]:
    """A request without the ids of this server."""
    parts = urlsplit(request.url)
    made: dict[str, Any] = {"method": request.method, "path": parts.path}
    if parts.query:
        made["query"] = _named(parse_qsl(parts.query, keep_blank_values=True), experiment, names)
    if request.post_data:
        made["body"] = _named(json.loads(request.post_data), experiment, names)
    return made


def _named(value: Any, experiment: str, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        if value == experiment:
            return "{experiment}"
        for run_id, name in names.items():
            value = value.replace(run_id, name)
        return value
    if isinstance(value, Mapping):
        return {key: _named(held, experiment, names) for key, held in value.items()}
    if isinstance(value, Sequence):
        return [_named(held, experiment, names) for held in value]
    return value


def _filled(server: Server) -> str:
    with server.connection() as client:
        experiment = new_experiment(client, "recorded")
    table = SqliteTable(Path(server.database) / "cairn.db")
    load.load(table, experiment, searches.RUNS, range(RUNS))
    table.close()
    return experiment


if __name__ == "__main__":
    main()
