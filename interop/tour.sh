#!/usr/bin/env bash

# Goes through the tour in a headless Chromium: every page that a link leads to, at two
# or three widths, in light and dark; no error in the console, no report of the content
# security policy, no serious finding of axe-core, nothing wider than the screen. Then
# it does what a visitor does, starts programs forty times, and kills the tour: nothing
# that it started lives longer than five seconds.
# With --screenshots DIR the pages are left there as pictures; with --quick it looks at
# a few pages in two views alone. `bash interop/tour.sh shots` makes the pictures of
# README and docs, and does nothing else.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

screenshots='' quick='' pictures=''
while (($#)); do
  case $1 in
    --quick) quick=yes && shift && continue ;;
    shots) pictures=$PWD/docs/pictures && shift && continue ;;
    --screenshots)
      mkdir -p "${2:?"--screenshots needs a folder"}"
      screenshots=$(realpath "$2")
      ;;
    *) die "unknown argument $1; there are shots, --quick and --screenshots DIR" ;;
  esac
  shift 2
done

find_chromium
go build -o "$work/tour" ./cmd/tour || die "the tour does not build"
GOPATH=$(go env GOPATH) GOCACHE=$(go env GOCACHE)
patience=1500
client interop/tour.mjs "$(jq -n '$ARGS.named' --arg tour "$work/tour" --arg chromium "$chromium" --arg screenshots "$screenshots" --arg quick "$quick" --arg pictures "$pictures" \
  --arg gopath "$GOPATH" --arg gocache "$GOCACHE" --arg work "$work")"
