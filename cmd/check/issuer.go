package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"

	"mcp-auth-step-by-step/internal/tutorial/issuercheck"
	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/lesson"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

const aboutIssuer = `check issuer reads the metadata and the keys of an issuer, as the server of step 10
and the client of step 11 read them, and says what they mean for both: PKCE, the
places of the metadata (RFC 8414 and OpenID), registration (RFC 7591), iss in answers
(RFC 9207), Client ID Metadata Documents, client authentication, algorithms, the state
of the keys, and the dialect of its tokens to try. It registers nothing and sends no
token or secret.

	check issuer https://id.example/realms/mcp

Exit status: 0 if both steps can use the issuer as it is; 1 if something stands in the
way of one of them; 2 if the arguments are wrong; 3 if there is no metadata.`

const exitNotFound = 3

func checkIssuer(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) (int, error) {
	var policy safefetch.Policy
	flags := flag.NewFlagSet("check issuer", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print the report as JSON")
	throughProxy := flags.Bool("through-proxy", false, "use HTTPS_PROXY; the proxy then chooses the addresses itself")
	flags.Func("private-origin", "`origin` on a private address that metadata may name, besides the issuer's own", func(raw string) error {
		u, err := baseurl.ParseOrigin("the origin", raw)
		if err == nil {
			policy.Private = append(policy.Private, baseurl.Origin(u))
		}
		return err
	})
	if err := lesson.Parse(flags, args, aboutIssuer, stderr); err != nil {
		return 0, err
	}
	// A flag behind the URL is meant as one, and package flag stops at the URL.
	issuer := flags.Arg(0)
	if flags.NArg() > 1 {
		if err := lesson.Parse(flags, flags.Args()[1:], aboutIssuer, stderr); err != nil {
			return 0, err
		}
		if flags.NArg() > 0 {
			return 0, fmt.Errorf("unexpected argument %.100q; want one issuer", flags.Arg(0))
		}
	}
	if issuer == "" {
		return 0, errors.New("want the URL of an issuer; see check issuer -h")
	}
	if _, err := issuercheck.ParseIssuer(issuer); err != nil {
		return 0, err
	}
	if *throughProxy {
		policy.Proxy = http.ProxyFromEnvironment
	}
	report := issuercheck.Run(ctx, issuer, policy)
	if *asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(report) // strings, and lists of them
	} else {
		fmt.Fprint(stdout, report.Text())
	}
	return map[issuercheck.Outcome]int{
		issuercheck.Usable: exitGood, issuercheck.Obstacle: exitBad, issuercheck.NotFound: exitNotFound,
	}[report.Outcome], nil
}
