package web_test

import (
	"fmt"
	"strings"

	"golang.org/x/net/html"
)

// usable returns what is wrong with a page for those who cannot see it well,
// or use a keyboard.
func usable(page string) (wrong []string) {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return []string{err.Error()}
	}
	complain := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	ids, labels, refs := map[string]int{}, map[string]bool{}, []string{}
	level, mains := 0, 0
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if id := attr(n, "id"); id != "" {
			ids[id]++
		}
		for _, a := range n.Attr {
			complain(strings.HasPrefix(a.Key, "on") || a.Key == "style", "%s has %s", n.Data, a.Key)
			complain(a.Key == "src" || strings.HasPrefix(a.Val, "//") || strings.HasPrefix(a.Val, "http"), "%s leads elsewhere: %s", n.Data, a.Val)
		}
		switch n.Data {
		case "html":
			complain(attr(n, "lang") != "en", "no language")
		case "title":
			complain(strings.TrimSpace(text(n)) == "", "no title")
		case "main":
			mains++
		case "label":
			labels[attr(n, "for")] = true
		case "section":
			if ref := attr(n, "aria-labelledby"); ref != "" {
				refs = append(refs, ref)
			}
		case "script", "iframe", "object", "embed", "link", "base", "img":
			complain(true, "there is a %s", n.Data)
		case "h1", "h2", "h3":
			next := int(n.Data[1] - '0')
			complain(next > level+1, "%s after h%d", n.Data, level)
			level = next
		case "button", "a", "summary", "h4", "th":
			complain(n.Data != "th" && strings.TrimSpace(text(n)) == "", "an empty %s", n.Data)
			complain(n.Data == "th" && attr(n, "scope") == "", "th without a scope")
		case "form":
			complain(attr(n, "method") != "post", "a form that is sent by GET")
		}
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && (n.Data == "textarea" || n.Data == "input" && attr(n, "type") != "hidden") {
			complain(!labels[attr(n, "id")], "%s %s has no label", n.Data, attr(n, "name"))
		}
	}
	for id, n := range ids {
		complain(n > 1, "id %s is there %d times", id, n)
	}
	for _, ref := range refs {
		complain(ids[ref] == 0, "nothing is called %s", ref)
	}
	complain(mains != 1, "%d mains", mains)
	return wrong
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}
