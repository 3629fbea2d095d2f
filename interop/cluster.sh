#!/usr/bin/env bash
# Two Keycloak nodes on one PostgreSQL, three step 10's, and HAProxy in front of all
# (interop/cluster.cfg), on loopback. Honest clients call, refresh and log in while one
# step 10 and one Keycloak are killed (kill -9) and come back. What was lost is recorded
# in internal/tutorial/cluster/cluster.json, for docs/production.md.
#
# It needs HAProxy and PostgreSQL (Debian: apt-get install haproxy postgresql), Java 21,
# and for Keycloak what scripts/keycloak.sh needs. With CLUSTER_KEYCLOAK it takes the
# folder of a Keycloak that was built as below.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=SCRIPTDIR/../scripts/servers.sh
. scripts/servers.sh

die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 1
}
PATH=$PATH:/usr/sbin
postgres=$(printf '%s\n' /usr/lib/postgresql/*/bin | tail -n 1)
absent=$(missing go curl jq ps haproxy envsubst "$postgres/initdb")
[[ -z $absent ]] || die "not installed, but needed:$absent"

work=$(mktemp -d)
chmod 755 "$work"
declare -A pids=()
clean_up() {
  local name
  for name in load haproxy one two three node1 node2 postgres; do
    [[ ${pids[$name]-} ]] || continue
    if [[ $name == postgres ]]; then kill -INT "${pids[$name]}" 2>/dev/null || true; else kill "${pids[$name]}" 2>/dev/null || true; fi
    wait "${pids[$name]}" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# begin NAME COMMAND... starts a part, with what begin has as standard input.
begin() {
  "${@:2}" <&0 >>"$work/$1.log" 2>&1 7>&- &
  pids[$1]=$!
}

# within SECONDS NAME COMMAND... waits until a command succeeds, while NAME runs.
within() {
  local deadline=$((SECONDS + $1)) name=$2
  shift 2
  until "$@" >"$work/within" 2>&1; do
    kill -0 "${pids[$name]}" 2>/dev/null || die "$name ended: $(tail -n 5 "$work/$name.log")"
    ((SECONDS < deadline)) || die "$name took too long: $(tail -n 5 "$work/$name.log")"
    sleep 0.5
  done
}

# kill_nine NAME URL kills a part as a crash does, and sees that it is gone: nobody answers
# at its URL. kc.sh is a shell whose child is Keycloak, so the children go first.
kill_nine() {
  local children
  children=$(ps -o pid= --ppid "${pids[$1]}") || true
  # shellcheck disable=SC2086 # one word each
  kill -9 $children "${pids[$1]}"
  wait "${pids[$1]}" 2>/dev/null || true
  ! curl -s --max-time 5 -o "$work/within" "$2" || die "$1 was killed, and still answers at $2"
}

declare -A port=()
for name in database keycloak node1 node2 health1 health2 group1 group2 mcp bare one two three; do port[$name]=$(free_port); done

# PostgreSQL does not run as root.
as_postgres() { if [[ $EUID == 0 ]]; then setpriv --reuid postgres --regid postgres --init-groups "$@"; else "$@"; fi; }
mkdir "$work/database"
[[ $EUID != 0 ]] || chown postgres "$work/database"
(cd "$work" && as_postgres "$postgres/initdb" -D "$work/database" -U keycloak --auth=trust) >"$work/initdb.log" 2>&1 ||
  die "initdb fails: $(tail -n 5 "$work/initdb.log")"
if [[ $EUID == 0 ]]; then run=(setpriv --reuid postgres --regid postgres --init-groups); else run=(); fi
begin postgres "${run[@]}" "$postgres/postgres" -D "$work/database" -p "${port[database]}" -h 127.0.0.1 -k "$work/database"
within 60 postgres "$postgres/pg_isready" -h 127.0.0.1 -p "${port[database]}" -U keycloak
"$postgres/createdb" -h 127.0.0.1 -p "${port[database]}" -U keycloak keycloak

# Keycloak for PostgreSQL. Its other settings are the defaults: --cache=ispn, whose nodes
# find one another by the database (jdbc-ping), and sessions that are kept in it.
JAVA_HOME=$(bash scripts/keycloak.sh java)
export JAVA_HOME
keycloak=${CLUSTER_KEYCLOAK:-$work/keycloak-server}
if [[ -z ${CLUSTER_KEYCLOAK-} ]]; then
  cp -r "$(bash scripts/keycloak.sh home)" "$keycloak"
  "$keycloak/bin/kc.sh" build --db=postgres --health-enabled=true --features=resource-indicators >"$work/build.log" 2>&1 ||
    die "Keycloak can't be built: $(tail -n 5 "$work/build.log")"
fi
export KC_BOOTSTRAP_ADMIN_USERNAME=admin KC_BOOTSTRAP_ADMIN_PASSWORD=admin JAVA_OPTS_KC_HEAP='-Xms256m -Xmx1g'

# node NUMBER starts a node of Keycloak.
node() {
  begin "node$1" "$keycloak/bin/kc.sh" start --optimized \
    --db-url="jdbc:postgresql://127.0.0.1:${port[database]}/keycloak" --db-username=keycloak --db-password=unused \
    --hostname="http://localhost:${port[keycloak]}" --proxy-headers=xforwarded --http-enabled=true \
    --http-host=127.0.0.1 --http-port="${port[node$1]}" \
    --http-management-host=127.0.0.1 --http-management-port="${port[health$1]}" \
    --cache-embedded-network-bind-address=127.0.0.1 --cache-embedded-network-bind-port="${port[group$1]}"
}
node_ready() { within 600 "node$1" curl -sf "http://127.0.0.1:${port[health$1]}/health/ready"; }

KEYCLOAK=${port[keycloak]} NODE1=${port[node1]} NODE2=${port[node2]} \
  MCP=${port[mcp]} BARE=${port[bare]} ONE=${port[one]} TWO=${port[two]} THREE=${port[three]} \
  envsubst <interop/cluster.cfg >"$work/haproxy.cfg"
# The first node makes the tables.
node 1
node_ready 1
node 2
node_ready 2
begin haproxy haproxy -db -f "$work/haproxy.cfg"

go build -o "$work/" ./cmd/step9 ./cmd/step10 ./interop/cluster || die "a program does not build"
url=http://localhost:${port[mcp]} base=http://localhost:${port[keycloak]}
within 60 haproxy curl -sf "$base/realms/master"
MCP_RESOURCE=$url/mcp KEYCLOAK_URL=$base "$work/step9" --provider keycloak -resource "$url/mcp" >"$work/step9.log" 2>&1 ||
  die "the realm can't be made: $(tail -n 3 "$work/step9.log")"

# instance NAME starts a step 10.
instance() {
  begin "$1" env -C "$work" JWT_ISSUER="$base/realms/mcp-realm" JWT_DIALECT=keycloak \
    "$work/step10" -addr "localhost:${port[$1]}" -url "$url" -log json
}
instance_ready() { within 60 "$1" curl -sf "http://localhost:${port[$1]}/readyz"; }
for name in one two three; do instance "$name"; done
for name in one two three; do instance_ready "$name"; done
within 60 haproxy curl -sf "$url/health"
sleep 3 # until the proxy has seen all of them

mkfifo "$work/phases"
exec 7<>"$work/phases" # so that nobody waits for the other end
machine="$(date -u +%Y-%m-%d), with $(nproc) processors for all of it, and a load of $(cut -d' ' -f1 /proc/loadavg) before it began.${CLUSTER_NOTE:+ $CLUSTER_NOTE}"
begin load "$work/cluster" -mcp "$url/mcp" -bare "http://localhost:${port[bare]}/mcp" -issuer "$base/realms/mcp-realm" -machine "$machine" <"$work/phases"
phase() {
  kill -0 "${pids[load]}" 2>/dev/null || die "the load ended: $(tail -n 5 "$work/load.log")"
  printf '%s\n' "$1" >&7
  printf '%3d s  %s\n' "$SECONDS" "$1"
}
phase "all run"
sleep 15
phase "one of three step 10's is killed, and away"
kill_nine two "http://localhost:${port[two]}/livez"
sleep 10
phase "it comes back"
instance two
instance_ready two
sleep 10
phase "one of two Keycloak nodes is killed, and away"
kill_nine node1 "http://127.0.0.1:${port[health1]}/health/live"
sleep 20
phase "it comes back"
node 1
node_ready 1
sleep 15
exec 7>&-
wait "${pids[load]}" || die "the load failed: $(tail -n 5 "$work/load.log")"
unset 'pids[load]'
cat "$work/load.log"
