// Package lab is what a reader does with the pages: attacks to carry out at a
// server that is wrong and then at the step, exercises, and questions. All of it is
// data, for the pages, the programs and the tests alike:
//
//	for _, attack := range lab.Attacks {
//		if attack.Step == 6 {
//			fmt.Println(attack.Title)
//			fmt.Println(attack.AtNaive())
//			fmt.Println(attack.AtStep())
//		}
//	}
//
// A new layer joins by its entries in [Attacks], [Exercises] and [Questions].
package lab

import (
	"fmt"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
)

// Base URLs that stand in commands: where the programs listen by default.
const (
	StepURL  = "http://localhost:9000"
	NaiveURL = "http://localhost:9001"
	// Issuer is that of step 9, NaiveIssuer the one of the server that is wrong.
	Issuer      = "http://localhost:8080/realms/mcp-realm"
	NaiveIssuer = "http://localhost:8081"
	AttackerURL = "http://localhost:9666"
)

const (
	guarded  = 6  // the first step that reads a token
	provided = 10 // the first step that trusts a provider
)

// Attack is one attack of a page: it works at the naive server, and the step
// refuses it.
type Attack struct {
	Step  int
	Name  string // of the row, where there is one
	Title string // what the attacker does, as a heading
	Why   string // why it works at the naive server
	Stops string // what stops it at the step, and which standard demands that
	Fault string // of package naive
	Also  string // Markdown: another way to carry it out, relative to docs/; may be empty
	// Era in which the row is sent.
	Era matrix.Era
	// Gets is what the naive server must answer to the row, and in words.
	Gets matrix.Want
	// Program, for an attack that is no row, are the commands and what they must
	// print.
	Program *Commands
}

// Commands are two commands, and a part of what each prints.
type Commands struct {
	Naive, Step         string
	NaiveSays, StepSays string
}

// Row is the row of the table that is sent, or nil.
func (a Attack) Row() *matrix.Row {
	row, ok := matrix.Find(a.Name)
	if !ok {
		return nil
	}
	if a.Step < guarded {
		row.Request.Token = nil
	}
	return &row
}

// AtNaive is the command that carries the attack out at the naive server.
func (a Attack) AtNaive() string {
	if a.Program != nil {
		return a.Program.Naive
	}
	return a.command(NaiveURL)
}

// AtStep is the same at the step.
func (a Attack) AtStep() string {
	if a.Program != nil {
		return a.Program.Step
	}
	return a.command(StepURL)
}

func (a Attack) command(base string) string {
	row := a.Row()
	command := row.Request.Curl(base, a.Era)
	if base == NaiveURL { // a rebound name keeps the port of the server that it leads to
		command = strings.ReplaceAll(command, "evil.com:9000", "evil.com:9001")
	}
	if row.Request.Token == nil || !strings.Contains(command, "$TOKEN") {
		return command
	}
	return fmt.Sprintf("TOKEN=$(%s)\n%s", row.Request.Token.Command(a.Step >= provided), command)
}

// NaiveProgram is how the naive servers are started for a step, in a terminal of
// their own.
func NaiveProgram(step int) string {
	if step < guarded {
		return "go run ./cmd/naive -open"
	}
	return "go run ./cmd/naive"
}

// NaivePlace says where the naive servers of a step listen, and how that step starts
// them.
func NaivePlace(step int) string {
	switch {
	case step < guarded:
		return "It listens on port 9001, and `-open` means that it asks for no token."
	case step == 9:
		return "Its authorization server listens on port 8081."
	case step == 11:
		return "Its attacker's servers listen on port 9666, and the honest ones that they abuse on 9001 and 8081."
	}
	return "It listens on port 9001 and trusts the keys of the step beside it; stop the one that runs with `-open`."
}

// StepPrograms are the programs that the attacks of a step need beside it, each in a
// terminal of its own.
func StepPrograms(step int) []string {
	switch {
	case step > len(manifest.Steps) || manifest.Steps[step-1].Number == 11:
		return nil // the client runs when it attacks
	case step == provided:
		return []string{"go run ./cmd/step9", "go run ./cmd/step10 -challenge-scopes mcp:read"}
	}
	return []string{fmt.Sprintf("go run ./cmd/step%d", step)}
}

// Of are the attacks of a step.
func Of(step int) []Attack {
	return slices.DeleteFunc(slices.Clone(Attacks), func(a Attack) bool { return a.Step != step })
}
