"""A headless Chromium steered over its DevTools protocol: real pointer and keyboard events, and every error it sees."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

CHROMIUM = shutil.which("chromium")


async def _connect(address: str) -> WebSocketClientConnection:
    return await websocket_connect(address, max_message_size=100_000_000)


class Page:
    """An open page; a context manager.

    Attributes:
        errors: what went wrong in it: exceptions, errors on the console, and anything it asked the network for.
    """

    def __init__(self, path: Path, profile: Path, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        self.errors: list[str] = []
        self._number = 0
        self._loop = asyncio.new_event_loop()
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        self._process = subprocess.Popen(
            [str(CHROMIUM), *arguments, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"],
            stderr=subprocess.DEVNULL,
        )
        port = self._wait(profile / "DevToolsActivePort").splitlines()
        self._socket = self._loop.run_until_complete(_connect(f"ws://127.0.0.1:{port[0]}{port[1]}"))
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.until("document.readyState === 'complete'")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if hasattr(self, "_session"):
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

    def point(self, x: float, y: float, click: bool = False) -> None:
        """Move the pointer to a place in the window, and press it there."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased") if click else ():
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str, code: int) -> None:
        """Press a key on what has the focus."""
        text = "\r" if key == "Enter" else ""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    def picture(self, path: Path) -> None:
        """Save the whole page as a PNG."""
        content = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(content))

    def __enter__(self) -> "Page":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(20)
        self._loop.close()

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
                self.errors.append(f"asked for {parameters['request']['url']}")

    def _wait(self, path: Path) -> str:
        end = time.monotonic() + 60
        while not path.exists() or len(path.read_text().splitlines()) < 2:
            assert time.monotonic() < end, "chromium did not start"
            assert self._process.poll() is None, "chromium ended"
            time.sleep(0.1)
        return path.read_text()
