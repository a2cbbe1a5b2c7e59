"""MLflow's own UI on a local Cairn, as a user sees and uses it. ``site`` fails a test at any fault."""

import json
import re
from urllib.parse import quote, urlencode, urlsplit

from playwright.sync_api import Page, expect

from bench.ui import recording
from tests.browser.conftest import Logged, Site

TOP_DOWN = """
wanted => {
  const all = [...document.querySelectorAll("[role=grid] a")];
  const links = all.filter(a => /^run-\\d$/.test(a.textContent.trim()));
  links.sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top);
  return links.map(a => a.textContent.trim()).join() === wanted;
}"""
"""The names of the runs in the table as they are seen; the document has them in any order."""

NOT_OFFERED = {
    "/experiments/1/overview/usage": "No data available for the selected time range",
    "/experiments/1/traces": "Start tracing your LLM application",
    "/experiments/1/chat-sessions": "The Sessions view has moved",
    "/experiments/1/review-queue": "Set up human review for your traces",
    "/experiments/1/datasets": "Create an evaluation dataset",
    "/experiments/1/judges": "Create and manage judges",
    "/experiments/1/playground": "Add message",
    "/experiments/1/runs/{run}/traces": "No traces found",
    "/mcp-registry": "Register and catalog MCP servers",
    "/settings": "Theme preference",
    "/settings/webhooks": "No webhooks configured",
}
"""What the pages of features say that Cairn does not offer, or that nobody has used here."""


def order_of_runs(page: Page, *names: str) -> None:
    """Waits for it."""
    page.wait_for_function(TOP_DOWN, arg=",".join(names))


def test_home_shows_the_experiments(site: Site) -> None:
    page = site.open("/")
    expect(page.get_by_role("link", name="churn")).to_be_visible()
    expect(page.get_by_role("link", name="Default")).to_be_visible()


def test_experiments_are_found_by_name(site: Site) -> None:
    page = site.open("/experiments")
    expect(page.get_by_role("link", name="Default")).to_be_visible()
    page.get_by_placeholder("Search experiments").fill("chu")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Default")).to_have_count(0)
    page.get_by_role("link", name="churn").click()
    expect(page).to_have_url(re.compile(r"#/experiments/1"))


def test_runs_are_filtered_and_sorted(site: Site) -> None:
    """What the page asks for is what ``bench`` has recorded, and sends."""
    asked: set[str] = set()
    site.page.on("request", lambda request: asked.add(urlsplit(request.url).path))
    page = site.open("/experiments/1/runs")
    expect(page.get_by_text("matching runs")).to_have_text("3 matching runs")
    recorded = {call.path for call in recording()["runs table"]}
    assert {"/graphql", "/ajax-api/2.0/mlflow/runs/search"} <= recorded
    assert {path for path in asked if path.startswith(("/ajax-api/", "/graphql"))} <= recorded
    order_of_runs(page, "run-2", "run-1", "run-0")
    page.get_by_role("button", name="Sort: Created").click()
    page.get_by_placeholder("Search").last.fill("loss")
    with page.expect_response(re.compile("runs/search")):  # then the page fills its boxes anew
        page.get_by_role("menuitemcheckbox", name="loss").click()
    expect(page.get_by_role("button", name=re.compile("Sort: loss"))).to_be_visible()
    order_of_runs(page, "run-0", "run-1", "run-2")
    search = page.get_by_placeholder(re.compile("metrics.rmse"))
    search.fill("metrics.acc > 0.75 and params.depth != '2'")
    expect(search).to_have_value("metrics.acc > 0.75 and params.depth != '2'")
    with page.expect_response(re.compile("runs/search")):
        search.press("Enter")
    expect(page.get_by_text("matching run")).to_have_text("1 matching run")
    order_of_runs(page, "run-1")


def test_a_run_shows_what_was_logged(site: Site, logged: Logged) -> None:
    page = site.open(f"/experiments/1/runs/{logged.run_ids[0]}")
    expect(page.get_by_role("heading", name="run-0")).to_be_visible()
    expect(page.get_by_text(logged.run_ids[0]).first).to_be_visible()
    expect(page.get_by_text("Finished").first).to_be_visible()
    expect(page.get_by_text("Metrics (4)")).to_be_visible()
    expect(page.get_by_role("link", name="churn-model").first).to_be_visible()
    expect(page.get_by_text("0.69", exact=True).first).to_be_visible()
    expect(page.get_by_text("Parameters (2)")).to_be_visible()
    expect(page.get_by_text("growth").first).to_be_visible()
    page.get_by_role("button", name=re.compile("cities")).click()
    drawer = page.get_by_role("dialog")
    for column in ("city", "people"):
        expect(drawer.get_by_text(column, exact=True).first).to_be_visible()


