package sandbox

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"

	"github.com/brevet-access/brevet"
)

// ownerName is the IAM user that stands for the customer's own administrator
// in each simulated account: AdministratorAccess and no boundary.
const ownerName = "owner"

// OwnerFact is the access key of an account's owner.
type OwnerFact struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
}

// Owner returns the access key with which the customer's own administrator
// works in the account. It follows from the key of the simulated AWS, so it
// is the same at every start.
func (a *AWS) Owner(id brevet.AccountID) OwnerFact {
	key := accessKeyID(a.derive("owner key " + string(id)))
	return OwnerFact{key, a.userSecret(id, ownerName, key)}
}

// userSecret returns the secret access key that belongs to a user's key.
func (a *AWS) userSecret(id brevet.AccountID, user, key string) string {
	return base64.StdEncoding.EncodeToString(a.derive("secret " + string(id) + " " + user + " " + key)[:30])
}

func (a *AWS) derive(label string) []byte {
	out, err := hkdf.Key(sha256.New, a.cfg.Key, nil, "brevet sandbox user "+label, 32)
	if err != nil {
		panic("sandbox: " + err.Error()) // the lengths are constants
	}
	return out
}

func accessKeyID(raw []byte) string { return "AKIA" + base32.StdEncoding.EncodeToString(raw[:10]) }

// user finds the IAM user whose access key signed the call.
func (a *AWS) user(c *call) (*session, brevet.Account, bool) {
	for _, account := range a.cfg.Accounts() {
		if owner := a.Owner(account.ID); owner.AccessKeyID == c.sig.Key {
			return &session{Key: owner.AccessKeyID, Secret: owner.SecretAccessKey, Account: account.ID, User: ownerName, Name: ownerName}, account, true
		}
		_, h, f := a.holding(account)
		if f != nil {
			continue
		}
		for _, u := range h.users {
			for _, k := range u.Keys {
				if k == c.sig.Key {
					return &session{Key: k, Secret: a.userSecret(account.ID, u.Name, k), Account: account.ID, User: u.Name, Name: u.Name}, account, true
				}
			}
		}
	}
	return nil, brevet.Account{}, false
}
