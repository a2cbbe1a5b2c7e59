"""Operations on experiments."""

from tests.differential import values
from tests.differential.filters import EXPERIMENT_FILTERS, EXPERIMENT_ORDERS
from tests.differential.operations import Json, Operation
from tests.differential.sequences import AJAX, API, ExperimentGuess, Maker, Story, post


def tags(story: Story, keys: tuple[str, ...], tag_values: tuple[str, ...], most: int = 3) -> list[Json]:
    """Up to ``most`` tags with keys of their own."""
    chosen = dict.fromkeys(story.pick(keys) for _ in range(story.count(0, most)))
    return [{"key": key, "value": story.pick(tag_values)} for key in chosen]


def create(story: Story) -> Operation:
    taken = {each.name for each in story.experiments}
    free = [name for name in values.EXPERIMENT_NAMES if name not in taken] or values.EXPERIMENT_NAMES
    if story.chance(6):
        name: Json = story.pick(values.BAD_EXPERIMENT_NAMES)
    else:
        name = story.pick(tuple(taken) if story.chance(8) else free) if taken else story.pick(free)
    body: dict[str, Json] = {"name": name}
    if story.chance(20):
        body["artifact_location"] = story.pick(values.LOCATIONS)
    if story.chance(50):
        body["tags"] = tags(story, values.TAG_KEYS, values.EXPERIMENT_TAG_VALUES)
    if isinstance(name, str) and 0 < len(name) <= 500 and name not in taken:
        known = {tag["key"] for tag in body.get("tags", [])}
        story.experiments.append(ExperimentGuess(name, tags=known))
    return post(story, "experiments/create", body)


def get(story: Story) -> Operation:
    return Operation(
        "GET",
        f"{API}/experiments/get",
        query=(("experiment_id", story.experiment_id()),),
        messages=True,
    )


def get_by_name(story: Story) -> Operation:
    known = [each.name for each in story.experiments]
    name = story.pick(("nobody", "DEFAULT", "") if story.chance(10) else known)
    return Operation("GET", f"{API}/experiments/get-by-name", query=(("experiment_name", name),))


def update(story: Story) -> Operation:
    experiment_id = story.experiment_id()
    name = story.value(values.EXPERIMENT_NAMES, values.BAD_EXPERIMENT_NAMES)
    return post(story, "experiments/update", {"experiment_id": experiment_id, "new_name": name})


def delete(story: Story) -> Operation:
    number = (
        story.experiment() if len(story.experiments) == 1 else story.count(1, len(story.experiments) - 1)
    )
    story.experiments[number].active = False
    return post(story, "experiments/delete", {"experiment_id": f"{{experiment:{number}}}"})


def restore(story: Story) -> Operation:
    deleted = [number for number, each in enumerate(story.experiments) if not each.active]
    number = story.pick(deleted) if deleted else story.experiment()
    story.experiments[number].active = True
    for run in story.runs:
        run.active = run.active or run.experiment == number
    return post(story, "experiments/restore", {"experiment_id": f"{{experiment:{number}}}"})


def set_tag(story: Story) -> Operation:
    number = story.experiment()
    key = story.value(values.TAG_KEYS + values.EDGE_KEYS, values.BAD_KEYS)
    value = story.value(values.EXPERIMENT_TAG_VALUES, values.BAD_EXPERIMENT_TAG_VALUES)
    story.experiments[number].tags.add(key)
    body = {"experiment_id": f"{{experiment:{number}}}", "key": key, "value": value}
    return post(story, "experiments/set-experiment-tag", body)


def delete_tag(story: Story) -> Operation:
    number = story.experiment()
    known = sorted(story.experiments[number].tags)
    key = story.pick(known) if known and not story.chance(15) else story.pick(values.TAG_KEYS)
    story.experiments[number].tags.discard(key)
    return post(
        story,
        "experiments/delete-experiment-tag",
        {"experiment_id": f"{{experiment:{number}}}", "key": key},
    )


def search(story: Story) -> Operation:
    size = story.value((1000, 1, 2, 3, 50_000), (0, -1, 50_001, "many"))
    view = story.pick((None, "ALL", "ACTIVE_ONLY", "DELETED_ONLY", 1, 2, 3))
    filter_text = story.draw(EXPERIMENT_FILTERS)
    orders = story.draw(EXPERIMENT_ORDERS)
    if story.chance(25):
        query = [("max_results", str(size)), ("filter", filter_text)]
        query += [("order_by", order) for order in orders]
        if isinstance(view, str):
            query.append(("view_type", view))
        return Operation("GET", f"{API}/experiments/search", query=tuple(query), pages=3)
    body: dict[str, Json] = {"max_results": size, "filter": filter_text}
    if orders:
        body["order_by"] = orders
    if view is not None:
        body["view_type"] = view
    if story.chance(4):
        body["page_token"] = story.pick(("garbage", "", "e30="))
    return post(story, "experiments/search", body, pages=3, messages=False)


def search_datasets(story: Story) -> Operation:
    ids = [f"{{experiment:{story.experiment()}}}" for _ in range(story.pick((1, 1, 2, 3, 0)))]
    if story.chance(4):
        ids = ids * 21
    return Operation(
        "POST",
        f"{AJAX}/experiments/search-datasets",
        {"experiment_ids": ids},
        tick=story.tick(),
        messages=True,
    )


CALLS: tuple[Maker, ...] = (
    create,
    create,
    get,
    get_by_name,
    update,
    delete,
    restore,
    restore,
    set_tag,
    set_tag,
    delete_tag,
    search,
    search,
)
