# Holds the results of the conformance suite against the baseline, and prints a
# row for each scenario, revision and step.
#
# $suite[0]     [{scenario, revisions}]: all that the suite has
# $results[0]   [{step, revision, scenario, checks}]: what it found
# $ARGS         the revisions that were run
# $partial      {step: [scenario]}: steps that are given some scenarios only
# $baseline[0]  [{scenario, revisions, reason, …}]: the exceptions; with "steps",
#   for these steps alone.
#   With "check" an entry excepts one check of the scenario, which must not pass;
#   all others count. Without, it excepts the whole scenario, whose "outcome"
#   must be as it says: "fails" (the default), "empty" (no check was made), or
#   "passes", for a pass that shows nothing.
#   "shows" is a regular expression that the suite's findings must match: an
#   exception holds for one cause, and not for whatever else may break.
#   The revision "extension" is for scenarios that belong to none. They are not
#   run.

# Each scenario is also given checks of the messages on the wire. They pass even
# when no message came back, so they don't make a pass, but can make a failure.
def on_the_wire: .id | startswith("wire-schema-");
def open: map(select(.status | IN("FAILURE", "WARNING", "SKIPPED")));
def passes: map(select(.status == "SUCCESS"));
def outcome:
  if . == null then "empty"
  elif open | length > 0 then "fails"
  elif passes | any(on_the_wire | not) then "passes"
  else "empty" end;
def findings: [.errorMessage, .details] | tostring;
def shows($entry): findings | test($entry.shows // "");

# problems is what is unexpected about the checks of one scenario.
def problems($entries):
  . as $checks
  | [$entries[] | select(.check == null)] as $whole
  | if $checks == null then "it left no result"
    elif $whole != [] then
      ($entries[] | select(.check) | "\(.check) is in the baseline, and so is the whole scenario"),
      ($whole[] | select((.outcome // "fails") != ($checks | outcome)) | "the baseline says that it \(.outcome // "fails"), and now it is: \($checks | outcome)"),
      ($whole[] | select(. as $entry | $checks | any(shows($entry)) | not) | "nothing it found is like \"\(.shows)\", which the baseline names as the cause"),
      ($checks | open[] | select(on_the_wire) | "\(.id): \(findings)")
    else
      ($checks | open[] | . as $check
        | select([$entries[] | select(.check == $check.id) | . as $entry | $check | shows($entry)] | any | not)
        | "\(.id): \(.status) \(.errorMessage // .details)"),
      ($entries[].check | select(. as $id | $checks | open | any(.id == $id) | not) | "\(.) is in the baseline, and doesn't fail any more"),
      ($checks | select(any(.[]; .status == "SUCCESS" and (on_the_wire | not)) | not) | "none of its own checks passed")
    end;

def row($verdict; $step; $revision; $scenario; $checks; $note):
  [ $verdict, $step, $revision, $scenario,
    ($checks | passes | length),
    ($checks | open | map(select(.status != "SKIPPED")) | length),
    ($checks | map(select(.status == "SKIPPED")) | length),
    ($note | gsub("\\s+"; " ") | .[0:400]) ];

$suite[0] as $suite | $results[0] as $results | $baseline[0] as $baseline | $ARGS.positional as $run

| [$baseline[] | select(.scenario and (.revisions | length > 0) and (.reason | length > 0) and
    keys - ["scenario", "revisions", "steps", "check", "outcome", "shows", "reason"] == [] | not)] as $odd
| if $suite == [] then error("the suite lists no scenarios")
  elif $odd != [] then error("these entries of the baseline lack a member or have one too many: \($odd)")
  else . end
| [(
  ([$results[].step] | unique[]) as $step
  | $suite[] | .scenario as $scenario | select($partial[$step] | . == null or index($scenario))
  | (.revisions - (.revisions - $run))[] as $revision
  | [$baseline[] | select(.scenario == $scenario and (.revisions | index($revision)) and (.steps | . == null or index($step)))] as $entries
  | ([$results[] | select(.step == $step and .revision == $revision and .scenario == $scenario) | .checks] | first) as $checks
  | [$checks | problems($entries)] as $problems
  | row(
      if $problems != [] then (if $checks | outcome == "empty" then "EMPTY" else "FAIL" end) elif $entries | any(.check == null) then "except" else "ok" end;
      $step; $revision; $scenario; $checks // [];
      if $problems != [] then $problems | join("; ")
      elif $entries | any(.check) then "apart from \($entries | length) checks that are in the baseline"
      else $entries | map(.reason) | join(" ") end)
), (
  # What belongs to no revision that was run has to have a reason, too.
  $suite[] | .scenario as $scenario | select(.revisions - $run == .revisions)
  | .revisions as $tags
  | ([$baseline[] | select(.scenario == $scenario and .revisions - (.revisions - $tags) != [])] | first) as $entry
  | row(if $entry then "except" else "FAIL" end; "-"; $tags[-1]; $scenario; [];
      $entry.reason // "it is in the suite, and neither run nor in the baseline")
), (
  $results[] | select(.scenario as $scenario | $suite | any(.scenario == $scenario) | not)
  | row("FAIL"; .step; .revision; .scenario; .checks; "it has a result, and is not in the suite's list")
), (
  # And the baseline must not outlive the suite.
  $baseline[] | . as $entry | .revisions[] as $revision
  | select($suite | any(.scenario == $entry.scenario and (.revisions | index($revision))) | not)
  | row("FAIL"; "-"; $revision; .scenario; []; "it is in the baseline, and not in the suite")
)]
| sort_by(.[0] | {except: 0, ok: 1, EMPTY: 2, FAIL: 3}[.])[] | @tsv
