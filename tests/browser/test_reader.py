"""MLflow's UI for a principal that was granted READ on a prefix of experiments, a model and a prompt."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from cairn.domain.access import Permission
from cairn.sharing.authorize import Authority, Owner
from cairn.storage.grants import Grants
from cairn.storage.meter import Meter
from cairn.storage.sqlite import SqliteTable
from tests.access.worlds import OWNER, As, World, named, prefixed
from tests.browser.conftest import Site
from tests.browser.forms import new_experiment, new_tag, run_tag, to_stage
from tests.browser.signed_in import BrowserFront, address, browser_front, signed_in

GUEST = "123456789012"
WHO = f"arn:aws:iam::{GUEST}:role/Train"
SECRET = "payroll"
"""Part of every name that is not shared."""
HAS_READ = f"{WHO} has READ. Ask the owner of this tracking server to share it with that permission."
HAS_NONE = HAS_READ.replace("READ", "no permission")
ASKED_IF_FREE = ("experiments/get-by-name", "registered-models/get")
"""By forms, of a name."""
PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}


@dataclass(frozen=True)
class Shared:
    """What the owner made and shares."""

    experiment_id: str
    run_id: str
    model_id: str


def made_by(owner: As, experiment: str, model: str, prompt: str) -> Shared:
    """An experiment with two runs, a logged model and a file, a registered model and a prompt."""
    experiment_id = owner.experiment(experiment)
    first, second = (owner.run(experiment_id, run_name=f"{model}-run-{number}") for number in range(2))
    for number, run_id in enumerate((first, second)):
        steps = [
            {"key": "loss", "value": 1 / (step + 1), "step": step, "timestamp": 1 + step}
            for step in range(5)
        ]
        params = [{"key": "depth", "value": f"{model}-{number}"}]
        owner.made("runs/log-batch", {"run_id": run_id, "metrics": steps, "params": params})
        owner.made("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": 9_000})
    uploaded = owner.send(
        "POST",
        "/ajax-api/2.0/mlflow/upload-artifact",
        content=f"hello of {model}\n",
        query={"run_uuid": first, "path": "notes.txt"},
    )
    assert uploaded.status == 200, uploaded.content
    logged = {"experiment_id": experiment_id, "name": f"{model}-logged", "source_run_id": first}
    model_id = owner.made("logged-models", logged)["model"]["info"]["model_id"]
    ready = {"model_id": model_id, "status": "LOGGED_MODEL_READY"}
    owner.made(f"logged-models/{model_id}", ready, "PATCH")
    amount = json.dumps([{"type": "double", "name": "amount", "required": True}])
    proxied = f"/api/2.0/mlflow-artifacts/artifacts/{experiment_id}/models/{model_id}/artifacts/MLmodel"
    content = f"signature:\n  inputs: '{amount}'\n"
    assert owner.send("PUT", proxied, content=content).status == 200
    owner.made("registered-models/create", {"name": model, "description": f"made by {model}"})
    version = {"name": model, "source": f"models:/{model_id}", "run_id": first, "model_id": model_id}
    owner.made("model-versions/create", version)
    owner.made("registered-models/alias", {"name": model, "alias": "champion", "version": "1"})
    owner.made("registered-models/create", {"name": prompt, "tags": [PROMPT]})
    text = {"key": "mlflow.prompt.text", "value": f"Hello of {prompt}"}
    owner.made(
        "model-versions/create", {"name": prompt, "source": "prompt-template", "tags": [PROMPT, text]}
    )
    return Shared(experiment_id, first, model_id)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserFront]:
    with browser_front(tmp_path_factory.mktemp("front")) as started:
        yield started


@pytest.fixture(scope="module")
def world(front: BrowserFront) -> Iterator[World]:
    """The front's, whose owner is another account than the one that signs there."""
    assert front.app is not None
    assert front.certificate is not None
    table = SqliteTable(front.certificate.with_name("cairn.db"))
    now = [0.0]
    authority = Authority(Grants(table), Owner(OWNER), lambda: now[0])
    stores = replace(front.app.stores, look_up=authority.look_up)
    front.app = replace(front.app, stores=stores, authorize=authority)
    yield World(front.app, table, Meter(), now)
    table.close()


@pytest.fixture(scope="module")
def shared(world: World) -> Shared:
    """What the reader may see; there is as much that it may not."""
    owner = world.of(OWNER)
    made_by(owner, SECRET, f"{SECRET}-model", f"{SECRET}-prompt")
    return made_by(owner, "fraud/a", "fraud-model", "greeting")


