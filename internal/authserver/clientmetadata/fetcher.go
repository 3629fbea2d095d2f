package clientmetadata

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/web/cachecontrol"
	"mcp-auth-step-by-step/internal/web/quota"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

const (
	// How long a document is kept: what its Cache-Control says, within these
	// bounds (draft 02, section 5.2). The lower one also hides from the client's
	// site how often its users log in.
	minFresh     = time.Minute
	defaultFresh = 5 * time.Minute
	maxFresh     = 24 * time.Hour

	// retryAfter is the pause after a failure. Section 5.2 says not to cache
	// failures; but a caller who repeats a URL must not make this server repeat
	// its requests to somebody else's site.
	retryAfter = 10 * time.Second

	// MaxDocuments is how many are kept at a time, and how many failures and fetches
	// under way.
	MaxDocuments = 1000
	fetchTimeout = 10 * time.Second
)

// Fetcher fetches Client ID Metadata Documents and caches them. It is safe for
// concurrent use: concurrent calls for one document wait for the same fetch.
type Fetcher struct {
	client *http.Client
	now    func() time.Time

	mu       sync.Mutex
	known    map[string]*fetched
	good     *quota.Ledger // documents that were good once, by host
	others   *quota.Ledger // failures and fetches under way, by caller
	accounts accounts
}

// fetched is one document, or its failure, from the first request for it on.
type fetched struct {
	done chan struct{} // closed when the rest is there
	m    *Metadata
	err  error
	ends time.Time // of use; zero while the fetch runs

	proven       bool // there was a good document once
	host, caller string
}

// NewFetcher makes a fetcher. The client should be one of
// [safefetch.NewClient]: anybody can choose the URL. now is the clock; nil: the
// real one.
func NewFetcher(client *http.Client, now func() time.Time) *Fetcher {
	if now == nil {
		now = time.Now
	}
	return &Fetcher{
		client: client, now: now, known: map[string]*fetched{}, accounts: newAccounts(),
		good: quota.New(MaxDocuments, MaxDocuments), others: quota.New(MaxDocuments, MaxDocuments),
	}
}

// Fetch returns the metadata of the client whose client_id is a URL. A fetch is
// counted on the account of [WithCaller]. Errors wrap an [*Error] that may be
// shown; their own text is for logs.
func (f *Fetcher) Fetch(ctx context.Context, clientID string) (*Metadata, error) {
	if !IsURL(clientID) {
		return nil, &Error{InvalidClient, "The client_id " + quoted(clientID) +
			" is not the URL of a client metadata document: it needs https and a path."}
	}
	entry, err := f.entry(ctx, clientID)
	if err != nil {
		return nil, err
	}
	select {
	case <-entry.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if entry.err != nil {
		return nil, entry.err
	}
	return entry.m.clone(), nil
}

// entry returns what is known or under way, or begins a fetch.
func (f *Fetcher) entry(ctx context.Context, clientID string) (*fetched, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.known[clientID]
	if old != nil && (old.ends.IsZero() || f.now().Before(old.ends)) {
		return old, nil
	}
	u, err := url.Parse(clientID)
	if err != nil {
		return nil, err
	}
	proven, caller := old != nil && old.proven, Caller(ctx)
	if !f.accounts.begin(caller, u.Host, proven, f.now()) {
		return nil, &Error{InvalidClient, "Too many client metadata documents were fetched for you or from this host. Try again in a minute."}
	}
	entry := &fetched{done: make(chan struct{}), proven: proven, host: u.Host, caller: caller}
	f.keep(clientID, entry)
	// The first caller may give up while others still wait.
	go f.fill(context.WithoutCancel(ctx), clientID, entry)
	return entry, nil
}

// never is when a good document is forgotten, as long as there is room: a new
// fetch of it is let through where others aren't.
var never = time.Unix(1<<40, 0)

// keep counts an entry, anew if it is there already, and forgets others where there
// are as many as may be, by the rule of package quota.
func (f *Fetcher) keep(clientID string, entry *fetched) {
	ledger, account, expires := f.others, entry.caller, f.now().Add(fetchTimeout+retryAfter)
	if entry.proven {
		ledger, account, expires = f.good, entry.host, never
		f.others.Remove(clientID)
	}
	gone, _ := ledger.Add(account, clientID, expires, f.now()) // nothing is proven, so there is always one that can go
	for _, old := range gone {
		delete(f.known, old)
	}
	f.known[clientID] = entry
}

// fill fetches an entry's document.
func (f *Fetcher) fill(ctx context.Context, clientID string, entry *fetched) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	m, fresh, err := f.get(ctx, clientID)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		fresh = retryAfter
	}
	entry.m, entry.err, entry.ends, entry.proven = m, err, f.now().Add(fresh), entry.proven || err == nil
	f.accounts.end(entry.caller, entry.host)
	if err == nil {
		f.keep(clientID, entry)
	}
	close(entry.done)
}

// get fetches a document, and says how long it may be kept.
func (f *Fetcher) get(ctx context.Context, clientID string) (m *Metadata, fresh time.Duration, err error) {
	body, header, err := safefetch.Get(ctx, f.client, clientID, MaxDocument)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", &Error{InvalidClient, "The document at the client_id could not be fetched."}, err)
	}
	m, err = parseDocument(clientID, header.Get("Content-Type"), body)
	return m, cachecontrol.Lifetime(header, defaultFresh, minFresh, maxFresh), err
}
