"""A headless Chromium controlled over its DevTools protocol: real pointer and keyboard events, and all errors."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

CHROMIUM = shutil.which("chromium")


@contextmanager
def open_page(path: Path, profile: Path, width: int = 1200, height: int = 900, dark: bool = False) -> Iterator["Page"]:
    """Open a page in a new browser with a window of this size; ``profile`` is an empty folder for the browser."""
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "about:blank"]
    process = subprocess.Popen([str(CHROMIUM), f"--user-data-dir={profile}", *arguments], stderr=subprocess.DEVNULL)
    loop = asyncio.new_event_loop()
    try:
        page = Page(loop, loop.run_until_complete(_connect(profile / "DevToolsActivePort")))
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        page.call("Page.navigate", url=path.resolve().as_uri())
        page.until("document.readyState === 'complete'")
        yield page
    finally:
        process.kill()
        process.wait()
        loop.close()


async def _connect(announced: Path) -> WebSocketClientConnection:
    for _ in range(600):  # a minute
        lines = announced.read_text().splitlines() if announced.exists() else []
        if len(lines) == 2:
            return await websocket_connect(f"ws://127.0.0.1:{lines[0]}{lines[1]}", max_message_size=100_000_000)
        await asyncio.sleep(0.1)
    raise AssertionError("chromium did not start")


class Page:
    """An open page.

    Attributes:
        errors: exceptions, console errors, and network requests, which a page should not make.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: WebSocketClientConnection) -> None:
        self.errors: list[str] = []
        self._loop, self._socket, self._number = loop, socket, 0
        self._session: str | None = None
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a protocol command and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        answer = self._loop.run_until_complete(asyncio.wait_for(self._ask(message), 60))
        assert "error" not in answer, answer
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression: str, seconds: float = 30) -> None:
        """Wait for a JavaScript expression to be true."""
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"never became true: {expression}"
            time.sleep(0.1)

    def point(self, x: float, y: float) -> None:
        """Move the pointer to a place in the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key: str, code: int) -> None:
        """Press a key on the focused element."""
        text = "\r" if key == "Enter" else ""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        await self._socket.write_message(json.dumps(message))
        while True:
            text = await self._socket.read_message()
            assert text is not None, "chromium closed the connection"
            answer = json.loads(text)
            if answer.get("id") == message["id"]:
                return answer
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.errors.append(parameters["exceptionDetails"]["text"])
            case "Runtime.consoleAPICalled" if parameters["type"] == "error":
                self.errors.append(str(parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.errors.append(parameters["entry"]["text"])
            case "Network.requestWillBeSent" if not parameters["request"]["url"].startswith(
                ("file:", "data:", "blob:")
            ):
                self.errors.append(f"requested {parameters['request']['url']}")
