package authserver

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/oauth/pkce"
	"mcp-auth-step-by-step/internal/web/logging"
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
	Withheld    []string                `json:"withheld,omitempty"`    // asked for, and not for this client
	NotAllowed  []string                `json:"not_allowed,omitempty"` // asked for, and not for this user
	Unproven    bool                    `json:"unproven,omitempty"`    // of a client that chose an https redirect URI itself
	Prompt      []string                `json:"prompt,omitempty"`
	MaxAge      int64                   `json:"max_age"` // seconds; -1: any
}

func (a *authorization) prompts(value string) bool { return slices.Contains(a.Prompt, value) }

func (a *authorization) target() target { return target{a.RedirectURI, a.State, a.Unproven} }

// target is where an authorization response goes. Anybody can register an https
// redirect URI, so errors don't send the browser to an unproven one by
// themselves, until the user has decided about the client: the server would be an
// open redirector (RFC 9700, section 4.11.2; MCP, "Open Redirection").
type target struct {
	uri      clientmetadata.Redirect
	state    string
	unproven bool
}

// redirectError is an error that the client is told, by a redirect to it (OAuth
// 2.1, section 4.1.2.1).
type redirectError struct {
	to    target
	cause error
	page  *pageError // what the user is told before; nil: nothing
}

func (e *redirectError) Error() string { return e.cause.Error() }
func (e *redirectError) Unwrap() error { return e.cause }

// refuse is an error that goes to a target; nil stays nil.
func (t target) refuse(err error) error {
	if err == nil {
		return nil
	}
	return &redirectError{to: t, cause: err}
}

// browse makes a handler of a function that answers a person's browser. Its
// error goes to the client if it is a [redirectError], and to a page if not.
func (s *Server) browse(answer func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := answer(w, r)
		var back *redirectError
		switch {
		case errors.As(err, &back):
			s.logRefusal(r, "authorization refused", err)
			told := asOAuth(err)
			description := strings.ReplaceAll(told.description, `"`, "'")
			location := s.location.response(back.to, response{"error": told.code, "error_description": description})
			switch {
			case back.page != nil:
				s.pages.problem(w, back.page, location, back.to.uri.Destination())
			case back.to.unproven:
				page := problem("The application's request was refused: " + told.description)
				s.pages.problem(w, page, location, back.to.uri.Destination())
			default:
				redirect(w, location)
			}
		case err != nil:
			s.logRefusal(r, "page refused", err)
			page := &pageError{http.StatusInternalServerError, errInternal.description}
			errors.As(err, &page)
			s.pages.problem(w, page, "", "")
		}
	})
}

// authorize begins an interaction: it checks the request and shows the login
// page, or what follows it for a user who is logged in.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	c, to, err := s.identify(r)
	if err != nil {
		return err
	}
	ask, err := s.checkRequest(r, c, to)
	if err != nil {
		return to.refuse(err)
	}
	who, key, user := s.session(r)
	tooOld := ask.MaxAge >= 0 && s.now().Unix()-who.AuthTime > ask.MaxAge
	v := interaction{Request: ask, Browser: s.interactions.browser(w, r)}
	switch {
	case user != nil && !tooOld && !ask.prompts("login") && !ask.prompts("select_account"):
		return to.refuse(s.proceed(w, r, v, who, key, user))
	case ask.prompts("none"):
		return to.refuse(refuse("login_required", "The user has to log in."))
	}
	return to.refuse(s.startLogin(w, r, v, c))
}

// authorizeByPost takes a request in a form and sends the browser on with it in
// the URL: OpenID Connect Core, section 3.1.2.1, wants both methods. Cookies come
// with the second request alone, since the first may be another site's form.
func (s *Server) authorizeByPost(w http.ResponseWriter, r *http.Request) error {
	body, err := formBody(r)
	values, malformed := url.ParseQuery(body)
	if err != nil || malformed != nil || len(body) > maxQuery {
		return errUnreadable
	}
	redirect(w, s.base()+pathAuthorize+"?"+values.Encode())
	return nil
}

