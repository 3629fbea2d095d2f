package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"

	"mcp-auth-step-by-step/internal/tutorial/issuercheck"
	"mcp-auth-step-by-step/internal/web/baseurl"
)

const aboutIssuer = `check issuer reads the metadata and the keys of an issuer, as the server of step 10
and the client of step 11 read them, and says what they mean for both: PKCE, the
places of the metadata (RFC 8414 and OpenID), registration (RFC 7591), iss in answers
(RFC 9207), Client ID Metadata Documents, client authentication, algorithms, the state
of the keys, and the dialect of its tokens to try. It registers nothing and sends no
token or secret.

	check issuer https://id.example/realms/mcp

Exit status: 0 if both steps can use the issuer as it is; 1 if something stands in the
way of one of them; 2 if the arguments are wrong; 3 if there is no metadata.
`

const exitNotFound = 3

// origins is a flag that can be given several times.
type origins []string

func (o *origins) String() string { return "" }

func (o *origins) Set(raw string) error {
	u, err := baseurl.ParseOrigin("the origin", raw)
	if err == nil {
		*o = append(*o, baseurl.Origin(u))
	}
	return err
}

func checkIssuer(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) int {
	var options issuercheck.Options
	flags := flag.NewFlagSet("check issuer", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print the report as JSON")
	throughProxy := flags.Bool("through-proxy", false, "use HTTPS_PROXY; the proxy then chooses the addresses itself")
	flags.Var((*origins)(&options.PrivateOrigins), "private-origin",
		"`origin` on a private address that metadata may name, besides the issuer's own")
	if status, done := parseFlags(flags, aboutIssuer, args, stderr); done {
		return status
	}
	// A flag behind the URL is meant as one, and package flag stops at the URL.
	issuer := flags.Arg(0)
	if flags.NArg() > 1 {
		if status, done := parseFlags(flags, aboutIssuer, flags.Args()[1:], stderr); done {
			return status
		}
		if flags.NArg() > 0 {
			fmt.Fprintf(stderr, "check issuer: unexpected argument %.100q; want one issuer\n", flags.Arg(0))
			return exitUsage
		}
	}
	if issuer == "" {
		fmt.Fprintln(stderr, "check issuer: want the URL of an issuer; see check issuer -h")
		return exitUsage
	}
	if _, err := issuercheck.ParseIssuer(issuer); err != nil {
		fmt.Fprintf(stderr, "check issuer: %v\n", err)
		return exitUsage
	}
	if *throughProxy {
		options.Proxy = http.ProxyFromEnvironment
	}
	report := issuercheck.Run(ctx, issuer, options)
	if *asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(report) // strings, and lists of them
	} else {
		fmt.Fprint(stdout, report.Text())
	}
	return map[issuercheck.Outcome]int{
		issuercheck.Usable: exitGood, issuercheck.Obstacle: exitBad, issuercheck.NotFound: exitNotFound,
	}[report.Outcome]
}
