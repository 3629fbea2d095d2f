package authserver

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

// PasswordCost is what one check of a password costs, with Argon2id (RFC
// 9106). It bounds how fast a stolen list of hashes can be searched, and is
// what most of the time of a login goes into. The zero value of a field means
// the default.
type PasswordCost struct {
	Memory uint32 // KiB; 19456 by default
	Passes uint32 // 2 by default
}

func (c PasswordCost) withDefaults() PasswordCost {
	return PasswordCost{Memory: cmp.Or(c.Memory, 19<<10), Passes: cmp.Or(c.Passes, 2)}
}

// directory holds the users. Their passwords are in it as hashes.
type directory struct {
	users   map[string]*account // by user name
	nobody  []byte              // salt for users who don't exist
	cost    PasswordCost
	running chan struct{} // bounds how many hashes are computed at once
	derive  func(password string, salt []byte) []byte
}

type account struct {
	realm.User
	salt, hash []byte
}

// newDirectory hashes the passwords of the users who have one.
func newDirectory(r *realm.Realm, cost PasswordCost) *directory {
	d := &directory{
		users:   map[string]*account{},
		nobody:  newSalt(),
		cost:    cost.withDefaults(),
		running: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	d.derive = func(password string, salt []byte) []byte {
		d.running <- struct{}{}
		defer func() { <-d.running }()
		return argon2.IDKey([]byte(password), salt, d.cost.Passes, d.cost.Memory, 1, 32)
	}
	for _, user := range r.Users {
		a := &account{User: user, salt: newSalt()}
		if a.ID == "" {
			a.ID = subjectOf(r.Name, user.Username)
		}
		if user.Password != "" {
			a.hash = d.derive(user.Password, a.salt)
		}
		a.Password = ""
		d.users[user.Username] = a
	}
	return d
}

// check returns the user of a name and password, or nil. For a user who isn't
// there it does the same work, so that time doesn't tell who is.
func (d *directory) check(username, password string) *account {
	user := d.users[strings.ToLower(username)]
	if user == nil || user.hash == nil {
		d.derive(password, d.nobody)
		return nil
	}
	if subtle.ConstantTimeCompare(d.derive(password, user.salt), user.hash) != 1 {
		return nil
	}
	return user
}

// subject returns the user whose id is sub.
func (d *directory) subject(sub string) *account {
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

// subjectOf makes up the id of a user for whom the realm file has none. It is
// the same at every start, and not the name: names are given to others again.
func subjectOf(realmName, username string) string {
	mac := hmac.New(sha256.New, []byte("subject of realm "+realmName))
	mac.Write([]byte(username))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

func newSalt() []byte {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails, by its contract
	return salt
}
