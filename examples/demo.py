"""Start a Cairn of its own on this machine, run the examples against it with the stock MLflow client, show
what they left there and the event of the model that became champion, and go on serving until Ctrl-C. With
DEMO_EXIT=1 in the environment it ends by itself.

Nothing here is Cairn's but the server's command: the examples know MLFLOW_TRACKING_URI alone.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
CAIRN = Path(sys.executable).with_name("cairn")
STEPS = {
    "train_classifier.py": "scikit-learn with autolog, a dataset, a figure, the model as @champion",
    "search_hyperparameters.py": "a parent run with twelve children, a search for the best",
    "train_epochs.py": "metrics by epoch, a logged model that predicts",
}

EVENT_WITHIN_S = 10
"""The server looks for what to tell four times a second, and no request waits for it."""


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the server ends with the demo
    with tempfile.TemporaryDirectory(prefix="cairn-demo-") as folder:
        return demonstrate(Path(folder) / "events.jsonl")


def demonstrate(events: Path) -> int:
    """The server appends its events to the file ``events``."""
    printing = threading.Event()
    server, uri = start_server(events, printing)
    try:
        for number, (script, what) in enumerate(STEPS.items(), start=1):
            print(f"[{number}/{len(STEPS)}] {script}: {what} ...", flush=True)
            began = time.monotonic()
            if not run_example(script, uri):
                return 1
            print(f"      {time.monotonic() - began:.0f} s\n", flush=True)
        print("What the tracking server holds now:\n", flush=True)
        if not run_example("summary.py", uri):
            return 1
        event = await_event(events, "Model Alias Set")
        if event is None:
            print(f"no event of the alias within {EVENT_WITHIN_S} s", file=sys.stderr, flush=True)
            return 1
        print("\nThe event of @champion, as a rule on the deployed bus gets it:\n")
        print(json.dumps(event, indent=2), flush=True)
        print(f"\nLook around: {uri}/cairn\nTracking URI: {uri}\nTry one yourself:")
        print(f"  MLFLOW_TRACKING_URI={uri} {sys.executable} {HERE / 'train_epochs.py'}", flush=True)
        if os.environ.get("DEMO_EXIT") != "1":
            print("\nServing until Ctrl-C; the demo's data goes with it. Events as they come:", flush=True)
            printing.set()
            return server.wait()
        return 0
    except KeyboardInterrupt:
        return 0
    finally:
        stop_server(server)


def start_server(events: Path, printing: threading.Event) -> tuple["subprocess.Popen[str]", str]:
    """A Cairn on a free port with throw-away data, and its tracking URI. What it says is printed once
    ``printing`` is set."""
    server = subprocess.Popen(
        [CAIRN, "local", "--ephemeral", "--port", "0", "--events", events],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    for line in server.stdout:
        found = re.search(r"MLFLOW_TRACKING_URI=(\S+)", line)
        if found:
            threading.Thread(target=drain, args=[server.stdout, printing], daemon=True).start()
            print(f"Cairn serves {found[1]}\n", flush=True)
            return server, found[1]
    raise SystemExit(server.wait() or 1)


def drain(output: IO[str], printing: threading.Event) -> None:
    """Read what the server still prints: a full pipe would stop it."""
    for line in output:
        if printing.is_set():
            print(f"  {line}", end="", flush=True)


def await_event(file: Path, type_: str) -> dict[str, Any] | None:
    """The first event of a type in ``file``: a line of JSON each, the last of which may be half-written."""
    end = time.monotonic() + EVENT_WITHIN_S
    while time.monotonic() < end:
        for line in file.read_text().splitlines(keepends=True):
            event: dict[str, Any] = json.loads(line) if line.endswith("\n") else {}
            if event.get("detail-type") == type_:
                return event
        time.sleep(0.1)
    return None


def run_example(script: str, uri: str) -> bool:
    """Run it and show what it prints; its warnings and MLflow's notes only where it failed."""
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # the summary has the links
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        [sys.executable, HERE / script], env=environment, capture_output=True, text=True, check=False
    )
    for line in done.stdout.splitlines():
        print(f"      {line}", flush=True)
    if done.returncode != 0:
        print(f"{script} failed:\n{done.stderr}", file=sys.stderr, flush=True)
    return done.returncode == 0


def stop_server(server: "subprocess.Popen[str]") -> None:
    server.terminate()
    try:
        server.wait(timeout=15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
