"""The Python SDK, 2.x."""

import time

import httpx2
import steps
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

browser = steps.Browser()


async def answer():
    got = await browser.wait()
    return AuthorizationCodeResult(code=got["code"], state=got.get("state"), iss=got.get("iss"))


oauth = OAuthClientProvider(
    steps.URL,
    steps.metadata(OAuthClientMetadata),
    steps.Storage(),
    browser.open,
    answer,
    client_metadata_url=steps.DOCUMENT,
)


class Driven:
    def __init__(self, client):
        self.client = client

    async def tools(self):
        return ", ".join(tool.name for tool in (await self.client.list_tools()).tools)

    async def call(self, name, arguments):
        result = await self.client.call_tool(name, arguments)
        return ("error: " if result.is_error else "") + " ".join(c.text for c in result.content)

    async def prompt(self, name, arguments):
        return " ".join(m.content.text for m in (await self.client.get_prompt(name, arguments)).messages)

    async def expire(self):
        oauth.context.token_expiry_time = time.time() - 1


async def main():
    if steps.REGISTRATION == "bearer":
        http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {steps.TOKEN}"})
    else:
        http = httpx2.AsyncClient(auth=oauth, timeout=60)
    mode = {"2026-07-28": "auto", "2025-11-25": "legacy"}[steps.REVISION]
    async with http, Client(streamable_http_client(steps.URL, http_client=http), mode=mode) as client:
        if client.protocol_version != steps.REVISION:
            raise RuntimeError(f"it speaks {client.protocol_version}")
        await steps.run(Driven(client))


steps.main(main())
