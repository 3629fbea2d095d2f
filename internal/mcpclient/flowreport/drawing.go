package flowreport

import (
	"fmt"
	"strings"
)

// Live is what is known of a flow before it begins.
type Live struct {
	Client           string                // where the client runs, in a few words
	Resource, Issuer string                // host and port of the MCP server and of the authorization server
	Lesson           func(step int) string // URL of a lesson
}

// Drawing is the sequence diagram in pieces, for a page with a layout of its own.
type Drawing struct {
	Participants []Participant // from left to right
	Lines        []float64     // where the lifelines are, in percent of the width
	Chapters     []ShownChapter
	Exchanges    int
	Unseen       bool // an arrow shows what the client doesn't see
}

// Participant is a column of the diagram.
type Participant struct{ Name, Short, Where string }

// ShownChapter is a chapter as it is drawn.
type ShownChapter struct {
	Number       int
	Title, About string
	Lessons      []Lesson
	Blocks       []Block
}

// Block is a turn, or several that repeat earlier ones and are folded.
type Block struct {
	Numbers string // of the folded turns
	Summary string // empty: nothing is folded
	Turns   []ShownTurn
}

// ShownTurn is a turn as it is drawn.
type ShownTurn struct {
	Number int
	Title  string
	Items  []Item
}

// Item is one of: what the client concludes, what the user does, an arrow.
type Item struct {
	Note, User string
	Arrow      *Arrow
}

// Arrow is an exchange between two columns of the diagram.
type Arrow struct {
	From, To           string // names of participants
	First, Last        int    // the columns between which it is, from the left; the first column is 1
	Left, Width, Right float64
	Backwards          bool // the request goes to the left
	Late               bool // it begins in the right half, so its label ends where it ends
	Unseen             bool // the client knows of it, but doesn't see it
	Gist               string
	Label, Answer      string
	Bad                bool
	Took               string
	Request, Reply     string
	Parameters         []Row // of the request
	Members            []Row // of the answer
	Decoded            []DecodedToken
	Lesson             Lesson
}

// DecodedToken is a token taken apart, without its signature.
type DecodedToken struct {
	Name            string
	Header, Payload []Row
}

// Draw makes the diagram of the events so far. Where more events follow a flow that is
// [Live], the pieces of this drawing are those that the next one begins with.
func (r Report) Draw() Drawing {
	events := r.events()
	p := &printer{cast: newCast(events, r.Live), link: r.link(), unfolded: r.Live != nil, first: First{}, keys: keysOf(events)}
	d := Drawing{Participants: p.cast.list, Lines: p.cast.lines()}
	next := 1
	for i, c := range r.Chapters {
		turns := Turns(c.Events, next)
		next += len(turns)
		d.Chapters = append(d.Chapters, ShownChapter{
			Number: i + 1, Title: c.Title, About: c.About, Lessons: p.lessonsOf(c.Events), Blocks: p.blocks(turns),
		})
	}
	d.Exchanges, d.Unseen = p.exchanges, p.believed && !p.keys.seen
	return d
}

// link says where lessons are. An empty URL means that there is none.
func (r Report) link() func(step int) string {
	switch {
	case r.Live != nil && r.Live.Lesson != nil:
		return r.Live.Lesson
	case r.Lessons != "":
		return func(step int) string { return fmt.Sprintf("%s/step%d.md", strings.TrimSuffix(r.Lessons, "/"), step) }
	}
	return func(int) string { return "" }
}
