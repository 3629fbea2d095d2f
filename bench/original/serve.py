"""Serves step 8 of the Python original, unchanged, on loopback and where --addr says.
Its own main function takes port 9000 of every interface.

usage: python serve.py --step8 FOLDER --keys FOLDER --addr localhost:PORT
"""

import argparse
import os
import sys

import uvicorn

parser = argparse.ArgumentParser()
for name in ("step8", "keys", "addr"):
    parser.add_argument("--" + name)
args = parser.parse_args()
_, port = args.addr.split(":")

sys.path.insert(0, args.step8)
import step8

os.chdir(args.keys)  # it reads mcp_public_key.pem
uvicorn.run(step8.JWTMCPServer().app, host="127.0.0.1", port=int(port))
