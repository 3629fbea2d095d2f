"""The MCP side of openai-agents: a bearer token, and no login."""

import steps
from agents.mcp import MCPServerStreamableHttp


class Driven:
    def __init__(self, server):
        self.server = server

    async def tools(self):
        return ", ".join(tool.name for tool in await self.server.list_tools())

    async def call(self, name, arguments):
        result = await self.server.call_tool(name, arguments)
        return ("error: " if result.is_error else "") + " ".join(c.text for c in result.content)

    async def prompt(self, name, arguments):
        return " ".join(m.content.text for m in (await self.server.get_prompt(name, arguments)).messages)


async def main():
    headers = {"Authorization": f"Bearer {steps.TOKEN}"}
    async with MCPServerStreamableHttp({"url": steps.URL, "headers": headers}, client_session_timeout_seconds=30) as server:
        await steps.run(Driven(server))


steps.main(main())
