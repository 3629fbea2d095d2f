package authserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"mcp-auth-step-by-step/internal/authserver/upstream"
)

// Upstream is a provider at which users log in; [upstream.Provider] is one.
type Upstream interface {
	Settings() *upstream.Settings
	Begin(state, nonce string, ask upstream.Ask) (attempt upstream.Attempt, location string, err error)
	Finish(ctx context.Context, attempt upstream.Attempt, answer url.Values) (*upstream.User, error)
}

// UpstreamRedirect is the redirect URI of an authorization server at the provider
// at which its users log in. Keycloak's has the same form.
func UpstreamRedirect(issuer string) string { return issuer + pathUpstream }

// loginElsewhere takes the button of the login page for the page of applications,
// the one login that is for no client.
func (s *Server) loginElsewhere(w http.ResponseWriter, r *http.Request, values url.Values) error {
	v, err := s.interactions.take(r, values.Get("request"), loginPage)
	if err != nil {
		return errForeignForm.because(err)
	}
	if !v.Account || len(values) != 1 {
		return errForeignForm
	}
	return s.leave(w, r, v)
}

// answerFirst takes the decision of the page that asks before the login.
func (s *Server) answerFirst(w http.ResponseWriter, r *http.Request, v interaction, values url.Values) error {
	v.Request.Unproven = false // the user has decided
	if !values.Has("accept") {
		return v.refuse(refuse("access_denied", "The user did not consent."))
	}
	return s.leave(w, r, v)
}

// leave sends the browser to the provider. Only now is there a state, and a cookie
// that ties it to this browser; each login has its own.
func (s *Server) leave(w http.ResponseWriter, r *http.Request, v interaction) error {
	state, proof := secret(), secret()
	ask := upstream.Ask{
		Fresh:  v.Request.prompts("login") || v.Request.MaxAge >= 0 && !v.Account,
		Choose: v.Request.prompts("select_account") || len(r.CookiesNamed(s.cookieName(chooseCookie))) > 0,
	}
	attempt, location, err := s.upstream.Begin(state, secret(), ask)
	if err != nil {
		return s.refuseLogin(w, v, err)
	}
	v.Attempt, v.Proof = &attempt, digest(proof)
	if err := s.interactions.keep(s.remote(r), state, v); err != nil {
		return v.refuse(err)
	}
	s.setCookie(w, proofCookie(state), proof, int(s.grants.lifetimes.login.Seconds()))
	redirect(w, location)
	return nil
}

// proofCookie is the name of the cookie of one login at the provider.
func proofCookie(state string) string { return upstreamCookie + "_" + digest(state)[:8] }

// back is where the provider sends the browser. Its answer counts once, in the
// browser that was sent there, for the request that its user allowed there.
func (s *Server) back(w http.ResponseWriter, r *http.Request) error {
	answer, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxQuery || len(answer["state"]) != 1 {
		return errStartAgain
	}
	state := answer.Get("state")
	v, err := s.interactions.take(r, state, providerPage)
	if err != nil {
		return errStartAgain.because(err)
	}
	s.setCookie(w, proofCookie(state), "", -1)
	who, err := s.finishLogin(r, *v.Attempt, answer)
	if err != nil {
		return s.refuseLogin(w, v, err)
	}
	s.setCookie(w, chooseCookie, "", -1)
	return s.goOn(w, r, v, who, func(string) error { return s.proceedAllowed(w, r, v.Request, who) })
}

// proceedAllowed answers with a code: the user has consented in this browser, and
// is now known. What the user's roles don't allow is left out.
func (s *Server) proceedAllowed(w http.ResponseWriter, r *http.Request, ask authorization, who session) error {
	c, err := s.clients.find(r.Context(), ask.ClientID)
	if err != nil {
		return err
	}
	if err := s.clients.loggedIn(c); err != nil {
		return err
	}
	user := s.users.subject(who.Subject)
	if user == nil {
		return refuse("access_denied", "The user no longer exists.")
	}
	if err := s.leaveOut(&ask, user); err != nil {
		return err
	}
	return s.finish(w, r, ask, who, true)
}

// finishLogin asks the provider who the user is, and keeps what it says. Failures
// are limited by address, since each of them is a request to the provider.
func (s *Server) finishLogin(r *http.Request, attempt upstream.Attempt, answer url.Values) (session, error) {
	address := s.remote(r)
	if err := s.upstreamTries.begin(r.Context(), address); err != nil {
		return session{}, err
	}
	said, err := s.upstream.Finish(r.Context(), attempt, answer)
	s.upstreamTries.end(address, err != nil)
	if errors.Is(err, upstream.ErrNotAllowed) && said != nil {
		// Whoever may not log in any more loses what an earlier login gave.
		err = errors.Join(err, s.users.upstream.remove(said.Subject))
	}
	if err != nil {
		return session{}, err
	}
	return s.users.upstream.add(said)
}

// loginRefusal says what came of a login at the provider: to the client as OAuth
// has it (RFC 6749, section 4.1.2.1), and to the user on a page.
type loginRefusal struct {
	is     error
	status int // of the page
	client *oauthError
	page   string // %s is the provider
}

var loginRefusals = []loginRefusal{
	{upstream.ErrAway, http.StatusServiceUnavailable,
		&oauthError{code: "temporarily_unavailable", description: "The provider at which users log in can't be reached. Try again later."},
		"Nobody can log in at the moment, because %s can't be reached. Try again in a few minutes."},
	{upstream.ErrCancelled, http.StatusForbidden,
		&oauthError{code: "access_denied", description: "The user did not log in."},
		"You did not log in at %s, or it does not let you. Nothing was allowed."},
	{upstream.ErrNotAllowed, http.StatusForbidden,
		&oauthError{code: "access_denied", description: "This user may not log in here."},
		"You logged in at %s with an account that may not be used here. Start again with another one, or ask the administrator of this server."},
	{upstream.ErrClaim, http.StatusBadGateway,
		&oauthError{code: "server_error", description: "The provider at which users log in did not say who the user is."},
		"The answer of %s does not say who you are. The administrator of this server finds the reason in its log."},
	{upstream.ErrResponse, http.StatusBadGateway,
		&oauthError{code: "server_error", description: "The answer of the provider at which users log in was refused."},
		"The answer of %s was refused, so you are not logged in. Start again. If it fails again, the administrator finds the reason in the log."},
	{errLimited, http.StatusTooManyRequests,
		&oauthError{code: "temporarily_unavailable", description: "Too many logins failed. Try again in a few minutes."},
		"Too many logins at %s failed from your address. Try again in a few minutes."},
}

// refuseLogin is the page for a login that failed, with the way back to the client.
// Whoever used the wrong account can choose another one the next time.
func (s *Server) refuseLogin(w http.ResponseWriter, v interaction, cause error) error {
	at := slices.IndexFunc(loginRefusals, func(r loginRefusal) bool { return errors.Is(cause, r.is) })
	if at < 0 {
		return v.refuse(cause)
	}
	refusal := loginRefusals[at]
	page := &pageError{refusal.status, fmt.Sprintf(refusal.page, s.upstream.Settings().Name)}
	if refusal.is == upstream.ErrNotAllowed {
		s.setCookie(w, chooseCookie, "yes", int(s.grants.lifetimes.login.Seconds()))
	}
	if v.Account {
		return page.because(cause)
	}
	told := *refusal.client
	told.cause = cause
	return &redirectError{to: v.Request.target(), cause: &told, page: page}
}
