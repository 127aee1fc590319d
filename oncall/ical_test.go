package oncall_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/oncall"
)

const outlookZone = `BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
`

// calendar puts events, one a string of lines, into a calendar.
func calendar(head string, events ...string) []byte {
	text := "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n" + head
	for i, e := range events {
		if !strings.Contains(e, "UID:") {
			e = fmt.Sprintf("UID:%d\n", i) + e
		}
		text += "BEGIN:VEVENT\n" + strings.TrimSpace(e) + "\nEND:VEVENT\n"
	}
	return []byte(strings.ReplaceAll(text+"END:VCALENDAR\n", "\n", "\r\n"))
}

// spans writes shifts as NAME FROM/TO.
func spans(shifts []brevet.Shift) string {
	var out []string
	for _, s := range shifts {
		out = append(out, s.Name+" "+s.Start.UTC().Format("02T15:04")+"/"+s.End.UTC().Format("02T15:04"))
	}
	return strings.Join(out, "; ")
}

func TestICal(t *testing.T) {
	from := moment(t, "2026-10-20T00:00:00Z") // a Tuesday; the clocks of Europe go back on the 25th
	for name, test := range map[string]struct {
		text []byte
		want string
	}{
		"UTC":        {calendar("", "SUMMARY:engineer\nDTSTART:20261020T080000Z\nDTEND:20261021T080000Z"), "engineer 20T08:00/21T08:00"},
		"duration":   {calendar("", "SUMMARY:engineer\nDTSTART:20261020T080000Z\nDURATION:P1DT2H30M"), "engineer 20T08:00/21T10:30"},
		"zone":       {calendar("", "SUMMARY:engineer\nDTSTART;TZID=Europe/Berlin:20261020T080000\nDTEND;TZID=Europe/Berlin:20261026T080000"), "engineer 20T06:00/26T07:00"},
		"own zone":   {calendar(outlookZone, "SUMMARY:engineer\nDTSTART;TZID=\"W. Europe Standard Time\":20261020T080000\nDTEND;TZID=W. Europe Standard Time:20261026T080000"), "engineer 20T06:00/26T07:00"},
		"whole days": {calendar("X-WR-TIMEZONE:Europe/Berlin\n", "SUMMARY:lead\nDTSTART;VALUE=DATE:20261024\nDTEND;VALUE=DATE:20261026"), "lead 23T22:00/25T23:00"},
		"attendees": {calendar("", "SUMMARY:On call\nATTENDEE;CN=\"A; B: C\";ROLE=REQ-PARTICIPANT:mailto:a@example.com\nATTENDEE:MAILTO:b@example.com\nDTSTART:20261020T080000Z\nDURATION:PT1H"),
			"a@example.com 20T08:00/20T09:00; b@example.com 20T08:00/20T09:00"},
		"folded":  {calendar("", "SUMM\n ARY:engi\n\tneer\\, the first\nDTSTART:20261020T080000Z\nDURATION:PT1H"), "engineer, the first 20T08:00/20T09:00"},
		"weekly":  {calendar("", "SUMMARY:e\nDTSTART;TZID=Europe/Berlin:20200106T090000\nDURATION:PT8H\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE"), "e 21T07:00/21T15:00; e 26T08:00/26T16:00"},
		"nightly": {calendar("", "SUMMARY:e\nDTSTART;TZID=Europe/Berlin:20261001T220000\nDURATION:PT10H\nRRULE:FREQ=DAILY;INTERVAL=2;UNTIL=20261023T200000Z"), "e 19T20:00/20T06:00; e 21T20:00/22T06:00; e 23T20:00/24T06:00"},
		"count":   {calendar("", "SUMMARY:e\nDTSTART:20261018T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4"), "e 20T08:00/20T09:00; e 21T08:00/21T09:00"},
		"biweekly": {calendar("", "SUMMARY:e\nDTSTART:20261007T080000Z\nDURATION:P7D\nRRULE:FREQ=WEEKLY;INTERVAL=2;WKST=SU",
			"SUMMARY:l\nDTSTART:20261014T080000Z\nDURATION:P1W\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=WE"), "l 14T08:00/21T08:00; e 21T08:00/28T08:00"},
		"exceptions": {calendar("", "UID:x\nSUMMARY:e\nDTSTART:20261001T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEXDATE:20261020T080000Z,20261021T080000Z\nEXDATE;VALUE=DATE:20261022",
			"UID:x\nSUMMARY:swapped\nRECURRENCE-ID:20261023T080000Z\nDTSTART:20261023T120000Z\nDURATION:PT1H",
			"UID:x\nSUMMARY:e\nSTATUS:CANCELLED\nRECURRENCE-ID:20261024T080000Z\nDTSTART:20261024T080000Z\nDURATION:PT1H"),
			"swapped 23T12:00/23T13:00; e 25T08:00/25T09:00; e 26T08:00/26T09:00"},
	} {
		c, err := oncall.ParseICal(test.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		shifts, err := c.Shifts(brevet.Primary, from, from.Add(7*24*time.Hour))
		if got := spans(shifts); err != nil || got != test.want {
			t.Errorf("%s: %s (%v)\nwant %s", name, got, err, test.want)
		}
	}
}

// TestICalRefuses: what is not understood is refused, never guessed.
func TestICalRefuses(t *testing.T) {
	rule := func(r string) []byte {
		return calendar("", "SUMMARY:e\nDTSTART:20261020T080000Z\nDURATION:PT1H\nRRULE:"+r)
	}
	for want, texts := range map[string][][]byte{
		"RRULE": {rule("FREQ=MONTHLY"), rule("FREQ=YEARLY;BYMONTH=1"), rule("FREQ=HOURLY"), rule("FREQ=SECONDLY"), rule("FREQ=WEEKLY;BYDAY=1TU"), rule("FREQ=DAILY;BYHOUR=8"),
			rule("FREQ=WEEKLY;BYSETPOS=1"), rule("FREQ=DAILY;COUNT=2;UNTIL=20261101T000000Z"), rule("INTERVAL=2"), rule("FREQ=DAILY;FREQ=WEEKLY"), rule("FREQ=DAILY;INTERVAL=0"),
			rule("FREQ=DAILY;COUNT=99999999"), rule("FREQ=WEEKLY;BYDAY=MO"), rule("FREQ=DAILY;X-NEW=1"), rule(""), rule("FREQ=DAILY;UNTIL=soon"), rule("FREQ=DAILY;RSCALE=HEBREW"),
			rule("FREQ=DAILY\nRRULE:FREQ=WEEKLY")},
		"not understood": {calendar("", "SUMMARY:e\nDTSTART:20261020T080000Z\nDURATION:PT1H\nRDATE:20261021T080000Z"), calendar("", "SUMMARY:e\nDTSTART:20261020T080000Z\nDURATION:-PT1H"),
			calendar("", "SUMMARY:e\nDTSTART:20261020T080000Z\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261020T080000Z\nDURATION:PT1H")},
		"no time zone":    {calendar("", "SUMMARY:e\nDTSTART:20261020T080000\nDURATION:PT1H"), calendar("", "SUMMARY:e\nDTSTART;VALUE=DATE:20261020")},
		"is not known":    {calendar("", "SUMMARY:e\nDTSTART;TZID=Mars/Olympus:20261020T080000\nDURATION:PT1H"), calendar("X-WR-TIMEZONE:Local\n", "SUMMARY:e\nDTSTART:20261020T080000Z")},
		"does not fit":    {calendar("", "SUMMARY:e\nDTSTART:20261020T080000Z\nDTEND:20261020T070000Z"), calendar("X-WR-TIMEZONE:UTC\n", "SUMMARY:e\nDTSTART:20261020T080000Z\nDTEND;VALUE=DATE:20261021")},
		"DTSTART":         {calendar("", "SUMMARY:e\nDURATION:PT1H"), calendar("", "SUMMARY:e\nDTSTART:yesterday")},
		"malformed":       {[]byte("<html>")},
		"whole VCALENDAR": {nil, []byte("BEGIN:VCALENDAR\n"), []byte("BEGIN:VEVENT\nEND:VEVENT\n"), append(calendar(""), calendar("")...)},
	} {
		for _, text := range texts {
			if _, err := oncall.ParseICal(text); !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\n%s", want, err, text)
			}
		}
	}
}