def test_metrics_are_drawn(site: Site, logged: Logged) -> None:
    """A line of 20 steps for each of two metrics and each run, a bar for the metric of one step."""
    points = ".js-plotly-plot .scatterlayer .points path"
    page = site.open(f"/experiments/1/runs/{logged.run_ids[0]}/model-metrics")
    expect(page.locator(".js-plotly-plot")).to_have_count(3)
    expect(page.locator(points)).to_have_count(40)
    site.turn(f"/experiments/1/runs/{logged.run_ids[0]}/system-metrics")
    expect(page.get_by_text("cpu_utilization_percentage").first).to_be_visible()
    page = site.open("/experiments/1/runs?compareRunsMode=CHART")
    expect(page.get_by_role("heading", name="acc")).to_be_visible()
    expect(page.locator(points)).to_have_count(120)
    runs = json.dumps(logged.run_ids)
    shown = {
        "runs": runs,
        "experiments": '["1"]',
        "metric": '"loss"',
        "plot_metric_keys": '["loss"]',
        "plot_layout": '{"autosize":true,"xaxis":{},"yaxis":{}}',
        "x_axis": "step",
        "y_axis_scale": "linear",
        "line_smoothness": "1",
        "show_point": "true",
        "deselected_curves": "[]",
        "last_linear_y_axis_range": "[]",
    }
    site.turn(f"/metric?{urlencode(shown, quote_via=quote)}")
    expect(page.locator(points)).to_have_count(60)


def test_a_model_and_its_version(site: Site) -> None:
    page = site.open("/models")
    page.get_by_role("button", name="Try it now").click()  # an introduction covers the page at first
    page.get_by_role("link", name="churn-model").click()
    expect(page.get_by_role("heading", name="churn-model")).to_be_visible()
    expect(page.get_by_text("@ champion").first).to_be_visible()
    page.get_by_role("link", name="Version 1").click()
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible()
    expect(page.get_by_role("link", name="run-0").first).to_be_visible()


def test_logged_models(site: Site, logged: Logged) -> None:
    page = site.open("/experiments/1/models")
    expect(page.get_by_role("link", name="churn-model")).to_be_visible()
    page.get_by_role("link", name="model", exact=True).click()
    expect(page.get_by_text("Metrics (4)")).to_be_visible()
    for shown in ("0.875", "plain", "Ready", logged.model_id):
        expect(page.get_by_text(shown, exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name="run-0").first).to_be_visible()
    site.turn("/experiments/1/models?viewMode=CHART")
    expect(page.get_by_role("heading", name="quality")).to_be_visible()


def test_prompts(site: Site) -> None:
    page = site.open("/experiments/1/prompts")
    page.get_by_role("link", name="greeting").click()
    expect(page.get_by_text("Hello {{name}}, how is {{place}}?").first).to_be_visible()
    expect(page.get_by_text("Viewing version 1")).to_be_visible()


def test_runs_are_compared(site: Site, logged: Logged) -> None:
    runs = quote("[" + ",".join(f'"{run_id}"' for run_id in logged.run_ids[:2]) + "]")
    page = site.open(f"/compare-runs?runs={runs}&experiments=%5B%221%22%5D")
    expect(page.get_by_text("Comparing 2 Runs from 1 Experiment")).to_be_visible()
    for shown in ("run-0", "run-1", "0.69", "0.79"):
        expect(page.get_by_text(shown, exact=True).first).to_be_visible()
    site.turn("/compare-experiments/s?experiments=%5B%220%22%2C%221%22%5D")
    expect(page.get_by_text("Displaying Runs from 2 Experiments")).to_be_visible()
    expect(page.get_by_text("matching runs")).to_have_text("3 matching runs")
    site.turn("/experiments/1/runs?compareRunsMode=ARTIFACT")  # what log_table left, side by side
    expect(page.get_by_text("why so?")).to_be_visible()
    expect(page.get_by_text("answers.json").first).to_be_visible()


def test_what_is_not_offered_is_empty_not_broken(site: Site, logged: Logged) -> None:
    site.normal.append("https://mlflow.org/")  # a film about tracing, on the page of no traces
    site.page.route("https://mlflow.org/**", lambda route: route.fulfill(body=b""))
    page = site.open("/")
    expect(page.get_by_role("link", name="churn")).to_be_visible()
    for route, said in NOT_OFFERED.items():
        site.turn(route.format(run=logged.run_ids[0]))
        expect(page.get_by_text(said).first).to_be_visible()
