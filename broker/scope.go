package broker

import (
	"fmt"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// narrow turns what a person named into the session policy that narrows the
// role to it; "" where nothing was named. What would not fit into a session
// is refused here and not when a credential is wanted.
func (b *Broker) narrow(only []string, account brevet.Account, role brevet.Role) (string, error) {
	if len(only) == 0 {
		return "", nil
	}
	if account.Center != nil {
		return "", brevet.Errorf(brevet.Invalid, "only: %s is entered through IAM Identity Center, which cannot narrow a role", account.Name).
			WithHint("ask for a role that may do less: brevet ls")
	}
	var pieces []iam.Piece
	for _, text := range only {
		more, err := iam.ParsePieces(text)
		if err != nil {
			return "", badScope(err)
		}
		pieces = append(pieces, more...)
	}
	p, err := iam.Narrow(pieces, iam.Home{Partition: account.Partition(), Account: string(account.ID), Region: account.Region})
	if err != nil {
		return "", badScope(err)
	}
	text := p.String()
	if b.Fits != nil {
		if err := b.Fits(account, role.Name, text); err != nil {
			return "", err
		}
	}
	return text, nil
}

func badScope(err error) error {
	return brevet.Errorf(brevet.Invalid, "only: %s", brevet.Printable(err.Error())).WithHint("docs/requests.md shows how: --only s3:ListBucket,s3:GetObject@BUCKET")
}

// scopeWords says for people what a session policy leaves of the role, one
// line a statement; nil for all of it.
func scopeWords(policy string) []string {
	if policy == "" {
		return nil
	}
	p, err := iam.Parse([]byte(policy))
	if err != nil {
		return []string{fmt.Sprintf("what the policy says, which cannot be put into words: %s", brevet.Printable(err.Error()))}
	}
	return p.Words()
}
