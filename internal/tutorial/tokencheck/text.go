package tokencheck

import (
	"fmt"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/dialect"
)

// marks stand before a check. What was not checked has no tick.
var marks = map[accesstoken.Outcome]string{accesstoken.Passed: "✓", accesstoken.Failed: "✗", accesstoken.NotChecked: "·"}

// Text is the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", r.whose())
	line("\nThe checks by the rules for %.200q, in the order in which the server makes them (· not checked here):\n", r.Rules)
	for _, check := range r.Checks {
		line("%s %-9s %s", marks[check.Outcome], check.Name, check.Rule)
		switch check.Outcome {
		case accesstoken.Failed:
			line("            %s", check.Refusal.Error())
		case accesstoken.NotChecked:
			line("            not checked: %s", check.Detail)
		case accesstoken.Passed:
			if check.Detail != "" {
				line("            %s", check.Detail)
			}
		}
	}
	line("")
	for _, why := range r.Why {
		line("%s", why)
	}
	if len(r.Lines) > 0 {
		line("%s\n\n%s", r.before(), r.Environment())
	}
	return b.String()
}

// whose says whose token it looks like. Nothing of it is verified.
func (r *Report) whose() string {
	if r.Issuer == "" {
		return "The token names no issuer."
	}
	text := fmt.Sprintf("The token says that it is from %.200q (unverified), ", r.Issuer)
	if r.Trusted {
		text += "which the settings trust."
	} else {
		text += "which the settings don't trust."
	}
	if r.Dialect == "" {
		return text
	}
	text += " It is written in the dialect " + r.Dialect
	if d, err := dialect.Named(r.Dialect); err == nil {
		text += " (" + d.Source + ")"
	}
	return text + "."
}

// before introduces the lines.
func (r *Report) before() string {
	if r.Trusted {
		return "It would pass with these lines in the environment file, if the key and the signature are right:"
	}
	return "It would pass with these lines in an environment file of its own, " +
		"if you trust this issuer, and the key and the signature are right:"
}

// Environment are the lines as an environment file has them, each with its remark.
func (r *Report) Environment() string {
	var b strings.Builder
	for _, l := range r.Lines {
		if l.Remark != "" {
			fmt.Fprintf(&b, "# %s\n", l.Remark)
		}
		value := l.Value
		if strings.ContainsAny(value, " #$\"'`\\") {
			value = "'" + strings.ReplaceAll(value, "'", "") + "'"
		}
		fmt.Fprintf(&b, "%s=%s\n", l.Name, value)
	}
	return b.String()
}
