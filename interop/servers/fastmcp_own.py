"""A FastMCP server that is its own authorization server, with FastMCP's
InMemoryOAuthProvider: it lets everybody in without a page.

usage: python fastmcp_own.py --addr localhost:PORT --url URL
"""

import argparse

from fastmcp import FastMCP
from fastmcp.server.auth.auth import ClientRegistrationOptions, RevocationOptions
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider

parser = argparse.ArgumentParser()
for name in ("addr", "url"):
    parser.add_argument("--" + name, required=True)
args = parser.parse_args()
host, port = args.addr.split(":")

auth = InMemoryOAuthProvider(
    base_url=args.url,
    client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=["user"], default_scopes=["user"]),
    revocation_options=RevocationOptions(enabled=True),
    required_scopes=["user"],
)
mcp = FastMCP("FastMCP", auth=auth)


@mcp.tool
def add(a: int, b: int) -> int:
    """adds two numbers"""
    return a + b


mcp.run(transport="http", host=host, port=int(port), show_banner=False)
