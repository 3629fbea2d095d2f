#!/usr/bin/env bash
# Step 1 as a lesson: what a foreign web page can't do to a server on this
# machine. See --help.
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

lesson 1 'health, and no foreign pages' 'step1' "$@" <<'TEXT'
A server on localhost is not private: every page in your browser can send
requests to it. This step answers GET /health, and refuses requests that a
foreign page made your browser send.
TEXT

serve SERVER 1

scene 'Is it alive?' <<'TEXT'
A program such as curl sends no Origin, because it is not a web page. MCP
clients send none either, so such requests pass, here and at every later step.
TEXT
request "$SERVER/health"
expect_status 200
expect_json . '{"status":"healthy"}'
expect_header Cache-Control no-store

scene 'A page on this machine' <<'TEXT'
A page that you develop on localhost names itself in Origin. Loopback over http
is allowed at any port.
TEXT
request "$SERVER/health" -H 'Origin: http://localhost:5173'
expect_status 200
expect_json .status '"healthy"'

scene 'A foreign page' <<'TEXT'
Now you have http://evil.com open in another tab, and it calls the server. The
browser says who asks, and the server refuses.
TEXT
request "$SERVER/health" -H 'Origin: http://evil.com'
expect_status 403
expect_json .error '"origin_not_allowed"'
expect_no_header Access-Control-Allow-Origin

scene 'Names that begin like localhost' <<'TEXT'
Many servers compare the beginning of an Origin with http://localhost or
http://127.0.0.1. All of these begin that way, and none is this machine: two are
names below evil.com, and what stands before an @ is a user name, not a host.
This server compares the parsed scheme, host and port.
TEXT
request "$SERVER/health" -H 'Origin: http://localhost.evil.com'
expect_status 403
expect_json .error '"origin_not_allowed"'
say 'All four, and what a comparison of beginnings makes of them:'
for origin in http://localhost.evil.com http://127.0.0.1.evil.com \
  http://localhost:3000@evil.com http://127.0.0.1@evil.com; do
  # The mistake, as other servers make it:
  careless=refuses
  if [[ $origin == http://localhost* || $origin == http://127.0.0.1* ]]; then careless=allows; fi
  ask "$SERVER/health" -H "Origin: $origin"
  expect "$origin: comparing beginnings allows it, this server answers 403" 'allows, 403' "$careless, $status"
done

scene 'A page that renames this machine (DNS rebinding)' <<'TEXT'
The owner of evil.com can let its name point to 127.0.0.1, once you have the
page open. To the browser, this server then is evil.com: it may send no Origin
at all, or one that equals the Host. But the Host gives the page away, so the
server answers only to its own names.
TEXT
port=${SERVER##*:}
request "$SERVER/health" -H "Host: evil.com:$port"
expect_status 403
expect_json .error '"host_not_allowed"'
say 'With an Origin that equals the Host, which checks for "same origin" let pass:'
request "$SERVER/health" -H "Host: evil.com:$port" -H "Origin: http://evil.com:$port"
expect_status 403
expect_json .error '"host_not_allowed"'

scene 'An image of a foreign page' <<'TEXT'
For an image or a link, browsers send no Origin. They do say that the request
crosses sites, in Sec-Fetch-Site. What you type into the address bar is "none".
TEXT
request "$SERVER/health" -H 'Sec-Fetch-Site: cross-site'
expect_status 403
expect_json .error '"cross_site_request"'
say 'From the address bar:'
request "$SERVER/health" -H 'Sec-Fetch-Site: none'
expect_status 200

scene 'A header without end' <<'TEXT'
Reading what unknown callers send costs memory. The header may have 32 KiB; by
default, Go would read 1 MiB of it.
TEXT
PADDING=$(printf '%050000d' 0)
remember PADDING "$PADDING"
printf '\n  %s\n' "${bold}PADDING=\$(printf '%050000d' 0)$plain   # 50,000 zeros"
request "$SERVER/health" -H "X-Padding: $PADDING"
expect_status 431

scene 'The port is taken' <<'TEXT'
A second server wants the port of the first. It ends with status 1 and one line
that says what to do.
TEXT
serve_in_vain 1 -addr "localhost:$port"
expect 'the exit status is 1' 1 "$ended"
expect 'it says one line, with the port and the way out' \
  "step1: port $port is taken: stop the program that uses it, or choose another with -addr localhost:0" "$said"

scene 'The end' <<'TEXT'
SIGTERM, like Ctrl-C, ends a server in good order: it takes no new requests,
finishes those that it has, and ends with status 0.
TEXT
printf '\n'
print_command kill -TERM "${pids[0]}"
stop SERVER
printf '\n  %s\n\n' "$(tail -n 1 "$work/SERVER.log")"
expect 'the exit status is 0' 0 "$ended"

finish
