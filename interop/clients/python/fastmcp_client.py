"""FastMCP, which brings the callback server and opens the browser itself."""

import os
import time

import steps
from fastmcp import Client
from fastmcp.client.auth import OAuth

# Python's webbrowser waits for a $BROWSER without an ampersand, and FastMCP
# starts its callback server only afterwards.
os.environ["BROWSER"] += " %s &"


class Driven:
    def __init__(self, client, oauth):
        self.client, self.oauth = client, oauth

    async def tools(self):
        return ", ".join(tool.name for tool in await self.client.list_tools())

    async def call(self, name, arguments):
        return " ".join(c.text for c in (await self.client.call_tool(name, arguments)).content)

    async def prompt(self, name, arguments):
        return " ".join(m.content.text for m in (await self.client.get_prompt(name, arguments)).messages)

    async def expire(self):
        self.oauth.context.token_expiry_time = time.time() - 1


async def main():
    method = {"token_endpoint_auth_method": "client_secret_post"}
    oauth = OAuth(
        callback_port=int(os.environ.get("CALLBACK_PORT", "0")) or None,
        additional_client_metadata=method if steps.REGISTRATION == "client_secret_post" else None,
        client_metadata_url=steps.DOCUMENT,
    )
    mode = {"2026-07-28": "auto", "2025-11-25": "legacy"}[steps.REVISION]
    auth = steps.TOKEN if steps.REGISTRATION == "bearer" else oauth
    async with Client(steps.URL, auth=auth, mode=mode) as client:
        await steps.run(Driven(client, oauth))


steps.main(main())
