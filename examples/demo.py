"""Start a Cairn of its own on this machine, run the examples against it with the stock MLflow client, show
what they left there, and go on serving until Ctrl-C. With DEMO_EXIT=1 in the environment it ends by itself.

Nothing here is Cairn's but the server's command: the examples know MLFLOW_TRACKING_URI alone.
"""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
CAIRN = Path(sys.executable).with_name("cairn")
STEPS = {
    "train_classifier.py": "scikit-learn with autolog, a dataset, a figure, the model loaded back",
    "search_hyperparameters.py": "a parent run with twelve children, a search for the best",
    "train_epochs.py": "metrics by epoch, a logged model that predicts",
}


def main() -> int:
    server, uri = start_server()
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
        print(f"\nTracking URI: {uri}\nTry one yourself:")
        print(f"  MLFLOW_TRACKING_URI={uri} {sys.executable} {HERE / 'train_epochs.py'}", flush=True)
        if os.environ.get("DEMO_EXIT") != "1":
            print("\nServing until Ctrl-C; the demo's data goes with it.", flush=True)
            return server.wait()
        return 0
    except KeyboardInterrupt:
        return 0
    finally:
        stop_server(server)


def start_server() -> tuple["subprocess.Popen[str]", str]:
    """A Cairn on a free port with throw-away data, and its tracking URI."""
    server = subprocess.Popen(
        [CAIRN, "local", "--ephemeral", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    for line in server.stdout:
        found = re.search(r"MLFLOW_TRACKING_URI=(\S+)", line)
        if found:
            threading.Thread(target=drain, args=[server.stdout], daemon=True).start()
            print(f"Cairn serves {found[1]}\n", flush=True)
            return server, found[1]
    raise SystemExit(server.wait() or 1)


def drain(output: IO[str]) -> None:
    """Read what the server still prints: a full pipe would stop it."""
    for _ in output:
        pass


def run_example(script: str, uri: str) -> bool:
    """Run it and show what it prints; its warnings and MLflow's notes only where it failed."""
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # they lead to a web UI that is not there yet
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
