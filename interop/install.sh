#!/usr/bin/env bash
# Installs the clients and servers that are not ours: those of npm into
# node_modules, as package-lock.json says; those of Python into venv, as
# requirements.txt says, and into venv-mcp1, as requirements-mcp1.txt says,
# because versions 1 and 2 of the MCP SDK can't be in one place. The three run at
# the same time, and each does nothing when it is done already.
#
# Some need a newer Node.js than many systems have. Where npm has one as a
# package (Linux on x64), it is used, so that every machine runs the same one;
# elsewhere the system's own is. Either way it is node_modules/.bin/node.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() {
  echo "interop/install.sh: $1" >&2
  exit 1
}

# The marks are written last, so an installation that broke off doesn't count.
install_node() {
  local mark=node_modules/.installed node=node_modules/.bin/node
  ! cmp -s package-lock.json "$mark" || return 0
  command -v npm >/dev/null || fail "npm is missing; install Node.js, which brings it"
  npm ci --loglevel=error >&2 || fail "npm ci failed; its message is above"

  [[ -x $node ]] || ln -s "$(command -v node)" "$node"
  "$node" -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 19) ? 0 : 1);
  ' || fail "Node.js 22.19 or later is needed, and $("$node" --version || echo none that runs) was found"
  cp package-lock.json "$mark"
}

# install_python VENV REQUIREMENTS
install_python() {
  local mark=$1/.installed
  ! cmp -s "$2" "$mark" || return 0
  command -v python3 >/dev/null || fail "python3 is missing; install Python 3.11 or later"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or later is needed, and $(python3 --version) was found"
  python3 -m venv --clear "$1" >&2 || fail "python3 -m venv failed; install its package (Debian: apt-get install python3-venv)"
  "$1/bin/pip" install -q --disable-pip-version-check --no-deps -r "$2" >&2 || fail "pip install -r $2 failed; its message is above"
  cp "$2" "$mark"
}

install_node &
node=$!
install_python venv requirements.txt &
venv=$!
install_python venv-mcp1 requirements-mcp1.txt &
venv1=$!
status=0
for one in "$node" "$venv" "$venv1"; do wait "$one" || status=1; done
exit "$status"
