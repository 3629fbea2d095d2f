"""LangChain's MCP adapters: a bearer token, and no login."""

import steps
from langchain_mcp_adapters.client import MultiServerMCPClient


class Driven:
    def __init__(self, client):
        self.client = client

    async def tools(self):
        self.known = {tool.name: tool for tool in await self.client.get_tools()}
        return ", ".join(self.known)

    async def call(self, name, arguments):
        if name not in self.known:  # audit isn't listed, and LangChain calls what is
            return await self.unlisted(name, arguments)
        message = await self.known[name].ainvoke({"name": name, "args": arguments, "id": "1", "type": "tool_call"})
        return ("error: " if message.status == "error" else "") + str(message.content)

    async def unlisted(self, name, arguments):
        async with self.client.session("it") as session:
            result = await session.call_tool(name, arguments)
            return ("error: " if result.isError else "") + " ".join(c.text for c in result.content)

    async def prompt(self, name, arguments):
        return " ".join(m.content for m in await self.client.get_prompt("it", name, arguments=arguments))


async def main():
    headers = {"Authorization": f"Bearer {steps.TOKEN}"}
    connection = {"transport": "streamable_http", "url": steps.URL, "headers": headers}
    await steps.run(Driven(MultiServerMCPClient({"it": connection})))


steps.main(main())
