package authserver

import (
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/web/quota"
)

// familiar remembers from which addresses each user has logged in, of a bounded
// number of users and addresses, until the server ends.
type familiar struct {
	now func() time.Time

	mu    sync.Mutex
	known *quota.Ledger // by user and address
}

const (
	// AddressesPerUser is how many addresses of one user are remembered, and
	// FamiliarAddresses of all.
	AddressesPerUser  = 20
	FamiliarAddresses = 10_000

	familiarFor = 90 * 24 * time.Hour
)

func newFamiliar(now func() time.Time) *familiar {
	return &familiar{now: now, known: quota.New(AddressesPerUser, FamiliarAddresses)}
}

func (f *familiar) has(userAndAddress string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known.Has(userAndAddress)
}

// add remembers an address of a user, on that user's account.
func (f *familiar) add(user, userAndAddress string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	_, _ = f.known.Add(user, userAndAddress, now.Add(familiarFor), now) // none is proven, so there is always one that can go
}
