"""``python -m bench``: compare Cairn with MLflow's own server and write docs/benchmarks.md."""

import argparse
import signal
import tempfile
from pathlib import Path
from typing import NoReturn

from bench import cpu, plan, report
from bench.runner import Result
from bench.servers import both

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny numbers: proves that it works")
    parser.add_argument("--output", type=Path, help="where the report goes (default: docs/benchmarks.md)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    size = plan.QUICK if options.quick else plan.FULL
    output: Path | None = options.output or (None if options.quick else DOCUMENT)

    times = []
    for each in cpu.measure(quick=options.quick):
        times.append(each)
        print(
            f"{each.name}, {each.engine}: {each.median:.2f} ms of CPU (budget {each.budget:g})", flush=True
        )
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as folder, both(Path(folder)) as servers:
        for result in plan.measure(servers, size, say=lambda text: print(text, flush=True)):
            results.append(result)
            print(report.row(result), flush=True)
    started = (servers[0].started, servers[1].started)
    if output is not None:
        output.write_text(report.document(results, times, started))
    print(f"{len(results)} workloads, all answers right and equal on both sides")


def _leave(*_: object) -> NoReturn:
    """The servers are stopped on the way out."""
    raise SystemExit(1)


if __name__ == "__main__":
    main()
