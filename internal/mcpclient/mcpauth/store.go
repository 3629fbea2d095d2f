package mcpauth

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"mcp-auth-step-by-step/internal/localfile"
)

// Entry is what is kept of one client at one authorization server for one
// resource (MC06). Nothing of it is ever used with another.
type Entry struct {
	Issuer      string       `json:"issuer"`
	Resource    string       `json:"resource"`
	ResourceURL string       `json:"server"` // of the MCP server that was called
	Client      Registration `json:"client"`
	Token       *Token       `json:"token,omitempty"`
	DPoPKey     []byte       `json:"dpop_key,omitempty"` // PKCS #8
	Saved       time.Time    `json:"saved"`
	// MetadataURL is where the resource metadata stands, if only a challenge
	// names it.
	MetadataURL string `json:"resource_metadata,omitempty"`
	// Server is the metadata of the issuer, so that a refresh needs no discovery.
	Server *AuthorizationServer `json:"authorization_server,omitempty"`
}

// EntryKey identifies an entry.
type EntryKey struct{ Issuer, Resource, ResourceURL string }

func (e *Entry) key() EntryKey { return EntryKey{e.Issuer, e.Resource, e.ResourceURL} }

// ErrLocked says that another program uses an entry.
var ErrLocked = errors.New("another program uses this entry of the store")

// A Store keeps entries. It must be safe for use by several goroutines.
type Store interface {
	// Load returns the entry of a key, or nil.
	Load(EntryKey) (*Entry, error)
	// ForResourceURL returns the entries of the MCP server with a URL.
	ForResourceURL(string) ([]*Entry, error)
	Save(*Entry) error
	Delete(EntryKey) error
	// Lock takes an entry for one user, in whichever process, until unlock is
	// called. It returns [ErrLocked], and doesn't wait, while another has it.
	Lock(EntryKey) (unlock func(), err error)
}

// FileStore keeps each entry in a file of a folder, readable by its owner
// alone (MC14).
type FileStore struct {
	Dir string
	mu  sync.Mutex
}

// DefaultStore is in the user's configuration folder.
func DefaultStore() (*FileStore, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("this system has no configuration folder: %w; give a folder with --store", err)
	}
	return &FileStore{Dir: filepath.Join(dir, "mcp-auth-step-by-step")}, nil
}

// path names the file of an entry by the whole hash of its key: names that were
// made readable, or shortened, could be the same for two servers. A resource
// that is not the server itself, but its whole origin, has an entry for each
// server: what one of them got is not for its neighbours (RFC 9728, section 3.3).
func (s *FileStore) path(key EntryKey) string {
	parts := []string{key.Issuer, key.Resource}
	if canonical(key.Resource) != canonical(key.ResourceURL) {
		parts = append(parts, canonical(key.ResourceURL))
	}
	text, _ := json.Marshal(parts) // so that no separator can be forged
	sum := sha256.Sum256(text)
	return filepath.Join(s.Dir, hex.EncodeToString(sum[:])+".json")
}

// Load reads the file of an entry. It is an error if the file has the content of
// another.
func (s *FileStore) Load(key EntryKey) (*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := s.path(key)
	entry, err := s.read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && s.path(entry.key()) != path {
		return nil, fmt.Errorf("%s holds the credentials of another server; delete it", path)
	}
	return entry, err
}

// maxEntry is the size of the largest file that is read, in bytes.
const maxEntry = 1 << 20

func (s *FileStore) read(path string) (*Entry, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file; delete it and log in again", path)
	}
	text, err := localfile.ReadSecret(path, localfile.OwnerOnly, maxEntry)
	if err != nil {
		return nil, fmt.Errorf("%w; or delete it and log in again", err)
	}
	entry := &Entry{}
	if err := json.Unmarshal(text, entry); err != nil {
		return nil, fmt.Errorf("%s can't be read: %w; delete it and log in again", path, err)
	}
	return entry, nil
}

// ForResourceURL reads all files and returns those of a server.
func (s *FileStore) ForResourceURL(server string) ([]*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths, err := filepath.Glob(filepath.Join(s.Dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var found []*Entry
	for _, path := range paths {
		entry, err := s.read(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another program has deleted it
		}
		if err != nil {
			return nil, err
		}
		if canonical(entry.ResourceURL) == canonical(server) && s.path(entry.key()) == path {
			found = append(found, entry)
		}
	}
	return found, nil
}

// Save writes an entry. Its file appears whole or not at all, with mode 0600
// from the first byte.
func (s *FileStore) Save(entry *Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(entry, "", "  ")
	if err != nil {
		return err
	}
	return localfile.Write(s.path(entry.key()), append(text, '\n'), 0o600)
}

// Delete removes an entry, if there is one.
func (s *FileStore) Delete(key EntryKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Remove(s.path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Lock locks a file beside that of the entry, and removes it when it is unlocked.
// The system unlocks it too when the program ends, however that happens.
func (s *FileStore) Lock(key EntryKey) (unlock func(), err error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, err
	}
	path := s.path(key) + ".lock"
	lock := flock.New(path, flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("%s can't be locked: %w", path, err)
	}
	if !locked {
		return nil, ErrLocked
	}
	// Whoever had it before may have removed the file since it was opened here;
	// then the next one would lock another file.
	opened, openedErr := lock.Stat()
	there, thereErr := os.Stat(path)
	if openedErr != nil || thereErr != nil || !os.SameFile(opened, there) {
		return nil, errors.Join(ErrLocked, lock.Unlock())
	}
	return func() { _, _ = os.Remove(path), lock.Unlock() }, nil
}

// memoryStore keeps entries until the program ends. One Transport uses it, which
// never runs two flows at the same time, so nothing needs to be locked.
type memoryStore struct {
	mu      sync.Mutex
	entries map[EntryKey]Entry
}

func (s *memoryStore) Load(key EntryKey) (*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, ok := s.entries[key]
	if !ok {
		return nil, nil
	}
	return &entry, nil
}

func (s *memoryStore) ForResourceURL(server string) (found []*Entry, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range s.entries {
		if entry.ResourceURL == server {
			found = append(found, &entry)
		}
	}
	return found, nil
}

func (s *memoryStore) Save(entry *Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = map[EntryKey]Entry{}
	}
	s.entries[entry.key()] = *entry
	return nil
}

func (s *memoryStore) Delete(key EntryKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, key)
	return nil
}

func (*memoryStore) Lock(EntryKey) (func(), error) { return func() {}, nil }
