package stack

import (
	"regexp"
	"sync"
)

// lazy is a regular expression that is compiled at first use: the command
// line links this package, and starts at every call of an AWS tool.
type lazy struct {
	expr string
	once sync.Once
	made *regexp.Regexp
}

func (l *lazy) regexp() *regexp.Regexp {
	l.once.Do(func() { l.made = regexp.MustCompile(l.expr) })
	return l.made
}
