"""Names for what is created without one: ``adjective-noun-number``, as MLflow's are built."""

from cairn.ids import RandomBits

_ADJECTIVES = tuple(
    """
    able agile amber ancient ardent autumn azure balmy blithe bold brave bright brisk calm candid clear
    clever coastal cosmic crisp curious daring dapper deep eager early easy fair fine fleet fond frank
    fresh gentle glad golden grand green hardy hazy hidden humble icy jolly keen kind lively lucid lucky
    mellow mighty misty modest mossy nimble noble olive open placid plucky polite proud quick quiet
    rapid rare rocky rosy rustic serene sharp shy silent silver sleek smart snowy solid spry stately
    steady stoic sunny swift tidy tranquil upbeat vivid warm wise witty young zesty
    """.split()  # noqa: SIM905 -- a list of a hundred lines says no more
)
_NOUNS = tuple(
    """
    alder arch aspen badger basin bay beacon bear birch bison bluff boulder brook canyon cape cedar
    cliff cloud coast cove crane creek crest deer delta dune eagle elk elm falcon fern field finch fjord
    forest fox glacier glade gorge grove gull harbor hare hawk hazel heath heron hill ibex island ivy
    jay juniper lagoon lake lark ledge lichen lynx maple marmot marsh meadow mesa moor moose moss oak
    orca osprey otter owl pass path peak pebble pine plateau pond puffin raven reef ridge river rock
    sable salmon seal shore slate spruce stag stone stork stream summit swan tarn thrush tide trail vale
    valley willow wolf wren
    """.split()  # noqa: SIM905 -- a list of a hundred lines says no more
)


def random_name(bits: RandomBits) -> str:
    """A name such as ``steady-heron-412``."""
    adjective = _ADJECTIVES[bits(32) % len(_ADJECTIVES)]
    noun = _NOUNS[bits(32) % len(_NOUNS)]
    return f"{adjective}-{noun}-{bits(32) % 1000}"
