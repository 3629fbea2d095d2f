package envfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpserver/introspection"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
)

// introspectionPrefix begins the names of the variables that matter only where
// the issuer is asked about tokens.
const introspectionPrefix = "INTROSPECTION_"

// readIntrospection reads whether and how the issuer is asked about each token.
// INTROSPECTION_CLIENT_ID switches it on.
func (v *settings) readIntrospection() (*introspection.Config, error) {
	id := v.Get("INTROSPECTION_CLIENT_ID")
	if id == "" {
		for _, name := range []string{"INTROSPECTION_CLIENT_SECRET", "INTROSPECTION_CLIENT_KEY", "INTROSPECTION_ENDPOINT"} {
			if _, where := v.Find(name); where != "" {
				return nil, v.Wrong(name, errors.New("it has no effect without INTROSPECTION_CLIENT_ID; set that, or remove this"))
			}
		}
		return nil, nil
	}
	c := &introspection.Config{
		Endpoint: v.Get("INTROSPECTION_ENDPOINT"), Credentials: clientauth.Credentials{ID: id},
	}
	if c.Endpoint != "" {
		if err := issuerkeys.CheckURL(c.Endpoint); err != nil {
			return nil, v.Wrong("INTROSPECTION_ENDPOINT", err)
		}
	}
	var err error
	if c.Keep, err = time.ParseDuration(v.Get("INTROSPECTION_KEEP")); err != nil || c.Keep < 0 || c.Keep > introspection.MaxKeep {
		return nil, v.Wrong("INTROSPECTION_KEEP", fmt.Errorf("%q is not a duration from 0s to %s: write it like 30s",
			v.Get("INTROSPECTION_KEEP"), introspection.MaxKeep))
	}
	if v.Get("INTROSPECTION_MAY_OMIT") != "" {
		if c.MayOmit, err = v.Subset("INTROSPECTION_MAY_OMIT", introspection.Optional); err != nil {
			return nil, err
		}
	}
	if slices.Contains(c.MayOmit, "aud") {
		v.log.Warn("answers without aud are accepted: a token for any server opens this one, "+
			"unless the issuer says active only to the audience of a token",
			"INTROSPECTION_MAY_OMIT", strings.Join(c.MayOmit, ","))
	}
	c.Method, err = c.Credentials.Read(v.Set, clientauth.Variables{
		Method: "INTROSPECTION_METHOD", Secret: "INTROSPECTION_CLIENT_SECRET", Key: "INTROSPECTION_CLIENT_KEY", KeyID: "INTROSPECTION_KEY_ID",
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}
