package sandbox

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/brevet-access/brevet"
)

// session is everything about a set of credentials: of an assumed role, whose
// sealed form is the session token, so that the sandbox need not remember it,
// or of an IAM user.
type session struct {
	Key        string            `json:"k"` // access key id
	Secret     string            `json:"s"`
	Account    brevet.AccountID  `json:"a"`
	Role       string            `json:"r"`           // its IAM name
	User       string            `json:"u,omitempty"` // the IAM user that calls; then there is no role
	Name       string            `json:"n"`           // RoleSessionName
	Tags       map[string]string `json:"t,omitempty"` // session tags
	Transitive []string          `json:"v,omitempty"` // keys of the tags that a chained session inherits
	Source     string            `json:"i,omitempty"` // source identity
	Policy     string            `json:"p,omitempty"` // session policy
	Provider   string            `json:"f,omitempty"` // ARN of the OIDC provider; "" if the role was assumed by another
	Issued     time.Time         `json:"d"`
	Expires    time.Time         `json:"e"`
	Broker     bool              `json:"b,omitempty"` // of the broker's own role
	Chained    bool              `json:"c,omitempty"` // AssumeRole by an assumed role
}

// sealer seals blobs under a key; the label keeps one kind of blob from being
// taken for another.
type sealer struct {
	key []byte
}

func (s sealer) aead(label string) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, s.key, nil, "brevet sandbox "+label, 32)
	if err != nil {
		panic("sandbox: " + err.Error()) // the lengths are constants
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("sandbox: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("sandbox: " + err.Error())
	}
	return aead
}

// seal returns v as an opaque string of unpadded base64url, or of the
// standard alphabet as AWS writes tokens.
func (s sealer) seal(label string, enc *base64.Encoding, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("sandbox: " + err.Error()) // only types of this package get here
	}
	return enc.EncodeToString(s.aead(label).Seal(nil, nil, text, []byte(label)))
}

// open reads what seal wrote, and reports whether it did.
func (s sealer) open(label string, enc *base64.Encoding, sealed string, v any) bool {
	raw, err := enc.Strict().DecodeString(sealed)
	if err != nil {
		return false
	}
	text, err := s.aead(label).Open(nil, nil, raw, []byte(label))
	return err == nil && json.Unmarshal(text, v) == nil
}

// issue makes the session's key and secret, and returns its token.
func (a *AWS) issue(s *session) (token string) {
	s.Key = "ASIA" + randomText(10)
	var secret [30]byte
	rand.Read(secret[:])
	s.Secret = base64.StdEncoding.EncodeToString(secret[:])
	return a.seal.seal("session", base64.StdEncoding, s)
}

// session opens a session token.
func (a *AWS) session(token string) (*session, bool) {
	var s session
	if token == "" || len(token) > 64<<10 || !a.seal.open("session", base64.StdEncoding, token, &s) {
		return nil, false
	}
	return &s, true
}

// randomText returns n random bytes in upper-case base 32.
func randomText(n int) string {
	raw := make([]byte, n)
	rand.Read(raw)
	return base32.StdEncoding.EncodeToString(raw)
}

// roleID returns the unique id of a role, the same at every start.
func roleID(a brevet.AccountID, r string) string {
	digest := sha256.Sum256([]byte("brevet sandbox role\x00" + string(a) + "\x00" + r))
	return "AROA" + base32.StdEncoding.EncodeToString(digest[:])[:17]
}

// arn is the caller's ARN, as GetCallerIdentity states it.
func (s *session) arn(a brevet.Account) string {
	if s.User != "" {
		return "arn:" + a.Partition() + ":iam::" + string(a.ID) + ":user/" + s.User
	}
	return "arn:" + a.Partition() + ":sts::" + string(a.ID) + ":assumed-role/" + s.Role + "/" + s.Name
}

// userID is AWS's aws:userid of the caller.
func (s *session) userID() string {
	if s.User != "" {
		return userID(s.Account, s.User)
	}
	return roleID(s.Account, s.Role) + ":" + s.Name
}

// userID returns the unique id of a user, the same at every start.
func userID(a brevet.AccountID, name string) string { return "AIDA" + roleID(a, "user "+name)[4:] }
