"""A FastMCP server for which another authorization server gives out tokens:
RemoteAuthProvider, over JWTVerifier on that server's keys.

usage: python fastmcp_remote.py --addr localhost:PORT --url URL --issuer URL
"""

import argparse

import httpx2
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token

parser = argparse.ArgumentParser()
for name in ("addr", "url", "issuer"):
    parser.add_argument("--" + name, required=True)
args = parser.parse_args()
host, port = args.addr.split(":")
metadata = httpx2.get(f"{args.issuer}/.well-known/openid-configuration").raise_for_status().json()

verifier = JWTVerifier(
    jwks_uri=metadata["jwks_uri"],
    issuer=args.issuer,
    audience=f"{args.url}/mcp",
    required_scopes=["mcp:read"],
)
auth = RemoteAuthProvider(token_verifier=verifier, authorization_servers=[args.issuer], base_url=args.url)
mcp = FastMCP("FastMCP", auth=auth)


@mcp.tool
def add(a: int, b: int) -> int:
    """adds two numbers"""
    return a + b


@mcp.tool
def user() -> str:
    """says who is logged in"""
    return get_access_token().claims["preferred_username"]


mcp.run(transport="http", host=host, port=int(port), show_banner=False)
