"""What the drivers of Python clients share: the steps, and the browser.

A driver makes a client of its library and hands it to run. What it is told
comes by the environment, which the runner (interop/clients/run) describes; what
it has seen it prints, one JSON object a line.
"""

import asyncio
import json
import os
from urllib.parse import parse_qs, urlsplit

URL = os.environ["MCP_URL"]
REVISION = os.environ["REVISION"]
REGISTRATION = os.environ["REGISTRATION"]  # dynamic, client_secret_post, document or bearer
TOKEN = os.environ.get("TOKEN", "")
DOCUMENT = os.environ.get("DOCUMENT") or None
# What to call in place of the steps, at a server with other tools:
# [[tool, arguments, text of the answer], …].
CALLS = json.loads(os.environ.get("CALLS") or "[]")
REDIRECT = f"http://localhost:{os.environ.get('CALLBACK_PORT', '0')}/callback"


def logins():
    """How often a browser was sent to log in, as interop/login wrote it down."""
    try:
        with open(os.environ["LOGINS"], encoding="utf-8") as file:
            return len(file.readlines())
    except FileNotFoundError:
        return 0


def report(step, ok, says):
    print(json.dumps({"step": step, "ok": ok, "says": says, "logins": logins()}), flush=True)


running = "list"  # the step that runs


def leaves(error):
    """The text of an error, or of all those in a group, as a traceback shows it."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(leaves(e) for e in error.exceptions)
    return f"{type(error).__name__}: {error}"


async def step(name, work, expected):
    global running
    running = name
    try:
        says = await asyncio.wait_for(work, 120)
        report(name, expected in says, says)
    except Exception as error:  # whatever the library raises is the outcome
        report(name, False, leaves(error))


async def refused(work):
    """A refusal is right where the client fails, or shows a result that is an error."""
    global running
    running = "refusal"
    try:
        says = await asyncio.wait_for(work, 120)
        report("refusal", says.startswith("error: "), says)
    except Exception as error:
        report("refusal", True, leaves(error))


async def run(client):
    """Goes through the steps. The client has the methods tools, call and prompt,
    which return text, and expire, which lets its access token expire."""

    for tool, arguments, expected in CALLS:
        await step(tool, client.call(tool, arguments), expected)
    if CALLS:
        return

    def echo():
        return client.call("echo", {"message": "hi", "repeat_count": 2})

    await step("list", client.tools(), "echo")
    await step("echo", echo(), "hihi")
    await step("prompt", client.prompt("greeting", {"name": "Ada"}), "Ada")
    await step("echo again", echo(), "hihi")
    if REGISTRATION != "bearer":
        await client.expire()
        await step("refresh", echo(), "hihi")
    await refused(client.call("audit", {}))


def main(work):
    """Runs a driver. What stops all of it is an outcome too, of the step that it stopped."""
    try:
        asyncio.run(work)
    except BaseException as error:
        report(running, False, leaves(error))


class Browser:
    """The handlers that an application gives to the Python SDK: one opens the
    browser, the other waits for what comes back."""

    async def open(self, url):
        self.answer = asyncio.get_running_loop().create_future()
        port = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0]).port
        self.server = await asyncio.start_server(self.serve, "localhost", port)
        self.process = await asyncio.create_subprocess_exec(os.environ["BROWSER"], url, stdout=2)

    async def serve(self, reader, writer):
        target = (await reader.readline()).split()[1].decode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone")
        await writer.drain()
        writer.close()
        if not self.answer.done():
            self.answer.set_result({k: v[0] for k, v in parse_qs(urlsplit(target).query).items()})

    async def wait(self):
        """Returns the parameters of the callback, or fails when the login fails."""
        ended = asyncio.ensure_future(self.process.wait())
        await asyncio.wait({self.answer, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not self.answer.done() and await ended != 0:
            raise RuntimeError("the login failed")
        answer = await self.answer
        await ended
        self.server.close()
        if "error" in answer:
            raise RuntimeError(f"the authorization server says {answer}")
        return answer


class Storage:
    """Token storage in memory, as the documentation of the Python SDK shows it."""

    def __init__(self):
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def metadata(kind):
    """The metadata with which a client of the Python SDK registers."""
    method = {"token_endpoint_auth_method": "client_secret_post"} if REGISTRATION == "client_secret_post" else {}
    return kind(client_name="Python SDK", redirect_uris=[REDIRECT], **method)
