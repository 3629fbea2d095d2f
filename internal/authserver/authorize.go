package authserver

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/store"
)

// authorization is an authorization request that was checked (OAuth 2.1,
// section 4.1.1).
type authorization struct {
	ClientID    string                  `json:"client_id"`
	RedirectURI clientmetadata.Redirect `json:"redirect_uri"`
	State       string                  `json:"state,omitempty"`
	Nonce       string                  `json:"nonce,omitempty"`
	Challenge   string                  `json:"challenge"`
	Resource    string                  `json:"resource"`
	Scopes      []string                `json:"scopes"`
	Prompt      []string                `json:"prompt,omitempty"`
	MaxAge      int64                   `json:"max_age"` // seconds; -1: any
}

// challengeForm is the form of an S256 challenge: 256 bits in base64url (RFC
// 7636, section 4.2).
var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// authorize begins a visit: it checks the request and shows the login page, or
// what comes after it for a user who is logged in already.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	c, to, problem := s.identify(r)
	if problem != "" {
		s.problemPage(w, r, http.StatusBadRequest, problem)
		return
	}
	ask, f := s.checkRequest(r, c, to)
	if f != nil {
		s.sendError(w, r, to, f)
		return
	}
	who, key, loggedIn := s.session(r)
	tooOld := ask.MaxAge >= 0 && s.now().Unix()-who.AuthTime > ask.MaxAge
	v := visit{Request: ask, Browser: s.browser(w, r)}
	switch {
	case loggedIn && !tooOld && !ask.prompts("login") && !ask.prompts("select_account"):
		s.proceed(w, r, v, who, key)
	case ask.prompts("none"):
		s.sendError(w, r, to, refuse("login_required", "The user has to log in."))
	default:
		s.startLogin(w, r, v, c)
	}
}

func (a *authorization) prompts(what string) bool { return slices.Contains(a.Prompt, what) }

// target is where an authorization response goes.
type target struct {
	uri   clientmetadata.Redirect
	state string
}

// identify finds the client and where to answer it. Until both are known to
// belong together nothing may be sent anywhere: a problem is for the user
// alone (OAuth 2.1, section 4.1.2.1).
func (s *Server) identify(r *http.Request) (c *client, to target, problem string) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxQuery {
		return nil, to, "The request of the application can't be read: it is malformed or too long."
	}
	id, uri := values["client_id"], values["redirect_uri"]
	if len(id) != 1 || len(uri) != 1 || id[0] == "" || uri[0] == "" {
		return nil, to, "The application must say once who it is (client_id) and where the answer should go (redirect_uri)."
	}
	c, err = s.client(r.Context(), id[0])
	if err != nil {
		slog.InfoContext(r.Context(), "authorization refused", "why", err)
		var refused *clientmetadata.Error
		if errors.As(err, &refused) {
			return nil, to, refused.Description
		}
		return nil, to, "This server does not know the application. It may have been forgotten: let the application register again."
	}
	asked, ok := c.MatchRedirect(uri[0])
	if !ok {
		slog.InfoContext(r.Context(), "authorization refused", "client_id", c.id, "why", "redirect URI not registered")
		return nil, to, "The application asks for the answer at an address that is not registered for it. It was not sent there."
	}
	to = target{uri: asked}
	if state := values["state"]; len(state) == 1 {
		to.state = state[0]
	}
	return c, to, ""
}

// checkRequest checks the rest. What is wrong here is told to the client.
func (s *Server) checkRequest(r *http.Request, c *client, to target) (ask authorization, f *failure) {
	values, f := parameters(r.URL.RawQuery)
	if f != nil {
		return ask, f
	}
	ask = authorization{ClientID: c.id, RedirectURI: to.uri, State: to.state, Nonce: values.Get("nonce"), Resource: s.resource, Prompt: words(values.Get("prompt"))}
	switch {
	case values.Get("response_type") == "":
		return ask, refuse("invalid_request", "response_type is missing: it must be code.")
	case values.Get("response_type") != "code":
		return ask, refuse("unsupported_response_type", "response_type must be code.")
	case !c.AllowsGrant(clientmetadata.GrantCode):
		return ask, refuse("unauthorized_client", "This client may not use the authorization code grant.")
	case values.Has("request"):
		return ask, refuse("request_not_supported", "Send the parameters themselves.")
	case values.Has("request_uri"):
		return ask, refuse("request_uri_not_supported", "Send the parameters themselves.")
	case values.Has("response_mode") && values.Get("response_mode") != "query":
		return ask, refuse("invalid_request", "response_mode must be query.")
	// RFC 7636, section 4.4.1; without a method the challenge would be plain.
	case values.Get("code_challenge_method") != "S256" || !challengeForm.MatchString(values.Get("code_challenge")):
		return ask, refuse("invalid_request", "PKCE is required: send code_challenge_method=S256 and a code_challenge of 43 characters.")
	case len(ask.Prompt) > 1 && ask.prompts("none"):
		return ask, refuse("invalid_request", "prompt=none stands alone.")
	}
	ask.Challenge = values.Get("code_challenge")
	if f := s.checkResource(values["resource"]); f != nil {
		return ask, f
	}
	if ask.MaxAge, f = maxAge(values.Get("max_age")); f != nil {
		return ask, f
	}
	ask.Scopes, f = s.askedScopes(c, values.Get("scope"))
	return ask, f
}

