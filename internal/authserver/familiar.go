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

	mu     sync.Mutex
	known  map[string]bool // by user and address
	ledger *quota.Ledger
}

const (
	// AddressesPerUser is how many addresses of one user are remembered, and
	// FamiliarAddresses of all.
	AddressesPerUser  = 20
	FamiliarAddresses = 10_000

	familiarFor = 90 * 24 * time.Hour
)

func newFamiliar(now func() time.Time) *familiar {
	return &familiar{now: now, known: map[string]bool{}, ledger: quota.New(AddressesPerUser, FamiliarAddresses)}
}

func (f *familiar) has(userAndAddress string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[userAndAddress]
}

// add remembers an address of a user, on that user's account.
func (f *familiar) add(user, userAndAddress string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	gone, err := f.ledger.Add(user, userAndAddress, now.Add(familiarFor), now)
	for _, old := range gone {
		delete(f.known, old)
	}
	if err == nil {
		f.known[userAndAddress] = true
	}
}
