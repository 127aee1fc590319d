package store

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
)

// encode returns the event's JSON as [json.Marshal] gives it, byte for byte.
// Plain events, nearly all, are written directly: the writer encodes for
// everybody.
func encode(ev *brevet.Event) ([]byte, error) {
	w := jsonWriter{b: make([]byte, 0, 768), plain: true}
	w.text(`{"kind":`, string(ev.Kind))
	w.time(`,"time":`, &ev.Time)
	w.optional(`,"customer":`, string(ev.Customer))
	w.b = append(w.b, `,"actor":`...)
	w.actor(&ev.Actor)
	w.optional(`,"person":`, string(ev.Person))
	w.optional(`,"request":`, string(ev.Request))
	w.optional(`,"grant":`, string(ev.Grant))
	w.optional(`,"session":`, string(ev.Session))
	w.optional(`,"sign_in":`, string(ev.SignIn))
	w.optional(`,"account":`, string(ev.Account))
	w.optional(`,"role":`, string(ev.Role))
	w.optional(`,"digest":`, ev.Digest)
	w.optional(`,"reason":`, ev.Reason)
	w.time(`,"start":`, ev.Start)
	w.time(`,"end":`, ev.End)
	w.data(ev.Data)
	if !w.plain {
		return json.Marshal(ev)
	}
	return append(w.b, '}'), nil
}

// jsonWriter writes JSON of strings that need no escaping; plain turns false
// at the first that does.
type jsonWriter struct {
	b     []byte
	plain bool
}

func (w *jsonWriter) text(name, s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			w.plain = false
		}
	}
	w.b = append(append(append(append(w.b, name...), '"'), s...), '"')
}

func (w *jsonWriter) optional(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

func (w *jsonWriter) time(name string, t *time.Time) {
	if t == nil {
		return
	}
	if t.Location() != time.UTC || t.Year() < 0 || t.Year() > 9999 {
		w.plain = false
	}
	w.b = append(append(w.b, name...), '"')
	w.b = append(t.AppendFormat(w.b, time.RFC3339Nano), '"')
}

func (w *jsonWriter) actor(a *brevet.Actor) {
	start := len(w.b)
	w.optional(`,"person":`, string(a.Person))
	w.optional(`,"handle":`, string(a.Handle))
	w.optional(`,"policy":`, a.Policy)
	w.optional(`,"system":`, a.System)
	w.optional(`,"addr":`, a.Addr)
	if len(w.b) == start {
		w.b = append(w.b, '{')
	}
	w.b[start] = '{' // in place of the first comma
	w.b = append(w.b, '}')
}

func (w *jsonWriter) data(m map[string]string) {
	if len(m) == 0 {
		return
	}
	keys := make([]string, 0, 8)
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	separator := `,"data":{`
	for _, k := range keys {
		w.text(separator, k)
		w.text(`:`, m[k])
		separator = `,`
	}
	w.b = append(w.b, '}')
}
