// Package recorded keeps what a run measured or found in a JSON file of the repository,
// and reads it again for the pages.
//
//	err := recorded.Write(name, record)
//	…
//	record, err := recorded.Read[Record](name)
package recorded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/localfile"
)

// Read reads a record. A member that T doesn't have is an error, and so is a
// missing file ([fs.ErrNotExist]).
func Read[T any](name string) (record T, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return record, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&record); err != nil {
		return record, fmt.Errorf("%s: %w", name, err)
	}
	return record, nil
}

// Write keeps a record.
func Write(name string, record any) error {
	text, err := json.MarshalIndent(record, "", "\t")
	if err != nil {
		return err
	}
	return localfile.Write(name, append(text, '\n'), 0o644)
}

// Replace puts rows in the place of those of the same key, and writes all, a line each.
// order has all keys: rows of another one go.
func Replace[Row any, Key comparable](name string, rows []Row, key func(Row) Key, order []Key) error {
	all, err := Read[[]Row](name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all = slices.DeleteFunc(all, func(old Row) bool {
		isNew := func(row Row) bool { return key(row) == key(old) }
		return slices.ContainsFunc(rows, isNew) || !slices.Contains(order, key(old))
	})
	all = append(all, rows...)
	slices.SortStableFunc(all, func(a, b Row) int { return slices.Index(order, key(a)) - slices.Index(order, key(b)) })
	lines := make([]string, len(all))
	for i, row := range all {
		line, err := json.Marshal(row)
		if err != nil {
			return err
		}
		lines[i] = string(line)
	}
	return localfile.Write(name, []byte("[\n"+strings.Join(lines, ",\n")+"\n]\n"), 0o644)
}
