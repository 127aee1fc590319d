package stack

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// Limits of AWS
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html,
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
const (
	maxManaged   = 6_144  // characters of a managed policy without white space
	maxInline    = 10_240 // characters of all inline policies of a role together
	maxRoleName  = 64
	maxAttached  = 10 // managed policies of a role
	maxLogGroup  = 512
	maxContact   = 254 // of an e-mail address (RFC 5321)
	byTheStack   = 1   // managed policies that the stack attaches itself: the revocations
	nameInStacks = `^[A-Za-z][A-Za-z0-9-]{0,23}$`
)

var (
	stackPrefix = lazy{expr: nameInStacks}
	groupName   = lazy{expr: `^[A-Za-z0-9_/.#-]+$`}
)

// reserved are names that the stacks use for roles of their own, in lower
// case: IAM tells no case apart.
var reserved = []string{"errand", "forward", "revoke", "revoker"}

// ready checks a side and fills in what has a default. Nothing is generated
// from a side that it refuses.
func ready(s Side) (Side, error) {
	if s.Customer.LogGroup == "" {
		s.Customer.LogGroup = s.Account.Prefix + "access"
	}
	bad := func(field, value, want string) error {
		return brevet.Errorf(brevet.Invalid, "%s: %q is not %s", field, brevet.Printable(value), want)
	}
	if s.Account.Contract > NewestContract {
		return s, bad("contract", strconv.Itoa(s.Account.Contract), "a version that this brevet knows; the newest is "+strconv.Itoa(NewestContract))
	}
	s.Account.Contract = NewestContract // whatever is deployed now
	switch {
	case !brevet.ValidName(s.Customer.Name):
		return s, bad("name", s.Customer.Name, "a customer's name")
	case !stackPrefix.regexp().MatchString(s.Account.Prefix):
		return s, bad("prefix", s.Account.Prefix, "what names of stacks and rules may begin with: a letter and up to 23 letters, digits and hyphens")
	case len(s.Customer.LogGroup) > maxLogGroup || !groupName.regexp().MatchString(s.Customer.LogGroup):
		return s, bad("log_group", s.Customer.LogGroup, "the name of a log group: up to 512 letters, digits and _ / . # -")
	case !validRegion.regexp().MatchString(s.Account.Region):
		return s, bad("region", s.Account.Region, "an AWS region")
	case s.Customer.Contact != "" && (len(s.Customer.Contact) > maxContact || !validContact.regexp().MatchString(s.Customer.Contact)):
		return s, bad("contact", s.Customer.Contact, "an e-mail address")
	case len(s.Roles) == 0:
		return s, brevet.Errorf(brevet.Invalid, "account %s has no roles", s.Account.ID)
	}
	for _, cidr := range s.Egress {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return s, bad("egress", cidr, "a block of addresses such as 203.0.113.7/32")
		}
	}
	if err := clash(s); err != nil {
		return s, err
	}
	return s, s.fitRoles()
}

// clash finds two things that would have the same name.
func clash(s Side) error {
	byID, byName := map[string]brevet.RoleName{}, map[string]brevet.RoleName{}
	for _, r := range s.Roles {
		low := strings.ToLower(string(r.Name))
		switch other, twice := byName[low], byName[low] != ""; {
		case slices.Contains(reserved, low):
			return brevet.Errorf(brevet.Invalid, "role %s: the stack needs this name itself", r.Name).WithHint("rename the role in the catalog")
		case twice && other == r.Name:
			return brevet.Errorf(brevet.Invalid, "role %s is there twice", r.Name)
		case twice:
			return brevet.Errorf(brevet.Invalid, "roles %s and %s clash: IAM tells no case apart", other, r.Name).WithHint("rename one of them in the catalog")
		case byID[logicalID(r.Name)] != "":
			return brevet.Errorf(brevet.Invalid, "roles %s and %s clash: CloudFormation takes letters and digits only, and both become %s", byID[logicalID(r.Name)], r.Name, lettersAndDigits(r.Name)).
				WithHint("rename one of them in the catalog")
		case len(s.Account.Prefix)+len(r.Name) > maxRoleName:
			return brevet.Errorf(brevet.Invalid, "role %s%s: the name has %d characters; IAM takes %d", s.Account.Prefix, r.Name, len(s.Account.Prefix)+len(r.Name), maxRoleName)
		}
		byID[logicalID(r.Name)], byName[low] = r.Name, r.Name
	}
	return nil
}

// fitRoles holds what a role will have in this account against IAM's limits.
func (s Side) fitRoles() error {
	n := concrete(s)
	if err := within("the boundary", policyOf(boundary(n)), maxManaged); err != nil {
		return err
	}
	for _, r := range s.Roles {
		p, err := Trust(s.Account, r)
		if err != nil {
			return err
		}
		// with the addresses that BrokerCidrs adds
		if len(s.Egress) > 0 && !r.Offline {
			p.Statements[0].Conditions = append(p.Statements[0].Conditions, when("IpAddress", "aws:SourceIp", s.Egress...))
		}
		if err := within("the trust policy of role "+string(r.Name), p, LongestTrust); err != nil {
			return err
		}
		if most := maxAttached - byTheStack; len(r.Policies) > most {
			return brevet.Errorf(brevet.Invalid, "role %s has %d managed policies; AWS takes %d, and the revoker's is one of them", r.Name, len(r.Policies), maxAttached).
				WithHint("leave %d, or put some into the role's inline policy", most)
		}
		if err := s.fitInline(n, r); err != nil {
			return err
		}
	}
	return nil
}

// fitInline adds up the inline policies of a role, with all that parameters
// can switch on.
func (s Side) fitInline(n names, r brevet.Role) error {
	all := []*iam.Policy{policyOf(frozen()), policyOf(denyProd())}
	if r.Name == roleData {
		all = append(all, policyOf(dataGuard(n)))
	}
	if len(r.Inline) > 0 {
		p, err := inlinePolicy(r)
		if err != nil {
			return err
		}
		if m := placeholder.regexp().FindString(p.String()); m != "" {
			return brevet.Errorf(brevet.Invalid, "inline policy of role %s: %s is CloudFormation's to fill in, and IAM would take it for a variable", r.Name, m).
				WithHint("write * in its place, or one of IAM's own variables, such as ${aws:PrincipalAccount}")
		}
		all = append(all, p)
	}
	total := 0
	for _, p := range all {
		total += len(p.String())
	}
	if total > maxInline {
		return brevet.Errorf(brevet.Invalid, "role %s: its inline policies have %d characters together with the stack's; IAM takes %d", r.Name, total, maxInline).
			WithHint("shorten the role's inline policy by %d characters", total-maxInline)
	}
	return nil
}

func within(what string, p *iam.Policy, most int) error {
	text, err := p.MarshalJSON()
	if err != nil {
		return brevet.Errorf(brevet.Internal, "%s cannot be printed", what).WithCause(err)
	}
	if len(text) > most {
		return brevet.Errorf(brevet.Invalid, "%s has %d characters; IAM takes %d", what, len(text), most).WithHint("use a shorter prefix, or fewer things with long names")
	}
	return nil
}

// fits holds a template against what CloudFormation takes.
func fits(f File) error {
	if strings.HasSuffix(f.Name, ".yaml") && len(f.Text) >= LongestTemplate {
		return brevet.Errorf(brevet.Invalid, "%s has %d bytes; CloudFormation takes less than %d", f.Name, len(f.Text), LongestTemplate).
			WithHint("give the account fewer roles, or roles with shorter inline policies")
	}
	return nil
}