// identify finds the client and where to answer it. Until both are known to
// belong together nothing may be sent anywhere: its errors are for the user
// alone (OAuth 2.1, section 4.1.2.1).
func (s *Server) identify(r *http.Request) (c *client, to target, err error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxQuery {
		return nil, to, errUnreadable
	}
	id, uri := values["client_id"], values["redirect_uri"]
	if len(id) != 1 || len(uri) > 1 || id[0] == "" {
		return nil, to, problem("The application must send one client_id, and at most one redirect_uri.")
	}
	if c, err = s.clients.find(r.Context(), id[0]); err != nil {
		return nil, to, unknownApplication(err)
	}
	if to.uri, err = s.clients.redirectFor(c, values.Get("redirect_uri")); err != nil {
		return nil, to, err
	}
	if state := values["state"]; len(state) == 1 {
		to.state = state[0]
	}
	to.unproven = c.origin != fromRealmFile && !to.uri.Local() && values.Get("prompt") != "none"
	return c, to, nil
}

// redirectFor is where a client is answered: at the redirect URI that it asks for,
// which must be registered, or at the only one that is (OAuth 2.1, section 4.1.1).
func (c *clients) redirectFor(known *client, asked string) (clientmetadata.Redirect, error) {
	if asked == "" {
		if len(known.RedirectURIs) != 1 {
			return clientmetadata.Redirect{}, problem("The application must say which of its redirect URIs to use (redirect_uri).")
		}
		return known.RedirectURIs[0], nil
	}
	if uri, ok := known.MatchRedirect(asked); ok {
		return uri, nil
	}
	cause := fmt.Errorf("client %s", known.id)
	uri, err := clientmetadata.ParseRedirect(asked)
	if err == nil && known.origin != fromRealmFile && !c.scopes.realm.Registration.Permits(uri) {
		return uri, problem(asOAuth(notPermitted(uri)).description + " Nothing was sent there.").because(cause)
	}
	return clientmetadata.Redirect{}, problem("The application asks for a redirect URI that is not registered for it. " +
		"Nothing was sent there.").because(cause)
}

// unknownApplication is the page for a client that can't be found.
func unknownApplication(err error) error {
	var refused *clientmetadata.Error
	if errors.As(err, &refused) {
		return problem(refused.Description).because(err)
	}
	return problem("This server does not know the application, or has forgotten it. " +
		"Let the application register again.").because(err)
}

// checkRequest checks the rest. Its errors are for the client.
func (s *Server) checkRequest(r *http.Request, c *client, to target) (ask authorization, err error) {
	values, err := parameters(r.URL.RawQuery)
	if err != nil {
		return ask, err
	}
	ask = authorization{
		ClientID: c.id, RedirectURI: to.uri, State: to.state, Nonce: values.Get("nonce"),
		Resource: s.grants.resource, Prompt: prompts(values.Get("prompt")), Challenge: values.Get("code_challenge"), Unproven: to.unproven,
	}
	if err := checkForm(values); err != nil {
		return ask, err
	}
	if !c.AllowsGrant(clientmetadata.GrantCode) {
		return ask, refuse("unauthorized_client", "This client may not use the authorization code grant.")
	}
	if len(ask.Prompt) > 1 && ask.prompts("none") {
		return ask, refuse("invalid_request", "prompt=none can't be combined with other values.")
	}
	if ask.MaxAge, err = maxAge(values.Get("max_age")); err != nil {
		return ask, err
	}
	if err := checkResource(s.grants.resource, values["resource"]); err != nil {
		return ask, err
	}
	ask.Scopes, ask.Withheld, err = s.scopes.requested(c, values.Get("scope"))
	return ask, err
}