func maxAge(text string) (int64, *failure) {
	if text == "" {
		return -1, nil
	}
	age, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, refuse("invalid_request", "max_age must be a number of seconds.")
	}
	return int64(age), nil
}

// proceed goes on for a user who is logged in: with the consent page, or where
// the user has consented before, with the answer.
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, v visit, who session, sessionKey string) {
	to := v.Request.target()
	user := s.users.subject(who.Subject)
	if user == nil || len(v.Request.Scopes) > 0 && len(s.userScopes(user.User, v.Request.Scopes)) == 0 {
		s.sendError(w, r, to, refuse("access_denied", "The user may not grant any of the scopes that were asked for."))
		return
	}
	v.Request.Scopes = s.userScopes(user.User, v.Request.Scopes)
	v.Session = sessionKey
	err := s.volatile.Update(func(tx store.Tx) error {
		return s.sessions.put(tx, sessionKey, who, s.now(), s.sessionEnd(who))
	})
	remembered := err == nil && !v.Request.prompts("consent") && s.remembers(who.Subject, v.Request)
	switch {
	case err != nil:
		s.sendError(w, r, to, errInternal.because(err.Error()))
	case remembered:
		s.finish(w, r, v.Request, who, false)
	case v.Request.prompts("none"):
		s.sendError(w, r, to, refuse("consent_required", "The user has to consent."))
	default:
		s.nextPage(w, r, v, pathConsent)
	}
}

func (a *authorization) target() target { return target{a.RedirectURI, a.State} }

// nextPage sends the browser to the page where a visit goes on.
func (s *Server) nextPage(w http.ResponseWriter, r *http.Request, v visit, path string) {
	id, err := s.keepVisit(v)
	if err != nil {
		s.sendError(w, r, v.Request.target(), errInternal.because(err.Error()))
		return
	}
	s.redirect(w, s.base+path+"?request="+id)
}

// finish answers with a code.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, ask authorization, who session, remember bool) {
	code, err := s.issueCode(ask, who, remember)
	if err != nil {
		f := errInternal
		if errors.Is(err, errFull) {
			f = errBusy
		}
		s.sendError(w, r, ask.target(), f.because(err.Error()))
		return
	}
	slog.InfoContext(r.Context(), "authorization granted", "client_id", ask.ClientID, "sub", who.Subject, "scope", scopeList(ask.Scopes))
	s.sendBack(w, ask.target(), response{"code": code})
}

// response is what an authorization response says, besides state and iss.
type response map[string]string

// sendError tells the client what is wrong with its request (OAuth 2.1, section
// 4.1.2.1).
func (s *Server) sendError(w http.ResponseWriter, r *http.Request, to target, f *failure) {
	slog.InfoContext(r.Context(), "authorization refused", "code", f.code, "why", f.why)
	s.sendBack(w, to, response{"error": f.code, "error_description": strings.ReplaceAll(f.description, `"`, "'")})
}

// sendBack sends the browser back to the client. iss is in every response,
// so that a client with several servers knows which one answered (RFC 9207,
// section 2).
func (s *Server) sendBack(w http.ResponseWriter, to target, says response) {
	query := url.Values{"iss": {s.issuer}}
	if to.state != "" {
		query.Set("state", to.state)
	}
	for name, value := range says {
		query.Set(name, value)
	}
	separator := "?"
	if strings.Contains(to.uri.String(), "?") {
		separator = "&"
	}
	s.redirect(w, to.uri.String()+separator+query.Encode())
}

// redirect uses 303, after which every browser forgets the body that it sent:
// 307 would pass a password on (RFC 9700, section 4.12).
func (s *Server) redirect(w http.ResponseWriter, location string) {
	pageHeaders(w)
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}
