"""Operations on webhooks, but for their test: MLflow's server would really send one.

URLs name addresses, which are resolved without a resolver. Two webhooks of one millisecond come in any
order from MLflow: time passes before each is created.
"""

from dataclasses import replace

from tests.differential.operations import Json, Operation
from tests.differential.sequences import API, Maker, Story, post, sequence
from tests.differential.values import WRONG_TYPES

_EVENTS = (
    ("REGISTERED_MODEL", "CREATED"),
    ("MODEL_VERSION", "CREATED"),
    ("MODEL_VERSION_TAG", "SET"),
    ("MODEL_VERSION_TAG", "DELETED"),
    ("MODEL_VERSION_ALIAS", "CREATED"),
    ("PROMPT_VERSION_TAG", "SET"),
    ("PROMPT_ALIAS", "DELETED"),
    ("BUDGET_POLICY", "EXCEEDED"),
    (1, 1),
    ("4", "3"),
)
_BAD_EVENTS: tuple[Json, ...] = (
    {"entity": "REGISTERED_MODEL", "action": "DELETED"},
    {"entity": "MODEL_VERSION_ALIAS", "action": "SET"},
    {"entity": "BUDGET_POLICY", "action": "CREATED"},
    {"entity": "REGISTERED_MODEL", "action": "UPDATED"},
    {"entity": "REGISTERED_MODEL"},
    {"action": "CREATED"},
    {"entity": "EXPERIMENT", "action": "CREATED"},
    {"entity": "registered_model", "action": "created"},
    {},
    "registered_model.created",
    12,
)
_NAMES = ("deploy", "Deploy", "a", "a.b_c-d", "0", "n" * 63)
_BAD_NAMES = ("", " ", "-a", "a-", "a b", "ü", "n" * 64, "a/b", "a\n", 12)
_URLS = (
    "https://8.8.8.8/hook",
    "https://1.1.1.1:443/",
    "https://[2606:4700::1111]/a?b=c",
    "HTTPS://8.8.8.8",
)
_BAD_URLS = (
    "",
    "  ",
    "hook",
    "http://8.8.8.8/",
    "ftp://8.8.8.8/",
    "https://",
    "https:///x",
    "https://[::1",
    "https://127.0.0.1/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:a00:1::1]/",
    "https://no-such-host.invalid/",
    "https://8.8.8.8:8443/",
    "https://user@8.8.8.8/",
    "https://8.8.8.8/ü",
    "https://8.8.8.8/" + "x" * 500,
    12,
)
_STATUSES = ("ACTIVE", "DISABLED", "DISABLED")
_BAD_STATUSES: tuple[Json, ...] = ("active", "PAUSED", "", 1, "2")
_NOBODY = ("nobody", "0b1c2d3e-0000-4000-8000-000000000001", "x" * 300)


def _id(story: Story) -> str:
    if not story.webhooks or story.chance(5):
        return story.pick(_NOBODY)
    return f"{{webhook:{story.count(0, story.webhooks - 1)}}}"


def _events(story: Story) -> list[Json]:
    found: list[Json] = []
    for _ in range(story.count(1, 3)):
        entity, action = story.pick(_EVENTS)
        found.append({"entity": entity, "action": action})
    if story.chance(5):
        found.append(story.pick(_BAD_EVENTS))
    return found if story.chance(4) else _each_once(found)


def _each_once(events: list[Json]) -> list[Json]:
    return [event for place, event in enumerate(events) if event not in events[:place]]


def _optional(story: Story, body: dict[str, Json]) -> dict[str, Json]:
    if story.chance(40):
        body["description"] = story.value(("", "what it is for", "ü" * 1000), ("d" * 1001, 12))
    if story.chance(40):
        body["secret"] = story.value(("whsec", "", "s" * 500), (12, "s" * 1001))
    if story.chance(40):
        body["status"] = story.value(_STATUSES, _BAD_STATUSES)
    return body


def create(story: Story) -> Operation:
    body = {"name": story.value(_NAMES, _BAD_NAMES), "url": story.value(_URLS, _BAD_URLS, 10)}
    body["events"] = _events(story)
    story.webhooks += 1
    return replace(post(story, "webhooks", _optional(story, body)), tick=1)


def get(story: Story) -> Operation:
    return _send(story, "GET", _id(story))


def listed(story: Story) -> Operation:
    query = (
        [] if story.chance(40) else [("max_results", story.value(("1", "2", "1000"), ("0", "-1", "1001")))]
    )
    if story.chance(3):
        query.append(("page_token", "garbage"))
    return Operation("GET", f"{API}/webhooks", query=tuple(query), tick=story.tick(), pages=4)


def update(story: Story) -> Operation:
    body: dict[str, Json] = {}
    if story.chance(40):
        body["name"] = story.value(_NAMES, _BAD_NAMES)
    if story.chance(40):
        body["url"] = story.value(_URLS, _BAD_URLS, 10)
    if story.chance(40):
        body["events"] = [] if story.chance(10) else _events(story)
    return _send(story, "PATCH", _id(story), _optional(story, body))


def delete(story: Story) -> Operation:
    return _send(story, "DELETE", _id(story))


def wrong(story: Story) -> Operation:
    """A creation with events of another type."""
    made = create(story)
    return replace(made, body={**made.body, "events": story.pick((*WRONG_TYPES, [[]]))})


def _send(story: Story, method: str, webhook_id: str, body: Json = None) -> Operation:
    return Operation(method, f"{API}/webhooks/{webhook_id}", body, tick=story.tick(), messages=True)


_CALLS: tuple[Maker, ...] = (create, create, get, get, listed, listed, *(update,) * 4, delete, wrong)

WEBHOOKS = sequence(_CALLS, (create, create), 6, 20, spoil=3)
