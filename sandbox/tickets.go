package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/service"
)

// ticketCheck is the name of the sandbox's check, as its catalog says it.
const ticketCheck = "tickets"

// desk stands in for a ticket system: it answers the broker's check, and has a
// page where tickets are opened and closed. What was done there does not
// outlive the process.
type desk struct {
	secret []byte // that the broker signs with
	now    func() time.Time

	mu      sync.Mutex
	tickets []ticket
	down    bool // it answers the check with an error
}

// ticket is one that somebody may name when they ask for access.
type ticket struct {
	ID, About string
	Open      bool
}

// newDesk makes one with three tickets, whose secret follows from key.
func newDesk(key []byte, now func() time.Time) *desk {
	return &desk{secret: derived(key, "tickets"), now: now, tickets: []ticket{{"OPS-7", "restore db-7 from the backup", true}, {"OPS-8", "move the logs to the archive", false},
		{"OPS-9", "quarterly look at production", true}}}
}

// check is how the broker reaches it: on loopback, which it says.
func (d *desk) check(base string) service.Check {
	return service.Check{Name: ticketCheck, URL: base + "/tickets/check", AllowPrivate: []string{"127.0.0.1/32"}, Secret: "whsec_" + base64.StdEncoding.EncodeToString(d.secret)}
}

// ServeHTTP answers the check and serves the page.
func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/tickets/check":
		d.answer(w, r)
	case r.URL.Path != "/tickets":
		writePage(w, http.StatusNotFound, "message", messagePage{Title: "No such page", Text: "the tickets are at /tickets"})
	case r.Method == http.MethodPost && r.Header.Get("Origin") != "" && r.Header.Get("Origin") != "null" && r.Header.Get("Origin") != "http://"+r.Host:
		writePage(w, http.StatusForbidden, "message", messagePage{Title: "The tickets say no", Text: "the form comes from another site"})
	case r.Method == http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		if !d.turn(r.PostFormValue("turn")) {
			writePage(w, http.StatusNotFound, "message", messagePage{Title: "The tickets say no", Text: "there is no such ticket"})
			return
		}
		http.Redirect(w, r, "/tickets", http.StatusSeeOther)
	default:
		d.mu.Lock()
		p := deskPage{slices.Clone(d.tickets), d.down}
		d.mu.Unlock()
		writePage(w, http.StatusOK, "tickets", p)
	}
}

// deskPage is what the page shows.
type deskPage struct {
	Tickets []ticket
	Down    bool
}

// turn opens or closes a ticket, or the whole desk ("desk"). It reports
// whether there is such a one.
func (d *desk) turn(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id == "desk" {
		d.down = !d.down
		return true
	}
	i := slices.IndexFunc(d.tickets, func(t ticket) bool { return t.ID == id })
	if i >= 0 {
		d.tickets[i].Open = !d.tickets[i].Open
	}
	return i >= 0
}

// answer says whether a ticket counts: one that is there and open.
func (d *desk) answer(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		http.Error(w, "the ticket system is down", http.StatusServiceUnavailable)
		return
	}
	body, _, ok := readHook(w, r, d.secret, d.now())
	var in struct{ Ticket string }
	if !ok || json.Unmarshal(body, &in) != nil {
		http.Error(w, "not a check that the sandbox's broker signed", http.StatusBadRequest)
		return
	}
	out := map[string]any{"ok": false, "why": "there is no ticket " + brevet.Printable(in.Ticket)}
	for _, t := range d.tickets {
		switch {
		case t.ID == in.Ticket && t.Open:
			out = map[string]any{"ok": true}
		case t.ID == in.Ticket:
			out["why"] = t.ID + " is closed"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}
