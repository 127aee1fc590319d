// Package api holds what travels between client and server: plain structs,
// the routes, and the one table that ties error kinds to HTTP statuses and
// exit codes. The wire is JSON under /v1; times are RFC 3339 in UTC.
//
// Within v1 fields are only added. A server serves the client before it: it
// ignores no field that it does not know (an unknown field is an error), so a
// client sends new fields only to a server that lists them.
package api

import (
	"time"

	"github.com/brevet-access/brevet"
)

// Version is the version of the program and of the API that it speaks best.
const Version = "0.1.0"

// Headers of the API.
const (
	// IdempotencyKey names one intent of a client, on any POST. What changes
	// state is done once for a key: sent again, it is answered with what became
	// of it; with another body it is a conflict. Sign-in codes work once by
	// themselves, logging out and applying a catalog twice change nothing, and
	// a credential asked for twice is two sessions on record.
	IdempotencyKey = "Idempotency-Key"
	// ClientVersion is what a client says about itself.
	ClientVersion = "Brevet-Client"
)

// Routes, as net/http patterns.
const (
	RouteAuthorize  = "GET /login/authorize" // browser; query: AuthorizeQuery
	RouteCallback   = "GET /login/callback"  // browser; from the identity provider
	RouteToken      = "POST /v1/login/token" // TokenRequest -> Token
	RouteLogout     = "POST /v1/logout"
	RouteWhoami     = "GET /v1/whoami"                  // -> Whoami
	RouteTargets    = "GET /v1/targets"                 // -> []Target; what I may ask for
	RouteWhy        = "GET /v1/why"                     // ?target= -> Why
	RouteStatus     = "GET /v1/status"                  // -> Status
	RouteRequest    = "POST /v1/requests"               // NewRequest -> Request
	RouteRequests   = "GET /v1/requests"                // ?scope=mine|decide|all&state=&limit= -> []Request
	RouteRequestGet = "GET /v1/requests/{id}"           // ?wait=30s holds the answer while pending -> Request
	RouteDecide     = "POST /v1/requests/{id}/decide"   // Decide -> Request
	RouteWithdraw   = "POST /v1/requests/{id}/withdraw" // -> Request
	RouteBatch      = "POST /v1/batches"                // NewBatch -> Batch; several targets, all or none
	RouteBatchGet   = "GET /v1/batches/{id}"            // -> Batch
	RouteGrants     = "GET /v1/grants"                  // ?scope=mine|all&live=true&limit= -> []Grant
	RouteDrop       = "POST /v1/grants/{id}/drop"       // -> Grant
	RouteExtend     = "POST /v1/grants/{id}/extend"     // Extend -> Request
	RouteBreakGlass = "POST /v1/break-glass"            // BreakGlass -> Glass
	RouteSealed     = "POST /v1/break-glass/codes"      // SealedGlass -> SealedOpened; needs no sign-in
	RouteImport     = "POST /v1/break-glass/import"     // Record -> Imported
	RouteNewSheet   = "POST /v1/codes"                  // -> Sheet
	RouteSheets     = "GET /v1/codes"                   // -> Sheets
	RouteVoidSheet  = "POST /v1/codes/void"
	RouteReviews    = "GET /v1/reviews"                  // ?all=true -> []Review
	RouteReview     = "POST /v1/grants/{id}/review"      // Verdict -> Review
	RouteRevoke     = "POST /v1/grants/{id}/revoke"      // Revoke -> Revoked
	RouteCredential = "POST /v1/credentials"             // CredentialRequest -> Credential
	RouteConsole    = "POST /v1/console"                 // ConsoleRequest -> Console
	RouteCheckpoint = "GET /v1/audit/checkpoint"         // -> Checkpoint
	RouteEntries    = "GET /v1/audit/entries"            // ?from=&limit=&size= -> Entries
	RouteProof      = "GET /v1/audit/consistency"        // ?from=&to= -> Consistency
	RouteCatalog    = "GET /v1/catalog"                  // -> Catalog
	RouteApply      = "POST /v1/catalog"                 // Apply -> Applied
	RouteCustomers  = "GET /v1/customers"                // -> []Customer; at which I hold a right
	RouteOffboard   = "POST /v1/customers/{id}/offboard" // Offboard -> Offboarded; by name or id
	RouteStatement  = "GET /v1/customers/{id}/statement" // ?from=&to=&format=csv|json|html -> Statement
	RouteProbe      = "POST /v1/accounts/{id}/probe"     // Probe -> Probed
	RouteChannels   = "GET /v1/channels"                 // -> []Channel; that I may look after
	RouteSlackLink  = "POST /v1/slack/link"              // -> SlackLink
	RouteTest       = "POST /v1/channels/test"           // TestChannels -> []ChannelTested
)

