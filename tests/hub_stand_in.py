"""A local stand-in for the Hugging Face Hub that answers the requests its client makes to download a data set."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves ``root`` as data set ``Geo2425/MMN``, records all requests, and fails on request."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.requests: list[tuple[str, str, str | None]] = []  # method, file, range
        self.drop_once: set[str] = set()  # files whose first response is cut off after two thirds
        self.stall: set[str] = set()  # files whose responses hang half way
        self.error: tuple[int, str] | None = None  # status and X-Error-Code of every response

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def asked(self, method: str) -> list[str]:
        """Requested files, in order."""
        return [file for how, file, _ in self.requests if how == method]


class Handler(BaseHTTPRequestHandler):
    """``/datasets/Geo2425/MMN/resolve/REVISION/PATH``, HEAD and GET, ranges."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        hub, (_, _, file) = self.server, self.path.partition("/resolve/")
        revision, _, file = file.partition("/")
        if file:  # the client requests other pages as well
            hub.requests.append((self.command, file, self.headers.get("Range")))
        path = hub.root / file
        if hub.error or revision not in ("main", COMMIT) or not path.is_file():
            status, code = hub.error or (
                404,
                "RevisionNotFound" if revision not in ("main", COMMIT) else "EntryNotFound",
            )
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = path.read_bytes()
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if self.headers.get("Range") else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        if self.headers.get("Range"):
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if not body:
            return
        if file in hub.drop_once:
            hub.drop_once.remove(file)
            self.wfile.write(content[start : 2 * len(content) // 3])
            self.close_connection = True
        elif file in hub.stall:
            self.wfile.write(content[start : len(content) // 2])
            self.wfile.flush()
            time.sleep(60)
        else:
            self.wfile.write(content[start:])


@contextmanager
def serving(root: Path) -> Iterator[Hub]:
    """Run a hub within the block."""
    hub = Hub(root)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
