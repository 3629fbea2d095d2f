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
)

// Entry is what is kept of one client at one authorization server for one
// resource (MC06). Nothing of it is ever used with another.
type Entry struct {
	Issuer   string       `json:"issuer"`
	Resource string       `json:"resource"`
	Server   string       `json:"server"` // the URL that was called
	Client   Registration `json:"client"`
	Token    *Token       `json:"token,omitempty"`
	DPoPKey  []byte       `json:"dpop_key,omitempty"` // PKCS #8
	Saved    time.Time    `json:"saved"`
}

// A Store keeps entries by issuer and resource. It must be safe for use by
// several goroutines.
type Store interface {
	// Load returns the entry of an issuer and a resource, or nil.
	Load(issuer, resource string) (*Entry, error)
	// ForServer returns the entries of the server with a URL.
	ForServer(server string) ([]*Entry, error)
	Save(*Entry) error
	Delete(issuer, resource string) error
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
		return nil, fmt.Errorf("there is no configuration folder: %w; name one with --store", err)
	}
	return &FileStore{Dir: filepath.Join(dir, "mcp-auth-step-by-step")}, nil
}

// path names the file of an entry by the whole hash of its key: names that were
// made readable, or shortened, could be the same for two servers.
func (s *FileStore) path(issuer, resource string) string {
	key, _ := json.Marshal([2]string{issuer, resource}) // so that no separator can be forged
	sum := sha256.Sum256(key)
	return filepath.Join(s.Dir, hex.EncodeToString(sum[:])+".json")
}

// Load reads the file of an entry. One that says something else than its name
// is an error.
func (s *FileStore) Load(issuer, resource string) (*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, err := s.read(s.path(issuer, resource))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && (entry.Issuer != issuer || entry.Resource != resource) {
		return nil, fmt.Errorf("%s holds the credentials of another server; delete it", s.path(issuer, resource))
	}
	return entry, err
}

// maxEntry is the size of the largest file that is read, in bytes.
const maxEntry = 1 << 20

func (s *FileStore) read(path string) (*Entry, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxEntry {
		return nil, fmt.Errorf("%s is too large to be an entry; delete it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	entry := &Entry{}
	if err := json.Unmarshal(text, entry); err != nil {
		return nil, fmt.Errorf("%s can't be read: %w; delete it and sign in again", path, err)
	}
	return entry, nil
}

// ForServer reads all files and returns those of a server.
func (s *FileStore) ForServer(server string) ([]*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths, err := filepath.Glob(filepath.Join(s.Dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var found []*Entry
	for _, path := range paths {
		entry, err := s.read(path)
		if err != nil {
			return nil, err
		}
		if entry.Server == server && s.path(entry.Issuer, entry.Resource) == path {
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
	temporary, err := os.CreateTemp(s.Dir, ".new-*") // which has mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(append(text, '\n'))
	if err == nil {
		err = temporary.Sync()
	}
	if err := errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), s.path(entry.Issuer, entry.Resource))
}

// Delete removes an entry, if there is one.
func (s *FileStore) Delete(issuer, resource string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Remove(s.path(issuer, resource)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// memoryStore keeps entries until the program ends.
type memoryStore struct {
	mu      sync.Mutex
	entries map[[2]string]Entry
}

func (s *memoryStore) Load(issuer, resource string) (*Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, ok := s.entries[[2]string{issuer, resource}]
	if !ok {
		return nil, nil
	}
	return &entry, nil
}

func (s *memoryStore) ForServer(server string) (found []*Entry, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range s.entries {
		if entry.Server == server {
			found = append(found, &entry)
		}
	}
	return found, nil
}

func (s *memoryStore) Save(entry *Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = map[[2]string]Entry{}
	}
	s.entries[[2]string{entry.Issuer, entry.Resource}] = *entry
	return nil
}

func (s *memoryStore) Delete(issuer, resource string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, [2]string{issuer, resource})
	return nil
}
