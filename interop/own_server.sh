#!/usr/bin/env bash
# Goes through docs/your-own-server.md as a reader would, once for each library:
# runs its commands as they stand there, in a new folder beside a copy of this
# repository. Then it runs the examples, made by adopt, against step 9: with step 11,
# with MCP Inspector, and with the SDKs for TypeScript and Python, which log in by
# themselves. Where a client opens a browser, interop/login plays the user.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

root=$PWD page=docs/your-own-server.md passed=0 failed=0
unset GOFLAGS

ok() { printf 'ok    %s\n' "$*" && passed=$((passed + 1)); }
bad() { printf 'FAIL  %s\n' "$*" && failed=$((failed + 1)); }

# expect WHAT PATTERN FILE says whether a file has the pattern.
expect() {
  if grep -q -- "$2" "$3"; then
    ok "$1"
  else
    bad "$1: $2 is not in:"
    tail -n 20 "$3"
  fi
}

# stop_servers ends all that was started.
stop_servers() {
  local one
  for one in "${servers[@]}"; do
    # What go run starts is in the group of the block.
    kill -- "-$one" 2>/dev/null || kill "$one" 2>/dev/null || true
    wait "$one" 2>/dev/null || true
  done
  servers=()
}

trap 'stop_servers; clean_up' EXIT

# The page's addresses are fixed.
for port in 8000 8080; do
  if (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then die "port $port is taken; end the program that uses it"; fi
done

# What the page's npx takes is the installed package, for which it looks in the folders
# above. It would ask on a terminal; here it just opens the browser.
page_environment=(PATH="$root/interop/node_modules/.bin:$PATH" BROWSER="$work/login" LOGIN=mcp-user:user123 MCP_AUTO_OPEN_ENABLED=true
  MCP_INSPECTOR_SECRET_STORE=memory MCP_OAUTH_CALLBACK_URL="http://127.0.0.1:$(free_port)/oauth/callback")
go build -o "$work/" ./cmd/step9 ./cmd/step11 ./interop/login || die "a program does not build"

# blocks FILE prints the code blocks of a page: their kind, NUL, their text, NUL.
blocks() {
  awk '/^```$/ && inside { printf "%s%c", text, 0; inside = 0; next }
    /^```(sh|go)/ && !inside { sub(/^```/, ""); printf "%s%c", $0, 0; inside = 1; text = ""; next }
    inside { text = text $0 "\n" }' "$1"
}

# walk LIBRARY EXAMPLE follows the page in a copy of the repository.
walk() {
  local library=$1 example=$2 kind text number=0 begun=$SECONDS
  mkdir -p "$work/$example/home"
  ln -s "$root/interop/node_modules" "$work/$example/node_modules"
  git clone -q --no-hardlinks "$root" "$work/$example/repository"
  cd "$work/$example/repository"
  while IFS= read -r -d '' kind && IFS= read -r -d '' text; do
    number=$((number + 1))
    case $kind in
      go) ;; # shown, and in the example
      "go orders-$example") printf '%s' "$text" >../orders/main.go ;;
      "go "*) ;;
      "sh background")
        log=$work/$example.$number.log
        (set -m && exec setsid bash -c "$text") >/dev/null 2>"$log" &
        servers+=("$!")
        await_listening "$!" "$log" || die "$page: $text: $(tail -n 3 "$log")"
        ;;
      sh | "sh $library") command_block "$text" "$work/$example.$number.out" ;;
      "sh "*) ;;
    esac
  done < <(blocks "$root/$page")
  expect "$library: step 11 calls the unprotected server" 'no orders yet' "$work/$example".outs
  expect "$library: no way in without a token" 'resource_metadata="http://localhost:8000/' "$work/$example".outs
  expect "$library: step 11 calls create_order after a step-up" 'tea ordered by user' "$work/$example".outs
  expect "$library: MCP Inspector logs in by itself and calls list_orders" '"text": "no orders yet"' "$work/$example".outs
  expect "$library: MCP Inspector calls create_order" '"text": "tea ordered by user' "$work/$example".outs
  stop_servers
  cd "$root"
  printf '      %s: the page took %d seconds\n' "$library" "$((SECONDS - begun))"
}

# await_listening PID LOG is await_url for servers that log with the time.
await_listening() {
  local deadline=$((SECONDS + 180))
  until grep -q 'listening on http' "$2"; do
    kill -0 "$1" 2>/dev/null || return 1
    ((SECONDS < deadline)) || return 2
    sleep 0.1
  done
}

# command_block TEXT OUT runs a block, each line from the folder of the repository.
# The page's unprotected server is stopped before the layers are taken along.
command_block() {
  local line
  case $1 in *cmd/adopt*) stop_servers ;; esac
  while IFS= read -r line; do
    [[ -n $line ]] || continue
    env "${page_environment[@]}" MCP_STORAGE_DIR="${2%.*.out}/home" bash -c "$line" >"$2" 2>&1 </dev/null || {
      bad "$page: $line"
      tail -n 20 "$2"
    }
    cat "$2" >>"${2%.*.out}.outs"
  done <<<"$1"
}

walk go-sdk gosdk
walk mcp-go mcpgo