// checkForm checks the parameters that don't depend on the client.
func checkForm(values url.Values) error {
	switch {
	case len(values.Get("state")) > maxState, len(values.Get("nonce")) > maxNonce, len(values.Get("scope")) > maxScope:
		return refuse("invalid_request", "state, nonce or scope is too long.")
	case values.Get("response_type") == "":
		return refuse("invalid_request", "response_type is missing: it must be code.")
	case values.Get("response_type") != "code":
		return refuse("unsupported_response_type", "response_type must be code.")
	case values.Has("request"):
		return refuse("request_not_supported", "Send the parameters themselves.")
	case values.Has("request_uri"):
		return refuse("request_uri_not_supported", "Send the parameters themselves.")
	case values.Has("response_mode") && values.Get("response_mode") != "query":
		return refuse("invalid_request", "response_mode must be query.")
	// RFC 7636, section 4.3: without a method the challenge would be plain.
	case values.Get("code_challenge_method") != pkce.Method || !pkce.ValidChallenge(values.Get("code_challenge")):
		return refuse("invalid_request", "PKCE is required: send code_challenge_method=S256 and a code_challenge of 43 characters.")
	}
	return nil
}

// promptValues are those of OpenID Connect Core, section 3.1.2.1. Others have no
// effect.
var promptValues = []string{"none", "login", "consent", "select_account"}

func prompts(list string) []string {
	return without(words(list), func(value string) bool { return !slices.Contains(promptValues, value) })
}

func maxAge(text string) (int64, error) {
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
func (s *Server) proceed(w http.ResponseWriter, r *http.Request, v interaction, who session, sessionKey string, user *account) error {
	if err := s.leaveOut(&v.Request, user); err != nil {
		return err
	}
	v.Session = sessionKey
	if err := s.interactions.touch(sessionKey, who); err != nil {
		return err
	}
	switch {
	case !v.Request.prompts("consent") && s.grants.remembers(who.Subject, v.Request):
		return s.finish(w, r, v.Request, who, false)
	case v.Request.prompts("none"):
		return refuse("consent_required", "The user has to consent, and prompt=none doesn't allow to ask; send the user without it.")
	}
	return s.nextPage(w, who.Subject, v, pathConsent)
}

// leaveOut leaves the scopes out of a request that the user's roles don't allow.
func (s *Server) leaveOut(ask *authorization, user *account) error {
	allowed := s.scopes.ofUser(user.User, ask.Scopes)
	if len(ask.Scopes) > 0 && len(allowed) == 0 {
		return refuse("access_denied", "The user may not grant any of the scopes that were asked for.")
	}
	ask.NotAllowed = without(ask.Scopes, func(name string) bool { return slices.Contains(allowed, name) })
	ask.Scopes = allowed
	return nil
}

// nextPage sends the browser to the page where an interaction goes on, on the
// account of a caller.
func (s *Server) nextPage(w http.ResponseWriter, caller string, v interaction, path string) error {
	id := secret()
	if err := s.interactions.keep(caller, id, v); err != nil {
		return err
	}
	redirect(w, s.base()+path+"?request="+id)
	return nil
}

// finish answers with a code.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, ask authorization, who session, remember bool) error {
	code, err := s.grants.issueCode(ask, who, remember)
	if err != nil {
		return err
	}
	logging.FromContext(r.Context()).Info("authorization granted",
		"client_id", ask.ClientID, "sub", who.Subject, "scope", scopeList(ask.Scopes))
	redirect(w, s.location.response(ask.target(), response{"code": code}))
	return nil
}

// response is what an authorization response says, besides state and iss.
type response map[string]string

// response is the URL that brings a response to the client. iss is in every
// response, so that a client with several servers knows which one answered (RFC
// 9207, section 2).
func (l location) response(to target, says response) string {
	query := url.Values{"iss": {l.issuer}}
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
	return to.uri.String() + separator + query.Encode()
}

// redirect uses 303, after which every browser forgets the body that it sent:
// 307 would pass a password on (RFC 9700, section 4.12).
func redirect(w http.ResponseWriter, location string) {
	pageHeaders(w)
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}
