package realm

import (
	"encoding/json"
	"fmt"
	"strings"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/keycloak"
)

// File is a realm file whose placeholders are filled in. Its members are what
// Keycloak's REST API takes, which fills in none.
type File struct {
	Path    string // as it was opened; "the demo realm" for the built-in one
	Members map[string]any
}

// Open reads the realm file at a path, or the demo realm where the path is
// empty. Placeholders are filled by lookup, such as os.LookupEnv, or else by
// their defaults; lookup may be nil.
func Open(path string, lookup func(string) (string, bool)) (*File, error) {
	text := keycloak.RealmFile
	if path == "" {
		path = "the demo realm"
	} else {
		var err error
		if text, err = localfile.ReadConfiguration(path, maxFile); err != nil {
			return nil, fmt.Errorf("the realm file can't be used: %w", err)
		}
	}
	members, err := expand(text, lookup)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &File{Path: path, Members: members}, nil
}

// maxFile is larger than any realm that is read here, in bytes.
const maxFile = 4 << 20

// Realm is what the file says. Errors name the member at fault.
func (f *File) Realm() (*Realm, error) {
	r, err := read(f.Members)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return r, nil
}

// Load opens a realm file and reads it.
func Load(path string, lookup func(string) (string, bool)) (*Realm, error) {
	file, err := Open(path, lookup)
	if err != nil {
		return nil, err
	}
	return file.Realm()
}

// Values are those of one type in a list among [File.Members].
func Values[T any](list any) (found []T) {
	all, _ := list.([]any)
	for _, value := range all {
		if v, ok := value.(T); ok {
			found = append(found, v)
		}
	}
	return found
}

// read makes a realm of a file's members.
func read(members map[string]any) (*Realm, error) {
	text, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	var file realmFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("not a realm file of Keycloak: %w", err)
	}
	if err := CheckName(file.Realm); err != nil {
		return nil, err
	}
	if err := file.refuse(); err != nil {
		return nil, err
	}
	return file.realm()
}

// nameCharacters are those that stand in a URL's path as they are, in any
// reader.
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// CheckName refuses names of realms that can't be a segment of a URL's path.
func CheckName(name string) error {
	if name == "" || name == "." || name == ".." || strings.Trim(name, nameCharacters) != "" {
		return fmt.Errorf("realm: %.100q can't be the name of a realm: use letters, digits, dots, hyphens and underscores", name)
	}
	return nil
}
