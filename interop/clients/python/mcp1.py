"""The Python SDK, 1.x, with its login."""

import time

import httpx
import steps
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

browser = steps.Browser()


async def answer():
    got = await browser.wait()
    return got["code"], got.get("state")


oauth = OAuthClientProvider(
    steps.URL,
    steps.metadata(OAuthClientMetadata),
    steps.Storage(),
    browser.open,
    answer,
    client_metadata_url=steps.DOCUMENT,
)


class Driven:
    def __init__(self, session):
        self.session = session

    async def tools(self):
        return ", ".join(tool.name for tool in (await self.session.list_tools()).tools)

    async def call(self, name, arguments):
        result = await self.session.call_tool(name, arguments)
        return ("error: " if result.isError else "") + " ".join(c.text for c in result.content)

    async def prompt(self, name, arguments):
        return " ".join(m.content.text for m in (await self.session.get_prompt(name, arguments)).messages)

    async def expire(self):
        oauth.context.token_expiry_time = time.time() - 1


async def main():
    if steps.REGISTRATION == "bearer":
        http = httpx.AsyncClient(headers={"Authorization": f"Bearer {steps.TOKEN}"})
    else:
        http = httpx.AsyncClient(auth=oauth, timeout=60)
    async with (
        http,
        streamable_http_client(steps.URL, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        await steps.run(Driven(session))


steps.main(main())
