package authserver

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/store"
)

// PasswordCost is what one check of a password costs, with Argon2id (RFC 9106).
// It bounds how fast a stolen list of hashes can be searched, and is most of the
// time that a login takes. The zero value of a field means the default.
type PasswordCost struct {
	Memory uint32 // KiB; 19456 by default
	Passes uint32 // 2 by default
}

func (c PasswordCost) withDefaults() PasswordCost {
	return PasswordCost{Memory: cmp.Or(c.Memory, 19<<10), Passes: cmp.Or(c.Passes, 2)}
}

// directory holds the users, their passwords as hashes, and bounds how often
// passwords are tried.
type directory struct {
	users          map[string]*account // by user name
	dummySalt      []byte              // for user names that don't exist
	queue, running chan struct{}       // one entry for each hash that is waited for, or is being computed
	// The same, of those from addresses that are not familiar.
	waiting, newcomers chan struct{}
	derive             func(ctx context.Context, password string, salt []byte) ([]byte, error)
	// Wrong passwords are limited by address, by user and address, and by user
	// from all addresses but those from which that user has logged in.
	fromAddress, byBoth, byName *limiter
	familiar                    *familiar
	upstream                    *federation // nil: users log in here
}

type account struct {
	realm.User
	salt, hash []byte
}

// newDirectory hashes the passwords of the users who have one.
func newDirectory(r *realm.Realm, cost PasswordCost, limits Limits, now func() time.Time) (*directory, error) {
	d := &directory{
		users:       map[string]*account{},
		dummySalt:   []byte(secret()),
		queue:       make(chan struct{}, HashQueue),
		running:     make(chan struct{}, min(HashesAtOnce, runtime.GOMAXPROCS(0))),
		waiting:     make(chan struct{}, HashQueue),
		newcomers:   make(chan struct{}, max(1, min(HashesAtOnce, runtime.GOMAXPROCS(0))/2)),
		fromAddress: newLimiter(limits.AddressTries, limits.TryInterval/10, now),
		byBoth:      newLimiter(limits.UserTries, limits.TryInterval, now),
		byName:      newLimiter(limits.UserTriesFromAll, limits.TryInterval, now),
		familiar:    newFamiliar(now),
	}
	d.derive = d.argon2(cost.withDefaults())
	for _, user := range r.Users {
		a := &account{User: user, salt: []byte(secret())}
		if a.ID == "" {
			a.ID = subjectOf(r.Name, user.Username)
		}
		if user.Password != "" {
			var err error
			if a.hash, err = d.derive(context.Background(), user.Password, a.salt); err != nil {
				return nil, err
			}
		}
		a.Password = ""
		d.users[user.Username] = a
	}
	return d, nil
}

const (
	// HashesAtOnce is how many passwords are checked at a time, of which guesses
	// have at most half. Each needs the memory of [PasswordCost].
	HashesAtOnce = 2
	// HashQueue is how many checks may wait, beyond which one more is refused: that
	// many take some seconds.
	HashQueue = 256
)

var errHashQueue = &oauthError{status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
	description: "Too many people are logging in. Try again in a moment."}

// argon2 returns the hash function.
func (d *directory) argon2(cost PasswordCost) func(context.Context, string, []byte) ([]byte, error) {
	return func(ctx context.Context, password string, salt []byte) ([]byte, error) {
		done, err := take(ctx, d.queue, d.running)
		if err != nil {
			return nil, err
		}
		defer done()
		return argon2.IDKey([]byte(password), salt, cost.Passes, cost.Memory, 1, 32), nil
	}
}

// take waits in a queue for a place. A request that ends while it waits gets none.
func take(ctx context.Context, queue, places chan struct{}) (done func(), err error) {
	select {
	case queue <- struct{}{}:
	default:
		return nil, errHashQueue
	}
	select {
	case places <- struct{}{}:
		return func() { <-places; <-queue }, nil
	case <-ctx.Done():
		<-queue
		return nil, ctx.Err()
	}
}

var (
	errPassword    = errors.New("wrong user name or password")
	errLoginFailed = &oauthError{http.StatusUnauthorized, "invalid_grant", "The user name or the password is wrong.", errPassword}
)

// logIn returns the user of a name and password. Tries are limited by user name,
// whether it exists or not, and by address. Beyond the limit even the right
// password isn't checked, so that it can't be told from a wrong one (RFC 6819,
// section 5.1.4.2).
//
// Whoever guesses from other addresses doesn't lock a user out of those from which
// the user has logged in.
func (d *directory) logIn(ctx context.Context, username, password, address string) (user *account, err error) {
	name := digest(strings.ToLower(username))
	both := name + " " + address
	tries := []struct {
		limit *limiter
		key   string
	}{{d.fromAddress, address}, {d.byBoth, both}, {d.byName, name}}
	known := d.familiar.has(both)
	if known {
		tries = tries[:2]
	}
	wrong := true // until it is known
	for _, try := range tries {
		if err := try.limit.begin(ctx, try.key); err != nil {
			if errors.Is(err, errLimited) {
				err = tooManyTries("There were too many wrong tries. Wait a minute and try again.")
			}
			return nil, err
		}
		defer func() { try.limit.end(try.key, wrong) }()
	}
	if !known { // who guesses has at most half of the places
		done, err := take(ctx, d.waiting, d.newcomers)
		if wrong = false; err != nil {
			return nil, err
		}
		defer done()
	}
	user, err = d.check(ctx, username, password)
	if wrong = errors.Is(err, errPassword); err == nil {
		d.familiar.add(name, both)
	}
	return user, err
}

// check compares a password. For a user who doesn't exist it does the same work,
// so that time doesn't tell who exists.
func (d *directory) check(ctx context.Context, username, password string) (*account, error) {
	user := d.users[strings.ToLower(username)]
	if user == nil || user.hash == nil {
		user = &account{salt: d.dummySalt}
	}
	hash, err := d.derive(ctx, password, user.salt)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(hash, user.hash) != 1 {
		return nil, errLoginFailed
	}
	return user, nil
}

// subject returns the user whose id is sub, or nil.
func (d *directory) subject(sub string) (found *account) {
	if d.upstream == nil {
		return d.in(nil, sub)
	}
	_ = d.upstream.store.View(func(tx store.Reader) error {
		found = d.in(tx, sub)
		return nil
	})
	return found
}

// in is subject within a transaction.
func (d *directory) in(tx store.Reader, sub string) *account {
	if d.upstream != nil {
		return d.upstream.find(tx, sub)
	}
	for _, user := range d.users {
		if user.ID == sub {
			return user
		}
	}
	return nil
}

// serviceAccount is the user as whom a client acts for itself; one without any
// role where the realm names none.
func (d *directory) serviceAccount(clientID string) realm.User {
	for _, user := range d.users {
		if user.ServiceAccountOf == clientID {
			return user.User
		}
	}
	return realm.User{Username: "service-account-" + clientID}
}

// subjectOf makes the id of a user for whom the realm file has none. It is the
// same at every start. It is not the name, which may be given to somebody else.
func subjectOf(realmName, username string) string {
	mac := hmac.New(sha256.New, []byte("subject of realm "+realmName))
	mac.Write([]byte(username))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
