"""How large a GraphQL query may be: MLflow's limits (server/graphql/graphql_no_batching.py).

They are checked before the query is validated and run: one request must not ask for what a thousand would.
"""

from collections import deque
from collections.abc import Mapping

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

MAX_TOKENS = 3_000
"""Of the text: validating it takes time by their square."""
MAX_DEPTH = 10
MAX_SELECTIONS = 1_000
MAX_ROOT_FIELDS = 10
MAX_ALIASES = 10
"""On one level of the query. MLflow's default, as that of root fields."""

Fragments = Mapping[str, FragmentDefinitionNode]


def excess(document: DocumentNode) -> str | None:
    """What is too much about a query, in MLflow's words; None where nothing is."""
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    selections = roots = most_aliases = 0
    for operation in document.definitions:
        if not isinstance(operation, OperationDefinitionNode):
            continue
        levels = [(operation.selection_set, 1)]
        while levels:
            level, depth = levels.pop()
            if depth > MAX_DEPTH:
                return f"Query exceeds maximum depth of {MAX_DEPTH}"
            fields = _fields(level, fragments)
            selections += len(fields)
            if selections > MAX_SELECTIONS:
                return f"Query exceeds maximum total selections of {MAX_SELECTIONS}"
            roots += len(fields) if depth == 1 else 0
            most_aliases = max(most_aliases, sum(1 for field in fields if field.alias))
            levels += [(field.selection_set, depth + 1) for field in fields if field.selection_set]
    if roots > MAX_ROOT_FIELDS:
        return (
            f"GraphQL queries should have at most {MAX_ROOT_FIELDS} root fields, got {roots} root fields."
        )
    if most_aliases > MAX_ALIASES:
        return f"GraphQL queries should have at most {MAX_ALIASES} aliases, got {most_aliases} aliases."
    return None


def _fields(level: SelectionSetNode, fragments: Fragments) -> list[FieldNode]:
    """The fields of one level, those of its fragments among them, each fragment once."""
    fields: list[FieldNode] = []
    seen: set[str] = set()
    waiting = deque(level.selections)
    while waiting:
        node = waiting.popleft()
        if isinstance(node, FieldNode):
            fields.append(node)
        elif isinstance(node, InlineFragmentNode):
            waiting.extend(node.selection_set.selections)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
            seen.add(node.name.value)
            fragment = fragments.get(node.name.value)
            waiting.extend(fragment.selection_set.selections if fragment else ())
    return fields
