package brevet

// TextRule says what a request must give as its reason or its ticket.
type TextRule struct {
	Required bool   `json:"required,omitempty"`
	Pattern  string `json:"pattern,omitempty"` // RE2, of the whole text; "": any
	Check    string `json:"check,omitempty"`   // name of the server's check that must say yes; "": none
}

// MaxPattern bounds the pattern of a [TextRule], in bytes.
const MaxPattern = 200
