"""Operations on registered models, their versions, aliases and stages; prompts among them."""

from hypothesis import strategies as st

from tests.differential import model_calls, run_calls, values
from tests.differential.experiment_calls import tags
from tests.differential.filters import (
    REGISTERED_FILTERS,
    REGISTERED_NAMES,
    REGISTERED_ORDERS,
    VERSION_FILTERS,
    VERSION_ORDERS,
)
from tests.differential.operations import Json, Operation
from tests.differential.sequences import API, Maker, Story, post, sequence

PROMPT = "mlflow.prompt.is_prompt"
STAGES = ("None", "Staging", "Production", "Archived", "production", "STAGING")
ALIASES = ("champion", "Champion", "a-b", "x" * 255)
BAD_ALIASES = ("latest", "v1", "V2", "a b", "x" * 256, "a.b", "")
BAD_NAMES = ("", " ", "a/b", "a:b", ".", "..", "nobody")
SOURCES = ("s3://bucket/models/a", "s3://bucket/models/b", "gs://x/y", "dbfs:/x/y")
BAD_SOURCES = (
    "/tmp/x",
    "file:///etc",
    "s3://bucket/../x",
    "s3://bucket/a/./b",
    "http://host/x",
    "mlflow-artifacts:/elsewhere/x",
    "mlflow-artifacts://host/x",
    "s3://bucket/%2e%2e/x",
    "models:/nobody/1",
    "models:/",
    "models:/a/b/c",
    "runs:/",
    "dummy-source",
    "ftp://host/x",
    "",
    "s3://bucket",
    "models:/net@nope",
)


def _name(story: Story) -> str:
    """A name that is probably taken."""
    known = sorted(story.registered)
    if not known or story.chance(4):
        return story.pick((*BAD_NAMES, *REGISTERED_NAMES))
    return story.pick(known)


def _version(story: Story, name: str) -> str:
    most = story.registered.get(name, 0)
    if not most or story.chance(4):
        return story.pick(("1", "0", "-1", "99", "x", "", "1.0", "01", str(2**40)))
    return str(story.count(1, most))


def _tags(story: Story, *, prompt: int = 10) -> list[Json]:
    found = tags(story, values.TAG_KEYS, values.TAG_VALUES)
    if story.chance(prompt):
        found.append({"key": PROMPT, "value": story.pick(("true", "true", "True", "false"))})
    return found


def create(story: Story) -> Operation:
    name = story.value(REGISTERED_NAMES, BAD_NAMES)
    body: dict[str, Json] = {"name": name}
    if story.chance(50):
        body["tags"] = _tags(story)
    if story.chance(40):
        body["description"] = story.pick(("", "what it does", "ü" * 300))
    if name not in BAD_NAMES:
        story.registered.setdefault(name, 0)
    return post(story, "registered-models/create", body)


def get(story: Story) -> Operation:
    return _get(story, "registered-models/get", name=_name(story))


def rename(story: Story) -> Operation:
    name = _name(story)
    new = story.value(REGISTERED_NAMES, ("a/b", "", "x:y"))
    if name in story.registered and new in REGISTERED_NAMES and new not in story.registered:
        story.registered[new] = story.registered.pop(name)
    return post(story, "registered-models/rename", {"name": name, "new_name": new})


def update(story: Story) -> Operation:
    body = {"name": _name(story)}
    if story.chance(80):
        body["description"] = story.pick(("", "new", "newer"))
    return _send(story, "PATCH", "registered-models/update", body)


def delete(story: Story) -> Operation:
    name = _name(story)
    story.registered.pop(name, None)
    return _send(story, "DELETE", "registered-models/delete", {"name": name})


def set_tag(story: Story) -> Operation:
    return post(story, "registered-models/set-tag", {"name": _name(story), **_tag(story)})


def delete_tag(story: Story) -> Operation:
    return _send(story, "DELETE", "registered-models/delete-tag", {"name": _name(story), **_tag_key(story)})


def set_alias(story: Story) -> Operation:
    name = _name(story)
    body = {"name": name, "alias": story.value(ALIASES, BAD_ALIASES), "version": _version(story, name)}
    return post(story, "registered-models/alias", body)


def delete_alias(story: Story) -> Operation:
    body = {"name": _name(story), "alias": story.value(ALIASES, BAD_ALIASES)}
    return _send(story, "DELETE", "registered-models/alias", body)


def get_by_alias(story: Story) -> Operation:
    alias = story.pick((*ALIASES, *ALIASES, "latest", "Latest", "v1", "a b"))
    return _get(story, "registered-models/alias", name=_name(story), alias=alias)


def latest(story: Story) -> Operation:
    body: dict[str, Json] = {"name": _name(story)}
    if story.chance(60):
        body["stages"] = [story.value(STAGES, ("Nowhere", "")) for _ in range(story.count(1, 2))]
    return post(story, "registered-models/get-latest-versions", body)