# made NAME LIBRARY makes an example by adopt in $work/made and builds it.
made() {
  mkdir -p "$work/made/$1"
  cp examples/"$1"/* "$work/made/$1/"
  go run ./cmd/adopt -for "$2" "$work/made/$1" >"$work/made/$1.out" || die "adopt fails for $1"
  go run ./cmd/adopt -for "$2" -lines "$work/made/$1" >"$work/made/$1/protect.go"
  GOFLAGS=-mod=readonly go -C "$work/made/$1" build -o "$work/example-$1" . || die "examples/$1 does not build"
  GOFLAGS=-mod=readonly go -C "$work/made/$1" vet ./... || die "examples/$1 does not pass go vet"
}

# logs_in DRIVER... lets a client of interop/clients find its way from nothing but the
# URL of the example: 401, metadata, registration, login, a call, a step-up, a call.
logs_in() {
  local home
  home=$(mktemp -d "$work/home.XXXXXX")
  env -i PATH="$PATH" HOME="$home" NO_COLOR=1 PYTHONDONTWRITEBYTECODE=1 MCP_URL="$at/mcp" REVISION="$revision" REGISTRATION=dynamic \
    CALLBACK_PORT="$(free_port)" BROWSER="$work/login" LOGIN=mcp-user:user123 LOGINS="$home/logins" CALLS="$calls" \
    timeout --foreground 300 "$@" >"$work/answer" 2>"$work/answer.log" </dev/null || true
}

# inspect ARGUMENT... runs MCP Inspector with $TOKEN at the example.
inspect() {
  client interop/node_modules/.bin/mcp-inspector --cli "$at/mcp" --transport http --protocol-era "$era" --format json \
    --stored-auth-only --header "Authorization: Bearer $TOKEN" "$@" >"$work/answer" 2>&1 || true
}

for example in gosdk:go-sdk mcpgo:mcp-go resources:go-sdk; do
  name=${example%:*}
  made "$name" "${example#*:}"
  port=$(free_port)
  at=http://localhost:$port
  start step9 "$work/step9" -addr localhost:0 -keys "$work/keys-$name" -resource "$at/mcp"
  issuer=$url/realms/mcp-realm
  "$work/example-$name" -addr "localhost:$port" -issuer "$issuer" 2>"$work/example-$name.log" &
  servers+=("$!")
  until curl -sf "$at/health" >/dev/null; do
    kill -0 "$!" 2>/dev/null || die "examples/$name ended: $(tail -n 3 "$work/example-$name.log")"
    sleep 0.1
  done
  for scopes in mcp:read 'mcp:read mcp:tools'; do
    TOKEN=$(curl -sSf "$issuer/protocol/openid-connect/token" -d grant_type=password -d client_id=mcp-test-client \
      -d username=mcp-user -d password=user123 -d "scope=$scopes" | jq -r .access_token)
    for era in legacy modern; do
      inspect --method tools/list
      expect "$name, Inspector, $era, $scopes: lists" list_orders "$work/answer"
      if [[ $name == resources ]]; then
        if [[ $scopes == mcp:read ]] && grep -q drop_orders "$work/answer"; then bad "$name: a hidden tool is shown"; fi
        if [[ $scopes != mcp:read ]]; then expect "$name, Inspector, $era: shows what may be called" drop_orders "$work/answer"; fi
        inspect --method resources/read --uri orders://open
        expect "$name, Inspector, $era, $scopes: reads a resource" 'none open' "$work/answer"
        inspect --method resources/read --uri orders://all
        if [[ $scopes == mcp:read ]]; then want=mcp:tools; else want='none at all'; fi
        expect "$name, Inspector, $era, $scopes: a resource with a rule of its own" "$want" "$work/answer"
      else
        inspect --method tools/call --tool-name create_order --tool-args-json '{"item":"tea"}'
        if [[ $scopes == mcp:read ]]; then want=mcp:tools; else want='tea ordered by'; fi
        expect "$name, Inspector, $era, $scopes: create_order" "$want" "$work/answer"
      fi
    done
  done
  TOKEN=
  "$work/step11" -server "$at/mcp" -store none -login mcp-user:user123 -quiet -call list_orders >"$work/answer" 2>&1 || true
  expect "$name, step 11: list_orders" 'no orders yet' "$work/answer"
  second=create_order arguments='{"item": "tea"}'
  [[ $name != resources ]] || second=drop_orders arguments='{}'
  calls='[["list_orders", {}, "no orders yet"], ["'$second'", '$arguments', "order"]]'
  for revision in 2025-11-25 2026-07-28; do
    for sdk in TypeScript Python; do
      case $sdk in
        TypeScript) logs_in interop/node_modules/.bin/node interop/clients/typescript/client2.mjs ;;
        Python) logs_in interop/venv/bin/python interop/clients/python/mcp2.py ;;
      esac
      for step in list_orders:1 $second:2; do
        expect "$name, $sdk SDK, $revision: ${step%:*}, after ${step#*:} logins" \
          "\"${step%:*}\", *\"ok\": *true,.*\"logins\": *${step#*:}}" "$work/answer"
      done
    done
  done
  stop_servers
done

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
