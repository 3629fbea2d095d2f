"""A FastMCP server with one tool, echo, and FastMCP's JWT verifier: bench/run times
it for docs/performance.md.

usage: python echo_fastmcp.py --addr localhost:PORT --key FILE --issuer URL --audience URL
"""

import argparse

from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier

parser = argparse.ArgumentParser()
for name in ("addr", "key", "issuer", "audience", "guard"):
    parser.add_argument("--" + name)
args = parser.parse_args()
_, port = args.addr.split(":")

with open(args.key) as file:
    key = file.read()
auth = JWTVerifier(public_key=key, issuer=args.issuer, audience=args.audience, algorithm="RS256", required_scopes=["mcp:tools"])
mcp = FastMCP("FastMCP", auth=auth)


@mcp.tool(output_schema=None)
def echo(message: str) -> str:
    """says it again"""
    return message


mcp.run(
    transport="http", host="127.0.0.1", port=int(port), path="/mcp", stateless_http=True, json_response=True, show_banner=False, log_level="warning",
    uvicorn_config={"access_log": False},
)
