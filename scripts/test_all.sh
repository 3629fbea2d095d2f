#!/usr/bin/env bash
# Runs all lessons, a few at a time, and prints the last line of each. The output
# of one that fails is shown in whole, and the exit status is 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# A lesson waits more than it computes, so there are more at a time than cores.
at_a_time=${LESSONS_AT_A_TIME:-4}

# lesson SCRIPT runs one, with its output in a file.
lesson() {
  if bash "$1" >"$logs/$1" 2>&1 </dev/null; then
    tail -n 1 "$logs/$1"
  else
    cat "$logs/$1"
    echo "$1 failed" >&2
    return 1
  fi
}

failed=0
# The longest come first.
for script in $(printf '%s\n' test_step*.sh | sort -rV); do
  while (($(jobs -rp | wc -l) >= at_a_time)); do wait -n || failed=1; done
  lesson "$script" &
done
while (($(jobs -rp | wc -l) > 0)); do wait -n || failed=1; done
exit "$failed"
