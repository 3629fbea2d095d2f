// Package pictures draws the pictures of the pages, as SVG, from small
// descriptions. What a picture says about the code, it reads from the code: the
// layers of a step from its main.go, the policy from step 8, the claims from the
// token that gentoken makes.
//
// Every picture is [Width] units wide, so that its type can be read on a phone,
// and there are two files of it: NAME.svg for a light page and NAME-dark.svg for a
// dark one. A page shows the right one by its <picture> element, which GitHub
// resolves by the theme of its reader. A media query inside one SVG would follow
// the browser instead, and be wrong for a reader whose two settings differ.
//
//	all, err := pictures.All(root)
//	for _, p := range all {
//		for path, svg := range p.Files() { … }
//	}
package pictures

import (
	"fmt"
	"path"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// Width is that of every picture, in units of its view box; a page shows it as
// that many pixels where there is room.
const Width = 480

// Folder is where the files are, below the root of the repository.
const Folder = "docs/pictures"

// Picture is a drawing and its words for those who don't see it.
type Picture struct {
	Name  string // of its files, without the ending
	Title string // a few words
	Says  string // what it shows, in a few sentences: the alternative text

	canvas *canvas
}

// description is a picture before it is drawn. root is the repository.
type description struct {
	name, title, says string
	draw              func(c *canvas, root string) error
}

// All draws all pictures for the repository at root.
func All(root string) ([]Picture, error) {
	all := append([]description{}, drawings...)
	for _, step := range manifest.Steps {
		all = append(all, layersOf(step))
	}
	var drawn []Picture
	for _, d := range all {
		p := Picture{Name: d.name, Title: d.title, Says: d.says, canvas: &canvas{}}
		if err := d.draw(p.canvas, root); err != nil {
			return nil, fmt.Errorf("picture %s: %w", d.name, err)
		}
		drawn = append(drawn, p)
	}
	return drawn, nil
}

// Light and Dark are the paths of a picture's files, below the root.
func (p Picture) Light() string { return path.Join(Folder, p.Name+".svg") }

// Dark is the file for a dark page.
func (p Picture) Dark() string { return path.Join(Folder, p.Name+"-dark.svg") }

// Files are the contents of a picture's files by their paths.
func (p Picture) Files() map[string]string {
	return map[string]string{
		p.Light(): p.canvas.svg(p.Title, p.Says, light),
		p.Dark():  p.canvas.svg(p.Title, p.Says, dark),
	}
}

// drawings are the pictures that stand for themselves. The layers of each step
// come from the manifest.
var drawings = []description{
	actors,
	rebinding,
	twoReaders,
	accessToken,
	discovery,
	scopeAndRole,
	codeFlow,
	refreshFamily,
	upstream,
	keys,
	wayIn,
	soak,
	byConnections,
	byTokens,
}
