"""How long a function's cold start takes: a new Python imports the handler and answers its first request.

The process sees what Lambda would give it: the function's folder, the two layers (the wheels built for this
machine), and boto3 as the runtime's. DynamoDB is a server of this process that knows no item, so the
request is signed, sent and parsed. ``python -m bench.cold_start`` prints medians over new processes.
"""

import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3

from infra import packages

BUDGET_MS = 400
REQUESTS = {
    "tracking": "/api/2.0/mlflow/experiments/get?experiment_id=0",
    "artifacts": "/api/2.0/mlflow-artifacts/presigned/0/x/model.bin",
}
_SCRIPT = """
import gc, json, sys, time
started, started_cpu = time.perf_counter(), time.process_time()
sys.path[:0] = json.loads(sys.argv[1])
sys.path.append(sys.argv[2])
import handler
imported = time.perf_counter()
class Context:
    function_name = invoked_function_arn = aws_request_id = log_stream_name = "bench"
    memory_limit_in_mb = 1024
path, _, query = sys.argv[3].partition("?")
event = {"httpMethod": "GET", "path": path, "headers": {}, "body": None, "isBase64Encoded": False,
         "queryStringParameters": dict(p.split("=") for p in query.split("&")) if query else None,
         "resource": "/{proxy+}",
         "requestContext": {"requestId": "bench", "resourcePath": "/{proxy+}", "identity": {
             "accountId": "111111111111", "userArn": "arn:aws:iam::111111111111:user/bench"}}}
answer = handler.handler(event, Context())
done, done_cpu = time.perf_counter(), time.process_time()
warm = handler.handler(event, Context())
again = time.perf_counter()
print(json.dumps({"import_ms": (imported - started) * 1e3, "first_ms": (done - imported) * 1e3,
                  "warm_ms": (again - done) * 1e3, "cpu_ms": (done_cpu - started_cpu) * 1e3,
                  "status": answer["statusCode"], "collects": gc.isenabled(),
                  "modules": sorted(sys.modules)}))
"""


class _NoItems(BaseHTTPRequestHandler):
    """DynamoDB and S3 without any item."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: else the client's delayed acknowledgement is measured, 40 ms

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b'{"Items": [], "Count": 0, "ScannedCount": 0}')

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Silence: the report is what is printed."""


@contextmanager
def no_items() -> Iterator[str]:
    """The URL of an endpoint without items, until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _NoItems)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def cold_start(function: str, endpoint: str) -> dict[str, object]:
    """One new process: milliseconds of import, first and second request, CPU; status; whether garbage is
    collected by then; modules."""
    layers = (packages.dependencies(packages.HOST), packages.core(packages.HOST))
    paths = [packages.FUNCTIONS / function, *(layer.path / "python" for layer in layers)]
    runtime = Path(boto3.__file__).parent.parent
    environment = {
        "CAIRN_TABLE": "table",
        "CAIRN_BUCKET": "bucket",
        "CAIRN_ACCOUNT": "111111111111",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": endpoint,
        "POWERTOOLS_SERVICE_NAME": f"cairn-{function}",
        "POWERTOOLS_METRICS_NAMESPACE": "Cairn",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
    }
    command = [sys.executable, "-S", "-c", _SCRIPT, json.dumps([str(path) for path in paths])]
    ended = subprocess.run(
        [*command, str(runtime), REQUESTS[function]],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    measured: dict[str, object] = json.loads(ended.stdout.splitlines()[-1])
    return measured


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Milliseconds, each the median over new processes; ``total`` is import and first request."""

    function: str
    imports: float
    first: float
    total: float
    cpu: float
    warm: float


def measure(rounds: int) -> Iterator[ColdStart]:
    """Every function, in so many new processes each."""
    with no_items() as endpoint:
        for function in REQUESTS:
            cold_start(function, endpoint)  # compiles what was never imported before
            runs = [cold_start(function, endpoint) for _ in range(rounds)]
            times = [
                {name: float(str(run[name])) for name in ("import_ms", "first_ms", "cpu_ms", "warm_ms")}
                for run in runs
            ]
            yield ColdStart(
                function,
                statistics.median(each["import_ms"] for each in times),
                statistics.median(each["first_ms"] for each in times),
                statistics.median(each["import_ms"] + each["first_ms"] for each in times),
                statistics.median(each["cpu_ms"] for each in times),
                statistics.median(each["warm_ms"] for each in times),
            )


def main(rounds: int = 15) -> None:
    for each in measure(rounds):
        print(
            f"{each.function}: import {each.imports:.0f} ms + first request {each.first:.0f} ms"
            f" = {each.total:.0f} ms (budget {BUDGET_MS} ms), of it CPU {each.cpu:.0f} ms;"
            f" warm {each.warm:.1f} ms"
        )


if __name__ == "__main__":
    main()
