package handout

import (
	"errors"
	"strings"
)

var errNotNormal = errors.New("handout: not the normal form of a server's URL")

// normal accepts the URL of a server that is in its normal form beyond doubt,
// so that client.ParseServer would return it as it is; that one needs net/url
// and net. It errs on the side of no.
func normal(server string) (string, error) {
	rest, secure := strings.CutPrefix(server, "https://")
	if !secure {
		var ok bool
		if rest, ok = strings.CutPrefix(server, "http://"); !ok {
			return "", errNotNormal
		}
	}
	authority, path, _ := strings.Cut(rest, "/")
	host, port, hasPort := strings.Cut(authority, ":")
	switch {
	case host == "", !only(host, isHost), !only(path, isPath), !only(port, isDigit),
		hasPort && port == "",
		strings.HasSuffix(rest, "/"),
		!secure && host != "127.0.0.1" && host != "localhost":
		return "", errNotNormal
	}
	return server, nil
}

// only reports whether every byte of s is ok.
func only(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
func isHost(b byte) bool  { return 'a' <= b && b <= 'z' || isDigit(b) || b == '.' || b == '-' }
func isPath(b byte) bool  { return isHost(b) || 'A' <= b && b <= 'Z' || b == '_' || b == '/' }