// AuthorizeQuery is what the command-line client puts into the query of
// RouteAuthorize. With an empty RedirectURI the page shows a code to paste.
type AuthorizeQuery struct {
	Challenge   string // code_challenge, S256
	State       string // state, echoed to the redirect URI
	RedirectURI string // redirect_uri: http://127.0.0.1:PORT/PATH, or ""
	Provider    string // provider; "" when there is only one
	MaxAge      string // max_age in seconds; "0" forces a fresh sign-in, "" leaves it
	Device      string // device: what the client calls the machine
}

// TokenRequest exchanges the one-time code for a session of the client.
type TokenRequest struct {
	Code     string `json:"code" doc:"the one-time code from the redirect or the page" maxLength:"200"`
	Verifier string `json:"verifier" doc:"the PKCE verifier behind the challenge" minLength:"43" maxLength:"128"`
}

// Token is a session of the client.
type Token struct {
	Token   string    `json:"token" doc:"bearer token; a secret"`
	Expires time.Time `json:"expires" doc:"absolute limit of the session"`
	LogKey  string    `json:"log_key" doc:"verifier key of the audit log, as in C2SP signed notes; pin it"`
	Sandbox bool      `json:"sandbox,omitempty" doc:"the server is a sandbox: its log may begin anew at any time"`
	Whoami  Whoami    `json:"whoami"`
}

// Whoami is the person as the server sees them now.
type Whoami struct {
	Person   string    `json:"person"`
	Handle   string    `json:"handle"`
	Name     string    `json:"name,omitempty"`
	Provider string    `json:"provider"`
	Issuer   string    `json:"issuer"`
	Subject  string    `json:"subject"`
	Groups   []string  `json:"groups"`
	GroupsAt time.Time `json:"groups_at"`
	AuthTime time.Time `json:"auth_time"`
	Methods  []string  `json:"methods"`
	MFA      time.Time `json:"mfa,omitzero" doc:"when an accepted multi-factor proof was given; absent: never"`
	Rungs    []Rung    `json:"rungs" doc:"how long the proof still counts for each bound that a role of the caller's demands"`
	SignedIn time.Time `json:"signed_in"`
	Expires  time.Time `json:"expires"`
	Now      time.Time `json:"now" doc:"the server's clock"`
	Rights   []string  `json:"rights,omitempty" doc:"CUSTOMER:RIGHT"`
}

// Rung says how long a multi-factor proof still counts for a bound.
type Rung struct {
	Rung  string    `json:"rung"`
	Until time.Time `json:"until,omitzero" doc:"absent: not met"`
	Roles []string  `json:"roles,omitempty" doc:"the roles that demand this bound"`
}

// Target is something that the caller may ask for, and what is needed to use
// it from a client.
type Target struct {
	Target    string  `json:"target" doc:"ACCOUNT/ROLE"`
	Customer  string  `json:"customer"`
	Account   string  `json:"account" doc:"the account's number"`
	Role      string  `json:"role"`
	About     string  `json:"about,omitempty"`
	Env       string  `json:"env,omitempty"`
	Longest   string  `json:"longest" doc:"longest grant, as 4h"`
	Approval  string  `json:"approval" doc:"automatic, or who approves"`
	Automatic bool    `json:"automatic"`
	OnUse     bool    `json:"on_use" doc:"opens by itself on first use"`
	MFA       string  `json:"mfa" doc:"oldest multi-factor proof that counts"`
	RoleARN   string  `json:"role_arn"`
	Region    string  `json:"region"`
	Endpoint  string  `json:"endpoint,omitempty" doc:"AWS endpoint, where it is not AWS's own"`
	Portal    *Portal `json:"portal,omitempty" doc:"the access portal that makes the credentials, where brevet does not"`
}

