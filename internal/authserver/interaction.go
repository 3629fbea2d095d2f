package authserver

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/authserver/upstream"
)

// session is a user who is logged in, in one browser. It is found by the digest
// of its cookie.
type session struct {
	Subject  string `json:"subject"`
	AuthTime int64  `json:"auth_time"` // Unix seconds
	// Since is from when on the login counts, where users log in at a provider that
	// may have known them for long. In Unix seconds; 0: AuthTime.
	Since int64 `json:"since,omitempty"`
}

// interaction is an authorization request on its way through the pages, or a login
// for the page of applications. It is found by the digest of an identifier in the
// page's form, works in one browser only, and is used up by the answer. So forged,
// tampered and repeated answers fail.
type interaction struct {
	Request authorization `json:"request"`
	Account bool          `json:"account,omitempty"` // there is no request: the page of applications comes next
	Browser string        `json:"browser"`           // digest of the cookie
	Session string        `json:"session,omitempty"` // digest of the cookie; empty until somebody logged in

	// Attempt is the login at a provider for which the browser was sent away; Proof is
	// the digest of its cookie.
	Attempt *upstream.Attempt `json:"attempt,omitempty"`
	Proof   string            `json:"proof,omitempty"`
}

// refuse is an error for the client of the request, if there is one; nil stays nil.
func (v interaction) refuse(err error) error {
	if v.Account {
		return err
	}
	return v.Request.target().refuse(err)
}

// interactions keeps who is logged in, and what is on its way through the pages:
// what waits for a login counts against its address, what waits for a decision
// against its user.
type interactions struct {
	location
	store     *store.Memory
	pending   table[interaction]
	decisions table[interaction]
	sessions  table[session]
	lifetimes lifetimes
	now       func() time.Time
}

// browser returns the digest of the browser's cookie, and sets one where there
// is none.
func (i *interactions) browser(w http.ResponseWriter, r *http.Request) string {
	if known := i.cookieDigest(r, browserCookie); known != "" {
		return known
	}
	id := secret()
	i.setCookie(w, browserCookie, id, 0)
	return digest(id)
}

// session returns who is logged in, and by which key.
func (i *interactions) session(r *http.Request) (found session, key string, ok bool) {
	if key = i.cookieDigest(r, sessionCookie); key != "" {
		found, ok, _ = i.sessions.find(i.store, key)
	}
	return found, key, ok
}

// session returns who is logged in, and by which key. user is nil if nobody is; a
// user of a provider who may not log in any more isn't.
func (s *Server) session(r *http.Request) (who session, key string, user *account) {
	who, key, ok := s.interactions.session(r)
	if ok {
		user = s.users.subject(who.Subject)
	}
	return who, key, user
}

// begin starts a session with a new identifier, so that one which was known
// before the login, or set by somebody else, is worth nothing (session
// fixation).
func (i *interactions) begin(w http.ResponseWriter, r *http.Request, started session) (key string, err error) {
	id := secret()
	err = i.store.Update(func(tx store.Tx) error {
		if err := i.sessions.delete(tx, i.cookieDigest(r, sessionCookie)); err != nil {
			return err
		}
		return i.sessions.add(tx, started.Subject, digest(id), started, i.sessionEnd(started))
	})
	i.setCookie(w, sessionCookie, id, 0)
	return digest(id), err
}

// touch keeps a session that is used.
func (i *interactions) touch(key string, used session) error {
	return i.store.Update(func(tx store.Tx) error {
		return i.sessions.replace(tx, key, used, false, i.sessionEnd(used))
	})
}

// sessionEnd is when a session expires that is used now.
func (i *interactions) sessionEnd(used session) time.Time {
	unused, tooOld := i.now().Add(i.lifetimes.idle), time.Unix(used.since(), 0).Add(i.lifetimes.longest)
	return slices.MinFunc([]time.Time{unused, tooOld}, time.Time.Compare)
}

// end ends the session of a browser.
func (i *interactions) end(w http.ResponseWriter, r *http.Request) error {
	i.setCookie(w, sessionCookie, "", -1)
	return i.store.Update(func(tx store.Tx) error { return i.sessions.delete(tx, i.cookieDigest(r, sessionCookie)) })
}

// keep stores an interaction on the account of a caller. The caller is the address
// that it comes from, or once somebody has logged in, the user. id is the identifier
// for its page, which must be a secret.
func (i *interactions) keep(caller, id string, v interaction) error {
	now := i.now()
	at := loginPage
	if v.Session != "" {
		at = consentPage
	}
	return i.store.Update(func(tx store.Tx) error {
		return i.of(at).add(tx, caller, digest(id), v, now.Add(i.lifetimes.login))
	})
}

// page is where an interaction is: nobody is logged in at the login page; at the
// consent page the interaction belongs to a session. Where users log in at a
// provider, they are asked before, and are then at the provider's pages.
type page string

const (
	loginPage    page = "login"
	consentPage  page = "consent"
	askPage      page = "ask"
	providerPage page = "provider"
)

// of is where the interactions of a page are.
func (i *interactions) of(at page) table[interaction] {
	if at == consentPage {
		return i.decisions
	}
	return i.pending
}

// errNoInteraction says that a page is used up or expired, or was made for
// another browser or session.
var errNoInteraction = errors.New("no such interaction in this browser")

// find returns the interaction of a page that this browser was shown.
func (i *interactions) find(r *http.Request, id string, at page) (v interaction, err error) {
	err = i.store.View(func(tx store.Reader) error {
		v, err = i.get(tx, r, id, at)
		return err
	})
	return v, err
}

// take is find, and uses the interaction up. Of many that try, one gets it.
func (i *interactions) take(r *http.Request, id string, at page) (v interaction, err error) {
	err = i.store.Update(func(tx store.Tx) error {
		if v, err = i.get(tx, r, id, at); err != nil {
			return err
		}
		return i.of(at).delete(tx, digest(id))
	})
	return v, err
}

func (i *interactions) get(tx store.Reader, r *http.Request, id string, at page) (interaction, error) {
	v, ok := i.of(at).get(tx, digest(id))
	session := ""
	if at == consentPage {
		session = i.cookieDigest(r, sessionCookie)
	}
	switch {
	case !ok || v.Browser != i.cookieDigest(r, browserCookie) || v.Session != session,
		at == consentPage && session == "",
		(at == consentPage || at == askPage) && v.Account,
		(at == providerPage) != (v.Attempt != nil),
		at == providerPage && v.Proof != i.cookieDigest(r, proofCookie(id)):
		return interaction{}, errNoInteraction
	}
	return v, nil
}
