package api

import "time"

// SealedGlass opens access in an emergency with two sealed codes: the identity
// provider is down, so nobody can sign in.
type SealedGlass struct {
	BreakGlass
	As     SealedCode `json:"as" doc:"the requester"`
	Second SealedCode `json:"second" doc:"another person, of those whose code counts as the second"`
	Device string     `json:"device,omitempty" doc:"what the client calls the machine" maxLength:"63"`
}

// SealedCode is a person's handle and one of their sealed codes.
type SealedCode struct {
	Handle string `json:"handle" maxLength:"64"`
	Code   string `json:"code" doc:"16 letters and digits; case, spaces and dashes do not matter; a secret" maxLength:"64"`
}

// SealedOpened is the emergency, and a session that is good for it alone.
type SealedOpened struct {
	Glass
	Token   string    `json:"token" doc:"bearer token; a secret"`
	Expires time.Time `json:"expires" doc:"when the session ends, with the emergency"`
	Person  string    `json:"person"`
	Handle  string    `json:"handle"`
	LogKey  string    `json:"log_key" doc:"verifier key of the audit log"`
}

// Sheet is a fresh sheet of sealed codes. They are told here and never again.
type Sheet struct {
	Codes    []string  `json:"codes" doc:"one-time codes; secrets"`
	Made     time.Time `json:"made"`
	Replaced bool      `json:"replaced" doc:"the sheet before is void now"`
}

// Sheets is what the caller is told of sealed codes.
type Sheets struct {
	Made   time.Time `json:"made,omitzero" doc:"of the caller's own sheet; absent: there is none"`
	Left   int       `json:"left" doc:"its codes that are not used up"`
	Size   int       `json:"size"`
	Stated time.Time `json:"stated,omitzero" doc:"when a provider last spoke of the caller's groups"`
	Until  time.Time `json:"until,omitzero" doc:"until when that counts where codes are used"`
	Opens  []Sealed  `json:"opens" doc:"emergencies that the caller may open so, lend a code for, or watch"`
}

// Sealed is an emergency that sealed codes open.
type Sealed struct {
	Entitlement string   `json:"entitlement"`
	Targets     []string `json:"targets"`
	Second      string   `json:"second" doc:"whose code counts as the second"`
	Mine        bool     `json:"mine" doc:"the caller may break this glass"`
	Lend        bool     `json:"lend" doc:"the caller's code may be the second"`
	Holders     []string `json:"holders" doc:"those others of them who have a sheet"`
	Unusable    string   `json:"unusable,omitempty" doc:"why codes do not open it; absent: they do"`
}