@pytest.fixture
def reader(
    front: BrowserFront,
    world: World,
    context: BrowserContext,
    capsys: pytest.CaptureFixture[str],
    shell: None,
) -> Site:
    """Signed in, with grants to READ."""
    patterns = (
        prefixed("experiments", "fraud/"),
        named("models", "fraud-model"),
        named("prompts", "greeting"),
    )
    world.take_all(GUEST)
    world.grant(GUEST, Permission.READ, *patterns)
    return opened(front, signed_in(context, address(capsys)))


def opened(front: BrowserFront, page: Page) -> Site:
    expect(page.get_by_role("link", name="Experiments").first).to_be_visible()
    front.told.clear()
    return Site(f"{front.uri}/ui", page, index="/index.html")


def test_a_reader_sees_what_is_shared_and_nothing_else(
    front: BrowserFront, shared: Shared, reader: Site
) -> None:
    of = f"/experiments/{shared.experiment_id}"
    run = f"{of}/runs/{shared.run_id}"
    pages = {
        "/": ["fraud/a"],
        "/experiments": ["fraud/a"],
        f"{of}/runs": ["fraud-model-run-0", "fraud-model-run-1", "2 matching runs"],
        f"{of}/runs?compareRunsMode=CHART": ["fraud-model-run-1 (loss)"],
        run: ["fraud-model-0", "Metrics (1)", "0.2", "Finished"],
        f"{run}/model-metrics": ["fraud-model-run-0 (loss)"],
        f"{run}/artifacts": ["notes.txt"],
        f"{of}/models": ["fraud-model-logged"],
        f"{of}/models/{shared.model_id}": [shared.model_id, "Ready"],
        "/models": ["fraud-model", "Version 1"],
        "/models/fraud-model": ["made by fraud-model", "Version 1"],
        "/models/fraud-model/versions/1": ["fraud-model-run-0", "Inputs (1)"],
        "/prompts": ["greeting"],
        "/prompts/greeting": ["Hello of greeting", "Viewing version 1"],
    }
    page = reader.page
    for route, shown in pages.items():
        reader.turn(route)
        for text in shown:
            expect(page.get_by_text(text).filter(visible=True).first).to_be_visible()
        if route.endswith("/artifacts"):
            page.get_by_text("notes.txt", exact=True).click()
            expect(page.get_by_text("hello of fraud-model")).to_be_visible()
        if route.endswith("CHART"):
            expect(page.locator(".js-plotly-plot .scatterlayer .points path")).to_have_count(10)
        assert SECRET not in page.content(), route
    assert reader.faults == []
    assert len(front.told) > len(pages)
    assert [told.path for told in front.told if SECRET.encode() in told.content] == []


class Tries:
    """What a reader tries on a page that changes something, and is refused."""

    def __init__(self, front: BrowserFront, site: Site) -> None:
        self.front, self.site = front, site
        self.changes: list[str] = []
        site.normal += [f"{name}?" for name in ASKED_IF_FREE]

    @contextmanager
    def refused(self, change: str, why: str, *, shown: bool = True) -> Iterator[None]:
        """While the page sends the change. ``why`` is what the answer says, and the page if it shows
        anything."""
        self.site.normal.append(change)
        self.changes.append(f"403 /ui/ajax-api/2.0/mlflow/{change}")
        page = self.site.page
        expect(page.get_by_text(why).filter(visible=True)).to_have_count(0)  # left by the one before
        with page.expect_response(lambda response: response.url.endswith(change)) as answer:
            yield
        told = answer.value.json()
        assert (answer.value.status, told["error_code"]) == (403, "PERMISSION_DENIED")
        assert why in told["message"]
        said = page.get_by_text(told["message"]).filter(visible=True)
        if shown:
            expect(said.first).to_be_visible()
        else:
            expect(said).to_have_count(0)

    def end(self) -> None:
        """Nothing failed but these, and the questions of forms whether a name is free; nothing was told."""
        failed = [f"{told.status} {told.path}" for told in self.front.told if told.status >= 400]
        free = [f"404 /ui/ajax-api/2.0/mlflow/{name}" for name in ASKED_IF_FREE]
        assert [one for one in failed if one not in free] == self.changes
        assert self.site.faults == []
        assert [told.path for told in self.front.told if SECRET.encode() in told.content] == []


