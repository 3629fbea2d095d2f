"""The MCP side of pydantic-ai: a bearer token, and no login."""

import steps
from pydantic_ai.mcp import MCPToolset


class Driven:
    def __init__(self, toolset):
        self.toolset = toolset

    async def tools(self):
        return ", ".join(tool.name for tool in await self.toolset.list_tools())

    async def call(self, name, arguments):
        return str(await self.toolset.direct_call_tool(name, arguments))

    async def prompt(self, name, arguments):
        return str(await self.toolset.get_prompt(name, arguments))


async def main():
    async with MCPToolset(steps.URL, headers={"Authorization": f"Bearer {steps.TOKEN}"}) as toolset:
        await steps.run(Driven(toolset))


steps.main(main())
