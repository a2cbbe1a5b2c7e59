"""MLflow's own UI on a local Cairn, as a user sees and uses it. ``site`` fails a test at any fault."""

import re
from urllib.parse import quote

from playwright.sync_api import Page, expect

from tests.browser.conftest import Logged, Site


def names_of_runs(page: Page) -> list[str]:
    return [name.strip() for name in page.locator("a", has_text=re.compile(r"^run-\d$")).all_inner_texts()]


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
    page = site.open("/experiments/1/runs")
    expect(page.get_by_text("matching runs")).to_have_text("3 matching runs")
    assert names_of_runs(page) == ["run-2", "run-1", "run-0"]
    page.get_by_role("button", name="Sort: Created").click()
    page.get_by_placeholder("Search").last.fill("loss")
    with page.expect_response(re.compile("runs/search")):  # then the page fills its boxes anew
        page.get_by_role("menuitemcheckbox", name="loss").click()
    expect(page.get_by_role("button", name=re.compile("Sort: loss"))).to_be_visible()
    expect(page.get_by_text("matching runs")).to_have_text("3 matching runs")
    search = page.get_by_placeholder(re.compile("metrics.rmse"))
    search.fill("metrics.acc > 0.75 and params.depth != '2'")
    expect(search).to_have_value("metrics.acc > 0.75 and params.depth != '2'")
    with page.expect_response(re.compile("runs/search")):
        search.press("Enter")
    expect(page.get_by_text("matching run")).to_have_text("1 matching run")
    assert names_of_runs(page) == ["run-1"]


def test_a_run_shows_what_was_logged(site: Site, logged: Logged) -> None:
    page = site.open(f"/experiments/1/runs/{logged.run_ids[0]}")
    expect(page.get_by_role("heading", name="run-0")).to_be_visible()
    expect(page.get_by_text(logged.run_ids[0]).first).to_be_visible()
    expect(page.get_by_text("Finished").first).to_be_visible()
    expect(page.get_by_text("Metrics (3)")).to_be_visible()
    expect(page.get_by_role("link", name="churn-model").first).to_be_visible()
    expect(page.get_by_text("0.69", exact=True).first).to_be_visible()
    expect(page.get_by_text("Parameters (2)")).to_be_visible()
    expect(page.get_by_text("growth").first).to_be_visible()


def test_metrics_are_drawn(site: Site, logged: Logged) -> None:
    page = site.open(f"/experiments/1/runs/{logged.run_ids[0]}/model-metrics")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    expect(page.locator(".js-plotly-plot .scatterlayer .points path")).to_have_count(40)
    page = site.open(f"/experiments/1/runs/{logged.run_ids[0]}/system-metrics")
    expect(page.get_by_text("cpu_utilization_percentage").first).to_be_visible()


def test_artifacts_are_previewed(site: Site, logged: Logged) -> None:
    page = site.open(f"/experiments/1/runs/{logged.run_ids[0]}/artifacts")
    page.get_by_text("notes", exact=True).click()
    page.get_by_text("readme.txt", exact=True).click()
    expect(page.get_by_text("hello cairn")).to_be_visible()
    page.get_by_text("cities.csv", exact=True).click()
    expect(page.get_by_text("177000")).to_be_visible()


def test_a_model_and_its_version(site: Site) -> None:
    page = site.open("/models")
    page.get_by_role("button", name="Try it now").click()  # an introduction covers the page at first
    page.get_by_role("link", name="churn-model").click()
    expect(page.get_by_role("heading", name="churn-model")).to_be_visible()
    expect(page.get_by_text("@ champion").first).to_be_visible()
    page.get_by_role("link", name="Version 1").click()
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible()
    expect(page.get_by_role("link", name="run-0").first).to_be_visible()


def test_runs_are_compared(site: Site, logged: Logged) -> None:
    runs = quote("[" + ",".join(f'"{run_id}"' for run_id in logged.run_ids[:2]) + "]")
    page = site.open(f"/compare-runs?runs={runs}&experiments=%5B%221%22%5D")
    expect(page.get_by_text("Comparing 2 Runs from 1 Experiment")).to_be_visible()
    for shown in ("run-0", "run-1", "0.69", "0.79"):
        expect(page.get_by_text(shown, exact=True).first).to_be_visible()


def test_what_is_not_offered_is_empty_not_broken(site: Site) -> None:
    for route in (
        "/experiments/1/overview",
        "/experiments/1/models",
        "/prompts",
        "/experiments/1/datasets",
    ):
        page = site.open(route)
        page.wait_for_timeout(1_500)
        assert (
            page.get_by_role("alert").filter(has_text=re.compile("error|fail", re.IGNORECASE)).count() == 0
        )