def test_a_readers_changes_of_runs_are_refused_in_words(
    front: BrowserFront, shared: Shared, reader: Site
) -> None:
    page, tries = reader.page, Tries(front, reader)
    on = f"on experiment {shared.experiment_id} ('fraud/a')"
    reader.turn(f"/experiments/{shared.experiment_id}/runs/{shared.run_id}")
    menu = page.get_by_role("button", name="Open header dropdown menu")
    menu.click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("New run name").fill("mine")
    with tries.refused("runs/update", f"runs:update {on} needs WRITE; {HAS_READ}"):
        page.get_by_role("button", name="Save").click()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.get_by_role("heading", name="fraud-model-run-0")).to_be_visible()

    page.get_by_role("button", name="Edit description").click()
    page.get_by_role("textbox").first.fill("what I think")
    with tries.refused("runs/set-tag", f"runs:log {on} needs WRITE; {HAS_READ}"):
        page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Cancel").click()

    save, form = run_tag(page), page.get_by_role("dialog")
    with tries.refused("runs/set-tag", f"runs:log {on} needs WRITE; {HAS_READ}"):
        save.click()
    form.get_by_role("button", name="Cancel").click()

    menu.click()
    page.get_by_role("menuitem", name="Delete").click()
    with tries.refused("runs/delete", f"runs:delete {on} needs MANAGE; {HAS_READ}"):
        page.get_by_role("button", name="Delete selected").click()

    reader.open("/experiments")
    page.get_by_role("row", name="fraud/a").get_by_role("checkbox").click()
    page.get_by_role("button", name="Delete").click()
    with tries.refused("experiments/delete", f"experiments:delete {on} needs MANAGE; {HAS_READ}"):
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    reader.open("/experiments")
    create = new_experiment(page, "mine")
    why = f"experiments:create on experiment 'mine' needs WRITE; {HAS_NONE}"
    with tries.refused("experiments/create", why):
        create.click()
    tries.end()


def test_a_readers_changes_of_models_are_refused_in_words_but_for_one_that_the_ui_keeps_to_itself(
    front: BrowserFront, shared: Shared, reader: Site
) -> None:
    """The stock UI says nothing of a version's description that was not saved, and shows it until it is
    loaded anew."""
    page, tries = reader.page, Tries(front, reader)
    reader.turn("/models")
    page.get_by_role("button", name="Try it now").click()  # an introduction covers the page at first
    page.get_by_role("button", name="Create Model").click()
    page.get_by_label("Model name").fill("mine")
    why = f"registry:create on registered model 'mine' needs WRITE; {HAS_NONE}"
    with tries.refused("registered-models/create", why):
        page.get_by_role("dialog").get_by_role("button", name="Create").click()
    why = f"registry:update on registered model 'fraud-model' needs WRITE; {HAS_READ}"
    reader.open("/models/fraud-model")
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("textbox").first.fill("mine")
    with tries.refused("registered-models/update", why):
        page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Cancel").click()
    add = new_tag(page)
    with tries.refused("registered-models/set-tag", why):
        add.click()

    reader.open("/models/fraud-model/versions/1")
    page.get_by_role("button", name=re.compile("(Add|Edit) aliases|^Add$")).click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox").fill("challenger")
    page.keyboard.press("Enter")
    with tries.refused("registered-models/alias", why):
        form.get_by_role("button", name="Save aliases").click()
    form.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("textbox").first.fill("what I think")
    with tries.refused("model-versions/update", why, shown=False):
        page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("what I think", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible()
    expect(page.get_by_text("what I think")).to_have_count(0)
    move = to_stage(page, "Staging")
    with tries.refused("model-versions/transition-stage", why):
        move.click()

    reader.open("/prompts")
    page.get_by_role("button", name="Create prompt").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name:").fill("mine")
    form.get_by_label("Prompt:").fill("Hello")
    why = f"registry:create on prompt 'mine' needs WRITE; {HAS_NONE}"
    with tries.refused("registered-models/create", why):
        form.get_by_role("button", name="Create").click()
    tries.end()


def test_a_session_to_read_is_told_that_it_is_one(
    front: BrowserFront,
    world: World,
    shared: Shared,
    context: BrowserContext,
    capsys: pytest.CaptureFixture[str],
    shell: None,
) -> None:
    """Though its principal may more."""
    world.take_all(GUEST)
    world.grant(GUEST, Permission.MANAGE, prefixed("experiments", "fraud/"))
    reader = opened(front, signed_in(context, address(capsys, "--permission", "READ")))
    page, tries = reader.page, Tries(front, reader)
    reader.turn(f"/experiments/{shared.experiment_id}/runs/{shared.run_id}")
    page.get_by_role("button", name="Open header dropdown menu").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("New run name").fill("mine")
    with tries.refused(
        "runs/update", f"this browser session or token may READ at most, whatever {WHO} may"
    ):
        page.get_by_role("button", name="Save").click()
    tries.end()