// Portal is an access portal of AWS IAM Identity Center.
type Portal struct {
	Start  string `json:"start" doc:"its address"`
	Region string `json:"region"`
}

// NewRequest asks for access.
type NewRequest struct {
	Target   string `json:"target" doc:"ACCOUNT/ROLE" maxLength:"110"`
	Duration string `json:"duration,omitempty" doc:"like 1h; default: the longest allowed, at most 1h" maxLength:"20"`
	Reason   string `json:"reason,omitempty" doc:"one line for the approver and the log; the entitlement says whether it may be left out"`
	Ticket   string `json:"ticket,omitempty"`
	Narrowed
}

// Request is a request and what became of it.
type Request struct {
	ID        string     `json:"id"`
	Target    string     `json:"target"`
	Customer  string     `json:"customer"`
	Person    string     `json:"person" doc:"the requester's handle"`
	Reason    string     `json:"reason"`
	Ticket    string     `json:"ticket,omitempty"`
	Duration  string     `json:"duration"`
	State     string     `json:"state" enum:"pending,approved,denied,withdrawn,lapsed"`
	Approval  string     `json:"approval"`
	Extends   string     `json:"extends,omitempty" doc:"it moves the end of this grant and opens none"`
	WaitsFor  string     `json:"waits_for,omitempty" doc:"who can decide now, while pending"`
	Mine      bool       `json:"mine"`
	CanDecide bool       `json:"can_decide"`
	Created   time.Time  `json:"created"`
	Lapses    time.Time  `json:"lapses"`
	Decided   time.Time  `json:"decided,omitzero"`
	Digest    string     `json:"digest" doc:"what a decision binds"`
	Decisions []Decision `json:"decisions"`
	Grant     *Grant     `json:"grant,omitempty"`
	URL       string     `json:"url,omitempty" doc:"its page, where it is decided"`

	NotBefore     time.Time `json:"not_before,omitzero" doc:"when it shall start; absent: at once"`
	Scope         []string  `json:"scope,omitempty" doc:"what it leaves of the role, in words; absent: all of it"`
	SessionPolicy string    `json:"session_policy,omitempty" doc:"the same as the IAM policy that every session under it carries"`
	Batch         string    `json:"batch,omitempty" doc:"id of the intent in which it was asked together with others"`
}

