"""What a user changes on the pages, read back from the page and from the API. Each test has an experiment,
a model or a prompt of its own: what it leaves behind is in nobody's way."""

import json
import re
from typing import Any

from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import Logged, Site
from tests.browser.forms import new_experiment, new_tag, run_tag, to_stage

API = "/api/2.0/mlflow/"


def call(logged: Logged, method: str, path: str, **body: Any) -> Any:
    status, answer = logged.server.request(
        method, API + path, json.dumps(body), {"Content-Type": "application/json"}
    )
    assert status == 200, answer
    return json.loads(answer)


def run_of(logged: Logged, experiment: str, name: str) -> tuple[str, str]:
    """A new experiment with one run: their ids."""
    experiment_id = call(logged, "POST", "experiments/create", name=experiment)["experiment_id"]
    made = {"experiment_id": experiment_id, "run_name": name, "start_time": 1_700_000_000_000}
    return experiment_id, call(logged, "POST", "runs/create", **made)["run"]["info"]["run_id"]


def saved(page: Page, path: str) -> Any:
    """While the page is to send its change; an answer but 200 is a fault of the site."""

    def is_answer(response: Response) -> bool:
        changes = path in response.url and response.request.method != "GET"
        return changes and response.status == 200

    return page.expect_response(is_answer)


def test_a_run_is_renamed_described_tagged_deleted_and_restored(site: Site, logged: Logged) -> None:
    experiment_id, run_id = run_of(logged, "changed", "before")
    page = site.open(f"/experiments/{experiment_id}/runs/{run_id}")
    page.get_by_role("button", name="Open header dropdown menu").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("New run name").fill("after")
    with saved(page, "runs/update"):
        page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="after")).to_be_visible()

    page.get_by_role("button", name="Edit description").click()
    page.get_by_role("textbox").first.fill("what we **learned**")
    with saved(page, "runs/set-tag"):
        page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("learned", exact=True)).to_have_css("font-weight", "700")

    save, form = run_tag(page), page.get_by_role("dialog")
    with saved(page, "runs/set-tag"):
        save.click()
    expect(form).to_be_hidden()
    expect(page.get_by_role("status", name="team")).to_have_text("team: growth")

    page.get_by_role("button", name="Open header dropdown menu").click()
    page.get_by_role("menuitem", name="Delete").click()
    with saved(page, "runs/delete"):
        page.get_by_role("button", name="Delete selected").click()
    page = site.open(f"/experiments/{experiment_id}/runs")
    expect(page.get_by_text("No runs logged")).to_be_visible()
    page.get_by_role("combobox", name=re.compile("State")).click()
    page.get_by_role("option", name="Deleted").click()
    expect(page.get_by_role("link", name="after")).to_be_visible()
    page.get_by_role("checkbox", name="Select all runs").first.click()
    page.get_by_role("button", name="Restore").click()
    with saved(page, "runs/restore"):
        page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    run = call(logged, "GET", f"runs/get?run_id={run_id}")["run"]
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert (run["info"]["run_name"], run["info"]["lifecycle_stage"]) == ("after", "active")
    assert (tags["team"], tags["mlflow.note.content"]) == ("growth", "what we **learned**")


def test_an_experiment_is_created_described_and_deleted(site: Site, logged: Logged) -> None:
    site.normal.append("experiments/get-by-name")  # the form asks whether the name is free: 404
    page = site.open("/experiments")
    create = new_experiment(page, "short-lived")
    with saved(page, "experiments/create"):
        create.click()
    expect(page).to_have_url(re.compile(r"#/experiments/\d+"))
    expect(page.get_by_role("link", name="short-lived").first).to_be_visible()
    page = site.open("/experiments")
    page.get_by_role("row", name="short-lived").get_by_role("checkbox").click()
    page.get_by_role("button", name="Delete").click()
    with saved(page, "experiments/delete"):
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("row", name="short-lived")).to_have_count(0)
    found = call(logged, "GET", "experiments/get-by-name?experiment_name=short-lived")["experiment"]
    assert found["lifecycle_stage"] == "deleted"


def test_a_logged_model_is_registered_described_and_given_an_alias(site: Site, logged: Logged) -> None:
    page = site.open(f"/experiments/1/models/{logged.model_id}")
    page.get_by_role("button", name="Register model").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox").click()
    expect(page.get_by_text("Create New Model", exact=True)).to_be_visible()
    page.keyboard.press("Enter")  # a click on it would have the box take the focus back, from the name
    form.get_by_label("Model Name").fill("by-hand")
    with saved(page, "model-versions/create"):
        form.get_by_role("button", name="Register").click()
    page = site.open("/models/by-hand/versions/1")
    page.get_by_role("button", name=re.compile("(Add|Edit) aliases|^Add$")).click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox").fill("challenger")
    page.keyboard.press("Enter")
    with saved(page, "registered-models/alias"):
        form.get_by_role("button", name="Save aliases").click()
    expect(page.get_by_text("@ challenger").first).to_be_visible()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("textbox").first.fill("made on the page")
    with saved(page, "model-versions/update"):
        page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("made on the page")).to_be_visible()
    version = call(logged, "GET", "registered-models/alias?name=by-hand&alias=challenger")["model_version"]
    assert (version["version"], version["description"]) == ("1", "made on the page")


def test_a_model_is_created_and_tagged_and_its_version_staged(site: Site, logged: Logged) -> None:
    site.normal.append("registered-models/get?")  # the form asks whether the name is free: 404
    page = site.open("/models")
    page.get_by_role("button", name="Try it now").click()  # an introduction covers the page at first
    page.get_by_role("button", name="Create Model").click()
    page.get_by_label("Model name").fill("staged")
    with saved(page, "registered-models/create"):
        page.get_by_role("dialog").get_by_role("button", name="Create").click()
    version = {"name": "staged", "source": f"models:/{logged.model_id}", "model_id": logged.model_id}
    call(logged, "POST", "model-versions/create", **version)
    routes = {"registered-models": "/models/staged", "model-versions": "/models/staged/versions/1"}
    for kind, route in routes.items():
        page = site.open(route)
        add = new_tag(page)
        with saved(page, f"{kind}/set-tag"):
            add.click()
        expect(page.get_by_role("cell", name="growth")).to_be_visible()
    move = to_stage(page, "Staging")
    with saved(page, "model-versions/transition-stage"):
        move.click()
    expect(page.get_by_text("Staging", exact=True).first).to_be_visible()
    model = call(logged, "GET", "registered-models/get?name=staged")["registered_model"]
    (version,) = model["latest_versions"]
    assert version["current_stage"] == "Staging"
    assert model["tags"] == version["tags"] == [{"key": "team", "value": "growth"}]


def test_a_prompt_is_created_and_gets_a_second_version(site: Site, logged: Logged) -> None:
    page = site.open("/prompts")
    page.get_by_role("button", name="Create prompt").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name:").fill("summary")
    form.get_by_label("Prompt:").fill("Sum up {{ text }}")
    with saved(page, "model-versions/create"):
        form.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Sum up {{ text }}").first).to_be_visible()
    page.get_by_role("button", name="Create prompt version").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Prompt:").fill("Sum up {{ text }} in a line")
    with saved(page, "model-versions/create"):
        form.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Viewing version 2")).to_be_visible()
    expect(page.get_by_text("Sum up {{ text }} in a line").first).to_be_visible()
    page = site.open("/prompts")
    expect(page.get_by_role("row", name="summary")).to_contain_text("Version 2")
