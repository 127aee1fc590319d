package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/stack"
)

// Own is a stack that whoever runs the simulated AWS deploys for a customer,
// as the customer would.
type Own struct {
	Name, Region, Template string
	Parameters             map[string]string
}

func (o Own) digest() string {
	text, err := json.Marshal(o)
	if err != nil {
		panic("sandbox: " + err.Error()) // texts only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Deploy brings the stacks of an account up to date, by the same code as calls
// of CloudFormation: what is not there is created, what was deployed by
// Deploy and is another now is updated. A stack that somebody deleted stays
// deleted, and one that somebody else deployed since is left alone: its name
// is returned. The error is of kind invalid and says what CloudFormation said.
func (a *AWS) Deploy(account brevet.Account, stacks ...Own) (left []string, err error) {
	at := brevet.Instant(a.cfg.Now())
	for _, o := range stacks {
		s, f := a.state(account)
		if f != nil {
			return left, brevet.Errorf(brevet.Internal, "%s", f.msg)
		}
		old := s.newest(o.Name, o.Region)
		run := a.createStack
		switch {
		case old == nil:
		case old.Status == deleteComplete || old.Ours == o.digest():
			continue
		case old.Hand:
			left = append(left, o.Name)
			continue
		default:
			run = a.updateStack
		}
		d, f := run(account, stackWish{region: o.Region, name: o.Name, template: o.Template, parameters: o.Parameters,
			capabilities: []string{"CAPABILITY_NAMED_IAM"}, ours: o.digest(), at: at})
		if f == nil && d.Reason != "" {
			f = faultf(validationError, "%s", d.Reason)
		}
		if f != nil {
			return left, brevet.Errorf(brevet.Invalid, "stack %s in account %s cannot be deployed: %s", o.Name, account.Name, f.msg)
		}
	}
	return left, nil
}

// newest returns the last stack that had the name, even if it is deleted.
func (s saved) newest(name, region string) *deployed {
	for _, d := range slices.Backward(s.Stacks) {
		if d.Name == name && d.Region == region {
			return d
		}
	}
	return nil
}

// deployCatalog deploys what a catalog says in every account. The simulated
// accounts have an organization's trail, and broker and AWS meet on
// loopback, so neither a trail nor the broker's addresses are asked for. A
// customer without a contact gets one that exists nowhere, to be told.
func (a *AWS) deployCatalog(cat *catalog.Catalog) error {
	for _, account := range cat.Accounts {
		customer, _ := cat.CustomerByID(account.Customer)
		files, err := stack.CloudFormation(stack.Side{Customer: customer, Account: account, Roles: cat.RolesIn(account.ID)})
		if err != nil {
			return err
		}
		var own []Own
		for _, f := range files {
			if name, ok := map[string]string{"access.yaml": "access", "events.yaml": "events"}[f.Name]; ok {
				o := Own{Name: account.Prefix + name, Region: account.Region, Template: string(f.Text)}
				if name == "access" {
					o.Parameters = map[string]string{"Revoker": "true"}
				}
				if name == "events" && customer.Contact == "" {
					o.Parameters = map[string]string{"SecurityContact": "security@" + account.Name + ".invalid"}
				}
				own = append(own, o)
			}
		}
		left, err := a.Deploy(account, own...)
		if err != nil {
			return err
		}
		for _, name := range left {
			a.cfg.Log.Warn("simulated AWS: somebody deployed a stack by hand, so it is left as it is; brevet stack diff says what the catalog would change", "stack", name, "account", account.Name)
		}
	}
	return nil
}