// Decision is one yes or no.
type Decision struct {
	By      string    `json:"by"`
	Approve bool      `json:"approve"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
}

// Decide approves or denies.
type Decide struct {
	Approve bool   `json:"approve"`
	Comment string `json:"comment,omitempty"`
	Digest  string `json:"digest,omitempty" doc:"of the request as it was shown; a mismatch is a conflict" maxLength:"64"`
}

// Grant is a window of access.
type Grant struct {
	ID       string    `json:"id"`
	Request  string    `json:"request"`
	Target   string    `json:"target"`
	Customer string    `json:"customer"`
	Person   string    `json:"person"`
	State    string    `json:"state" enum:"scheduled,active,ended,revoked"`
	Live     bool      `json:"live" doc:"gives access now"`
	Start    time.Time `json:"start,omitzero"`
	End      time.Time `json:"end,omitzero"`
	Closed   time.Time `json:"closed,omitzero"`
	Reason   string    `json:"reason,omitempty"`
	Approved string    `json:"approved,omitempty" doc:"who or which policy approved"`
	Sessions int       `json:"sessions" doc:"credentials that could still be used"`
}

// Revoke ends a grant of somebody else's.
type Revoke struct {
	Reason string `json:"reason"`
}

// Revoked is the answer to Revoke and to dropping a grant.
type Revoked struct {
	Grant Grant     `json:"grant"`
	State string    `json:"state" enum:"requested,told,confirmed,unconfirmed,over"`
	Until time.Time `json:"until,omitzero" doc:"latest moment at which an outstanding credential dies; absent: none is outstanding"`
	Act   string    `json:"act,omitempty" doc:"rv_…, by which the revocation can be followed"`
}

// Status is what concerns the caller now.
type Status struct {
	Now     time.Time `json:"now"`
	Active  []Grant   `json:"active"`
	Waiting []Request `json:"waiting" doc:"asked by the caller and pending"`
	Decide  []Request `json:"decide" doc:"waits for the caller's decision"`
	Review  []Review  `json:"review,omitempty" doc:"emergencies that nobody has reviewed: others' that the caller may, and the caller's own"`
}

// Why explains what stands between the caller and a target (law 10).
type Why struct {
	Target  string         `json:"target"`
	Allowed bool           `json:"allowed" doc:"a credential would be issued now"`
	Summary string         `json:"summary"`
	Unmet   []brevet.Unmet `json:"unmet"`
	Facts   []string       `json:"facts" doc:"what was looked at, one sentence each"`
	Next    string         `json:"next,omitempty" doc:"the next command"`
}

// CredentialRequest asks for a credential under a live grant. A client that
// holds one names its session in Have and gets either word that it still
// stands or a new one; either way in one round trip.
type CredentialRequest struct {
	Target       string `json:"target" maxLength:"110"`
	MinRemaining string `json:"min_remaining,omitempty" doc:"refuse what lives shorter, as 45m" maxLength:"20"`
	Grant        string `json:"grant,omitempty" doc:"under this grant and no other; absent: the best of the caller's" maxLength:"40"`
	Have         string `json:"have,omitempty" doc:"session id of the credential in hand" maxLength:"40"`
}

// Credential is an answer to CredentialRequest. If Keep is true the one in
// hand stands and the three secrets are empty.
type Credential struct {
	Keep            bool      `json:"keep,omitempty"`
	Session         string    `json:"session"`
	Grant           string    `json:"grant"`
	Target          string    `json:"target"`
	Account         string    `json:"account"`
	AccessKeyID     string    `json:"access_key_id,omitempty"`
	SecretAccessKey string    `json:"secret_access_key,omitempty"`
	SessionToken    string    `json:"session_token,omitempty"`
	Expires         time.Time `json:"expires"`
	GrantEnds       time.Time `json:"grant_ends"`
	Region          string    `json:"region"`
	Endpoint        string    `json:"endpoint,omitempty"`
	Now             time.Time `json:"now" doc:"the server's clock"`
}

// ConsoleRequest asks for a sign-in URL of the cloud's web console.
type ConsoleRequest struct {
	Target      string `json:"target" maxLength:"110"`
	Destination string `json:"destination,omitempty" doc:"console page to open" maxLength:"2000"`
}

// Console is a sign-in URL: a secret that works for 15 minutes.
type Console struct {
	URL     string    `json:"url"`
	Grant   string    `json:"grant"`
	Session string    `json:"session"`
	Expires time.Time `json:"expires" doc:"when the console session ends"`
}

// Checkpoint is the log's signed head.
type Checkpoint struct {
	Note  string `json:"note" doc:"C2SP checkpoint, a signed note"`
	Key   string `json:"key" doc:"verifier key that signed it"`
	Size  int64  `json:"size"`
	Epoch int64  `json:"epoch"`
}

// Entry is one row of the log. What the caller may not read has only Index
// and Hash.
type Entry struct {
	Index   int64    `json:"index"`
	Hash    string   `json:"hash" doc:"RFC 6962 leaf hash, base64"`
	Nodes   []string `json:"nodes,omitempty" doc:"inner nodes of the tree that the row completes, base64; they help to name a changed row"`
	Leaf    string   `json:"leaf,omitempty" doc:"the leaf's bytes"`
	Salt    string   `json:"salt,omitempty" doc:"base64; absent once erased"`
	Details string   `json:"details,omitempty" doc:"JSON of the event; absent once erased"`
	Erased  bool     `json:"erased,omitempty"`
}

// Entries is a page of the log.
type Entries struct {
	Entries []Entry `json:"entries"`
	Next    int64   `json:"next" doc:"index to go on from; equal to size at the end"`
	Size    int64   `json:"size"`
}

// Consistency proves that one head extends another.
type Consistency struct {
	From   int64    `json:"from"`
	To     int64    `json:"to"`
	Hashes []string `json:"hashes" doc:"RFC 6962 consistency proof, base64"`
}