def create_version(story: Story) -> Operation:
    name = _name(story)
    body: dict[str, Json] = {"name": name, "source": story.value(SOURCES, BAD_SOURCES, 5)}
    kind = story.count(0, 9)
    if kind == 0 and story.registered:
        other = _name(story)
        suffix = story.pick(
            (f"/{_version(story, other)}", "@champion", "/latest", "/Production", "@latest")
        )
        body["source"] = f"models:/{other}{suffix}"
    elif kind == 1 and story.models:
        model_id = story.model_id()
        body["model_id"] = model_id
        body["source"] = story.pick((f"models:/{model_id}", "s3://bucket/x", "models:/{model:0}"))
    elif kind == 2 and story.runs:
        run_id = story.run_id()
        body["run_id"] = run_id
        body["source"] = story.pick((f"runs:/{run_id}/model", "runs:/{run:0}/model", f"runs:/{run_id}"))
    elif kind == 3 and story.runs:
        body["run_id"] = "{run:0}"
        exp = f"{{experiment:{story.runs[0].experiment}}}"
        body["source"] = story.pick(
            (
                f"mlflow-artifacts:/{exp}/{{run:0}}/artifacts/model",
                f"mlflow-artifacts:/{exp}/other/artifacts",
            )
        )
    elif kind == 4:
        body["source"] = story.pick(("dummy-source", "prompt-template", "s3://b/prompt"))
        body["tags"] = [
            {"key": PROMPT, "value": "true"},
            {"key": "mlflow.prompt.text", "value": "Hi {{x}}"},
        ]
    if story.chance(40) and "run_id" not in body:
        body["run_id"] = story.pick(("{run:0}", "elsewhere", ""))
    if story.chance(30):
        body.setdefault("tags", _tags(story, prompt=3))
    if story.chance(30):
        body["description"] = story.pick(("", "fine"))
    if story.chance(20):
        body["run_link"] = "https://elsewhere/run"
    if name in story.registered and body["source"] in SOURCES:
        story.registered[name] += 1
    return post(story, "model-versions/create", body)


def get_version(story: Story) -> Operation:
    name = _name(story)
    return _get(story, "model-versions/get", name=name, version=_version(story, name))


def download_uri(story: Story) -> Operation:
    name = _name(story)
    return _get(story, "model-versions/get-download-uri", name=name, version=_version(story, name))


def update_version(story: Story) -> Operation:
    name = _name(story)
    body = {"name": name, "version": _version(story, name)}
    if story.chance(80):
        body["description"] = story.pick(("", "new", "newer"))
    return _send(story, "PATCH", "model-versions/update", body)


def move(story: Story) -> Operation:
    name = _name(story)
    body: dict[str, Json] = {
        "name": name,
        "version": _version(story, name),
        "stage": story.value(STAGES, ("Nowhere", "")),
    }
    if story.chance(60):
        body["archive_existing_versions"] = story.chance(70)
    return post(story, "model-versions/transition-stage", body)


def delete_version(story: Story) -> Operation:
    name = _name(story)
    body = {"name": name, "version": _version(story, name)}
    return _send(story, "DELETE", "model-versions/delete", body)


def set_version_tag(story: Story) -> Operation:
    name = _name(story)
    body = {"name": name, "version": _version(story, name), **_tag(story)}
    return post(story, "model-versions/set-tag", body)


def delete_version_tag(story: Story) -> Operation:
    name = _name(story)
    body = {"name": name, "version": _version(story, name), **_tag_key(story)}
    return _send(story, "DELETE", "model-versions/delete-tag", body)


def search(story: Story) -> Operation:
    return _search(story, "registered-models/search", REGISTERED_FILTERS, REGISTERED_ORDERS, 1_001)


def search_versions(story: Story) -> Operation:
    return _search(story, "model-versions/search", VERSION_FILTERS, VERSION_ORDERS, 200_001)


def _search(
    story: Story, path: str, filters: st.SearchStrategy[str], orders: st.SearchStrategy[Json], too_many: int
) -> Operation:
    query = [("filter", story.draw(filters))]
    query += [("order_by", order) for order in story.draw(orders)]
    if story.chance(70):
        query.append(("max_results", str(story.value((1, 2, 3, 100), (too_many, -1, 0), 2))))
    if story.chance(2):
        query.append(("page_token", "garbage"))
    return Operation("GET", f"{API}/{path}", query=tuple(query), tick=story.tick(), pages=4)


def _tag(story: Story) -> dict[str, Json]:
    (tag,) = tags(story, values.TAG_KEYS, values.TAG_VALUES)[:1] or [{"key": "team", "value": "a"}]
    if story.chance(10):
        return {"key": PROMPT, "value": story.pick(("true", "false", "True"))}
    return dict(tag)


def _tag_key(story: Story) -> dict[str, Json]:
    return {"key": story.pick((*values.TAG_KEYS, PROMPT, "../x", ""))}


def _get(story: Story, path: str, **query: str) -> Operation:
    return Operation("GET", f"{API}/{path}", query=tuple(query.items()), tick=story.tick(), messages=True)


def _send(story: Story, method: str, path: str, body: Json) -> Operation:
    return Operation(method, f"{API}/{path}", body, tick=story.tick(), messages=True)


_CALLS: tuple[Maker, ...] = (
    create,
    create,
    get,
    rename,
    update,
    delete,
    set_tag,
    delete_tag,
    *(set_alias,) * 3,
    delete_alias,
    *(get_by_alias,) * 2,
    *(latest,) * 2,
    *(create_version,) * 5,
    get_version,
    download_uri,
    update_version,
    *(move,) * 5,
    delete_version,
    set_version_tag,
    delete_version_tag,
    *(search,) * 3,
    *(search_versions,) * 4,
)
_START: tuple[Maker, ...] = (
    run_calls.create,
    model_calls.create,
    create,
    create,
    create_version,
    create_version,
    create_version,
    create_version,
)

REGISTRY = sequence(_CALLS, _START, 8, 30, spoil=2)
