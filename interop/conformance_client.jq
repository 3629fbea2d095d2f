# Holds the client results of the conformance suite against the baseline, and
# prints a row for each scenario and revision.
#
# $wanted[0]    [{revision, scenario}]: all that has to be there
# $results[0]   [{revision, scenario, checks, said}]: what the suite found, and
#               what the client wrote
# $baseline[0]  [{scenario, revisions, outcome, shows, reason}]: "errs" where
#               the client has to end with an error, "fails" where the scenario
#               is known to fail; either must show the cause that it names

# These are made whatever happens, so they don't make a pass.
def own: select(.id | startswith("wire-schema-") | not);
def bad: map(select(.status | IN("FAILURE", "WARNING")));
def good: [.[] | own | select(.status == "SUCCESS")];

$results[0] as $results | $baseline[0] as $baseline
| [$baseline[] | select((.outcome | IN("errs", "fails")) and (.shows | length > 0) and (.reason | length > 0) | not)] as $odd
| if $wanted[0] == [] then error("the suite lists no client scenarios") elif $odd != [] then error("odd entries in the baseline: \($odd)") else . end
| $wanted[0][] as $w
| [$results[] | select(.revision == $w.revision and .scenario == $w.scenario)][0] as $r
| [$baseline[] | select(.scenario == $w.scenario and (.revisions | index($w.revision)))][0] as $entry
| ($r.checks // []) as $checks
| ($r.said | endswith("done\n")) as $ended
| (if $r == null then ["failed", "it left no result"]
  elif $entry.outcome == "fails" then
    if $checks | bad | tostring | test($entry.shows) then ["except", $entry.reason] else ["failed", "the baseline says that it fails, and it doesn't, or in another way"] end
  elif $checks | bad != [] then ["failed", ($checks | bad | map("\(.id): \(.errorMessage // .description)") | join("; "))]
  elif $checks | good == [] then ["empty", "no check was made"]
  elif $entry.outcome == "errs" and ($ended or ($r.said | test("conformance-client: .*" + $entry.shows) | not)) then ["failed", "the client had to end with the error of the baseline, and did not"]
  elif $entry == null and ($ended | not) then ["failed", "the client ended with an error: \($r.said | split("\n") | map(select(startswith("conformance-client:"))) | join(" "))"]
  else ["passed", ($entry.reason // "")] end) as [$verdict, $note]
| [$verdict, $w.revision, $w.scenario, ($checks | good | length), ($checks | bad | length), ($note | gsub("\\s+"; " ") | .[0:300])]
| @tsv
