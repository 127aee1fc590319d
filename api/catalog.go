package api

import "time"

// The routes that change the catalog.
const (
	RoutePlan     = "POST /v1/catalog/plan"                   // Apply -> Applied
	RouteVersions = "GET /v1/catalog/versions"                // -> Versions
	RouteConfirm  = "POST /v1/catalog/versions/{id}/confirm"  // Confirm -> Applied
	RouteRetract  = "POST /v1/catalog/versions/{id}/withdraw" // -> 204
)

// Catalog is the ruling version.
type Catalog struct {
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
	Text    string `json:"text"`
}

// Apply puts a version of the catalog forward.
type Apply struct {
	Text string `json:"text" doc:"the YAML of the catalog"`
	Base int64  `json:"base,omitempty" doc:"version that the text was made from: a conflict if another rules by now; 0: whatever rules" minimum:"0"`
}

// Applied says what became of a version that was put forward, or of a plan
// what would.
type Applied struct {
	Version int64    `json:"version" doc:"its number; of a plan that of the version in force"`
	Digest  string   `json:"digest" doc:"SHA-256 of its text, hex"`
	Changes []string `json:"changes" doc:"the diff, one line a change, + where access gets wider or might; empty: nothing changed"`
	Widens  bool     `json:"widens" doc:"somebody may do more by it, or might"`
	Rules   bool     `json:"rules" doc:"it is in force, or of a plan would be at once; else a second person confirms it"`
}

// Confirm makes a version rule that somebody else put forward.
type Confirm struct {
	Digest string `json:"digest" doc:"of the version as it was shown"`
}

// Versions lists versions of the catalog, newest first.
type Versions struct {
	OnePerson bool             `json:"one_person" doc:"one person may change the catalog here"`
	Versions  []CatalogVersion `json:"versions"`
}

// CatalogVersion is one version of the catalog, and what became of it.
type CatalogVersion struct {
	Version     int64      `json:"version"`
	Base        int64      `json:"base" doc:"version that it was made from; 0: none"`
	Digest      string     `json:"digest"`
	State       string     `json:"state" enum:"rules,waits,stale,past,withdrawn"`
	By          string     `json:"by" doc:"who put it forward"`
	At          time.Time  `json:"at"`
	ConfirmedBy string     `json:"confirmed_by,omitempty" doc:"a person, or why none was needed"`
	ConfirmedAt *time.Time `json:"confirmed_at,omitempty"`
	Changes     []string   `json:"changes" doc:"of one that waits: what it would change"`
	Mine        bool       `json:"mine" doc:"the caller put it forward"`
}
