#!/usr/bin/env bash
# Installs MCP Inspector and the conformance suite into interop/node_modules, as
# package-lock.json says. Does nothing when that is done already.
#
# Both need a newer Node.js than many systems have. Where npm has one as a
# package (Linux on x64), it is used, so that every machine runs the same one;
# elsewhere the system's own is. Either way it is node_modules/.bin/node.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() {
  echo "interop/install.sh: $1" >&2
  exit 1
}

# The mark is written last, so an installation that broke off doesn't count.
mark=node_modules/.installed
cmp -s package-lock.json "$mark" && exit

command -v npm >/dev/null || fail "npm is missing; install Node.js, which brings it"
npm ci --loglevel=error >&2 ||
  fail "npm ci failed; its message is above"

node=node_modules/.bin/node
[[ -x $node ]] || ln -s "$(command -v node)" "$node"
"$node" -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 22 || (major === 22 && minor >= 19) ? 0 : 1);
' || fail "Node.js 22.19 or later is needed, and $("$node" --version || echo none that runs) was found"
cp package-lock.json "$mark"
