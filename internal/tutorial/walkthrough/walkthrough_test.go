package walkthrough

import (
	"fmt"
	"slices"
	"testing"
)

func TestBlocks(t *testing.T) {
	const page = "```sh\ngo run ./cmd/step3 -addr localhost:0   # in one terminal\n```\n```sh\ncurl -i x\n```\n```http\nHTTP/1.1 404\n\nno\n```\n" +
		"```http\nHTTP/1.1 200 OK\n```\n<!-- not run: it needs npm -->\n```sh\nnpx x\n```\n```go\nvar x\n```\n```sh\ngo run ./cmd/naive client http://x\n```\n"
	all := Blocks(page)
	var got []string
	for _, b := range all {
		got = append(got, fmt.Sprintf("%d %d %q %q", b.line, b.terminal(), b.notRun, b.says))
	}
	want := []string{`1 9000 "" ""`, `4 0 "" "HTTP/1.1 200 OK"`, `16 0 "it needs npm" ""`, `22 0 "" ""`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	output := "\n@@begin 0\n\n@@end 0 0\n\n@@begin 1\nHTTP/1.1 403 Forbidden\n@@end 1 0\n\n@@begin 3\nbad\n@@end 3 1\n"
	if problems := Judge(all, output); len(problems) != 2 {
		t.Errorf("got %q", problems)
	}
	if problems := Judge(all[:2], "\n@@begin 0\n\n@@end 0 0\n\n@@begin 1\nHTTP/1.1 200 OK\r\n@@end 1 0\n"); problems != nil {
		t.Errorf("got %q", problems)
	}
}
