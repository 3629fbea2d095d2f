// Package walkthrough runs the commands of a page as its reader would: in the order
// of the page, in a fresh shell, with servers in terminals of their own. It compares
// what they print with the answers on the page.
//
//	all := walkthrough.Blocks(page)
//	output := … // what walkthrough.Script(all) prints
//	problems := walkthrough.Judge(all, output)
package walkthrough

import (
	"fmt"
	"regexp"
	"strings"
)

// Block is a command block of a page, with what the page says of it.
type Block struct {
	line   int
	text   string
	notRun string // why the test doesn't run it
	says   string // the last answer that the page shows for it
	http   bool   // the answer is one of HTTP
}

var (
	fenceLine = regexp.MustCompile("^```(.*)$")
	notRun    = regexp.MustCompile(`^<!-- not run: (.+) -->$`)
)

// Blocks are the command blocks of a page, in order. A comment <!-- not run: why -->
// stands in front of one that needs more than Go, bash, curl and jq, or a person.
func Blocks(page string) (found []Block) {
	reason, language, begin := "", "", 0
	var text []string
	for i, line := range strings.Split(page, "\n") {
		match := fenceLine.FindStringSubmatch(line)
		switch {
		case match == nil && begin > 0:
			text = append(text, line)
		case match == nil && notRun.MatchString(line):
			reason = notRun.FindStringSubmatch(line)[1]
		case match == nil:
		case begin == 0:
			language, begin, text = match[1], i+1, nil
		default:
			content := strings.Join(text, "\n")
			if language == "sh" {
				found = append(found, Block{line: begin, text: content, notRun: reason})
				reason = ""
			} else if last := len(found) - 1; last >= 0 && (language == "http" || language == "text") {
				found[last].says, found[last].http = content, language == "http"
			}
			begin = 0
		}
	}
	return found
}

var server = regexp.MustCompile(`^go run \./cmd/(step(?:10|[1-9])|naive)((?: +-\S+(?: [^\s-]\S*)?)*)\s*(?:#.*)?$`)

// terminal is the terminal in which a reader runs a block: 0 for the one that takes
// the commands, and for a server the port that it keeps until another one wants it.
func (b Block) terminal() int {
	match := server.FindStringSubmatch(b.text)
	switch {
	case match == nil:
		return 0
	case match[1] == "naive":
		return 9001
	case match[1] == "step9":
		return 8080
	}
	return 9000
}

const prelude = `#!/usr/bin/env bash
# Runs the commands of a page in order: servers in terminals of their own, all else
# in one fresh shell.
set -o pipefail
declare -A terminals
serve() { # PORT COMMAND
  if [[ ${terminals[$1]:-} ]]; then kill -- "-${terminals[$1]}"; wait "${terminals[$1]}" 2>/dev/null; fi
  set -m
  bash -c "$2" </dev/null >"$HOME/$1.log" 2>&1 &
  terminals[$1]=$!
  set +m
  for ((i = 0; i < 1200; i++)); do
    grep -q '^listening on' "$HOME/$1.log" && break
    kill -0 "${terminals[$1]}" 2>/dev/null || break
    sleep 0.05
  done
  # The keys of a provider come a moment later.
  [[ $1 != 9000 ]] || curl -sf --retry 40 --retry-all-errors --retry-delay 1 --retry-max-time 40 -o /dev/null localhost:9000/health
  if ! grep -q '^listening on' "$HOME/$1.log"; then cat "$HOME/$1.log"; return 1; fi
}
`

// Script is a page's commands as a script that says which one runs.
func Script(all []Block) string {
	var b strings.Builder
	b.WriteString(prelude)
	for i, one := range all {
		if one.notRun != "" {
			continue
		}
		fmt.Fprintf(&b, "printf '\\n@@begin %d\\n'\n", i)
		if port := one.terminal(); port > 0 {
			command, _, _ := strings.Cut(one.text, "#")
			fmt.Fprintf(&b, "serve %d %q\n", port, strings.TrimSpace(command))
		} else {
			fmt.Fprintf(&b, "eval \"$(cat <<'END_OF_BLOCK'\n%s\nEND_OF_BLOCK\n)\" </dev/null\n", one.text)
		}
		fmt.Fprintf(&b, "printf '\\n@@end %d %%d\\n' \"$?\"\n", i)
	}
	return b.String()
}

var ran = regexp.MustCompile(`(?s)\n@@begin (\d+)\n(.*?)\n@@end \d+ (\d+)\n`)

// Judge compares what the commands printed with what the page says.
func Judge(all []Block, output string) (problems []string) {
	results := map[string][2]string{}
	for _, match := range ran.FindAllStringSubmatch(output, -1) {
		results[match[1]] = [2]string{match[2], match[3]}
	}
	for i, one := range all {
		got, done := results[fmt.Sprint(i)]
		switch {
		case one.notRun != "":
		case !done:
			problems = append(problems, fmt.Sprintf("line %d did not run to its end:\n%s", one.line, one.text))
		case one.says == "" && got[1] != "0":
			problems = append(problems, fmt.Sprintf("line %d ends with status %s:\n%s\n%s", one.line, got[1], one.text, got[0]))
		case !one.answered(got[0]):
			problems = append(problems, fmt.Sprintf("line %d: the page shows another answer than:\n%s\n%s", one.line, one.text, got[0]))
		}
	}
	return problems
}

// answered says that the output has what decides in the page's answer: the status
// line, or of text the last line.
func (b Block) answered(output string) bool {
	lines := strings.Split(b.says, "\n")
	decides := lines[len(lines)-1]
	if b.http {
		decides = lines[0]
	}
	return strings.Contains(strings.ReplaceAll(output, "\r", ""), decides)
}
