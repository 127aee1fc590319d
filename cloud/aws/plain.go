package aws

import (
	"bytes"
	"strings"
)

// pickPlain is pick for documents of elements and plain text alone: no prolog,
// comments, entities, CDATA, prefixes or attributes other than xmlns, and
// nothing beyond printable ASCII and line breaks. It reports false for all
// others and for whatever is wrong; what it has stored by then counts for
// nothing.
func pickPlain(body []byte, root string, wanted map[string]*string) bool {
	path := make([]byte, 0, 128)
	var into *string
	for done := false; ; {
		open := bytes.IndexByte(body, '<')
		if open < 0 {
			return done && plainText(body)
		}
		if !plainText(body[:open]) {
			return false
		}
		if into != nil && open > 0 {
			*into += string(body[:open])
		}
		body = body[open+1:]
		end := bytes.IndexByte(body, '>')
		if end < 1 {
			return false
		}
		tag := body[:end]
		body = body[end+1:]
		if tag[0] == '/' {
			at := bytes.LastIndexByte(path, '/')
			if at < 0 || !bytes.Equal(path[at+1:], tag[1:]) {
				return false
			}
			if into != nil {
				*into = strings.TrimSpace(*into)
			}
			path = path[:at]
			into, done = wanted[string(path)], at == 0
			continue
		}
		name, ok := plainName(tag)
		if !ok || done || len(path) == 0 && string(name) != root {
			return false
		}
		path = append(append(path, '/'), name...)
		if into = wanted[string(path)]; into != nil && *into != "" {
			return false
		}
	}
}

// plainText reports whether text needs no decoding.
func plainText(text []byte) bool {
	for _, c := range text {
		if c == '&' || c == '>' || c == ']' || c > '~' || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// plainName returns the name in a start tag: letters and digits, followed by
// nothing or by one xmlns attribute.
func plainName(tag []byte) (name []byte, ok bool) {
	name, attr, more := bytes.Cut(tag, []byte(" "))
	if len(name) == 0 || !within(name, "") || name[0] <= '9' {
		return nil, false
	}
	if !more {
		return name, true
	}
	value, ok := bytes.CutPrefix(attr, []byte(`xmlns="`))
	if !ok {
		return nil, false
	}
	value, ok = bytes.CutSuffix(value, []byte(`"`))
	return name, ok && within(value, ":/.-_")
}

func within(text []byte, more string) bool {
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return true
}