// TestZonesAgree: a calendar's own zone says what the time zone database says.
func TestZonesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 3*365*24*4).Draw(t, "quarter")) * 15 * time.Minute).Format("20060102T150405")
		var got [2]string
		for i, zone := range []string{"Europe/Berlin", "W. Europe Standard Time"} {
			c, err := oncall.ParseICal(calendar(outlookZone, "SUMMARY:e\nDTSTART;TZID="+zone+":"+at+"\nDURATION:PT1H"))
			if err != nil {
				t.Fatal(err)
			}
			shifts, err := c.Shifts(brevet.Primary, time.Unix(0, 0), time.Unix(1<<33, 0))
			if err != nil || len(shifts) != 1 {
				t.Fatalf("%v %v", shifts, err)
			}
			got[i] = shifts[0].Start.UTC().String()
		}
		if got[0] != got[1] {
			t.Fatalf("%s: %s and %s", at, got[0], got[1])
		}
	})
}

// TestICalLayers fetches a calendar for each layer.
func TestICalLayers(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/"), ".ics")
		w.Write(calendar("", "SUMMARY:"+name+"\nDTSTART:20261125T080000Z\nDURATION:PT8H"))
	}))
	defer server.Close()
	c := oncall.New(oncall.Config{Dir: folder(t, "first", server.URL+"/one.ics\n"), HTTP: server.Client()})
	got, err := c.Shifts(t.Context(), brevet.Rota{Source: brevet.RotaSource{Kind: brevet.RotaICal, Calendars: map[brevet.Layer]brevet.Source{
		brevet.Primary: {URLFile: "rotas/first"}, brevet.Secondary: {URL: server.URL + "/two.ics"}}}}, noon)
	if err != nil || len(got) != 2 || got[0].Name != "one" || got[0].Layer != brevet.Primary || got[1].Name != "two" || got[1].Layer != brevet.Secondary {
		t.Errorf("%v (%v)", got, err)
	}
}

func FuzzICal(f *testing.F) {
	f.Add(calendar(outlookZone, "SUMMARY:e\nDTSTART;TZID=W. Europe Standard Time:20261020T080000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=TU;INTERVAL=2"))
	f.Add(calendar("X-WR-TIMEZONE:Europe/Berlin\n", "SUMMARY:e\nDTSTART;VALUE=DATE:20261020\nRRULE:FREQ=DAILY;COUNT=9\nEXDATE;VALUE=DATE:20261021"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := oncall.ParseICal(text)
		if err != nil {
			if !errors.Is(err, brevet.Invalid) || brevet.Printable(err.Error()) != err.Error() {
				t.Fatalf("%q", err)
			}
			return
		}
		shifts, err := c.Shifts(brevet.Primary, noon, noon.Add(26*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range shifts {
			if !s.Start.Before(s.End) || s.Name == "" {
				t.Fatalf("%+v", s)
			}
		}
	})
}
