package stack

import (
	_ "embed"
	"strings"
)

// The texts that go with the templates.
var (
	//go:embed skeleton/INSTRUCTIONS.md
	instructionsSkeleton string
	//go:embed skeleton/offboard.sh
	offboardSkeleton string
	//go:embed skeleton/SECURITY.md
	securitySkeleton string
)

// textValues are what both texts say of this account.
func textValues(s Side) map[string]string {
	n := concrete(s)
	v := map[string]string{
		"account": n.account, "accountName": s.Account.Name, "customer": s.Customer.Name, "home": s.Account.Region, "prefix": n.prefix,
		"logGroup": n.logGroup, "workload": n.workload, "boundaryARN": n.boundaryARN(), "policyARN": n.arn("iam", "", "policy/"+n.prefix),
		"broker": s.Account.Broker, "count": countRoles(s.Roles), "anyRole": string(s.Roles[0].Name),
		"global": globalRegion(n.partition), "forwardRegions": globalRegion(n.partition) + " ",
		"globalNote": "IAM and other services without a region report in " + globalRegion(n.partition) + " only.",
		"besides":    " besides " + globalRegion(n.partition), "egressNote": "empty: from anywhere", "wayIn": "an identity provider",
		"instanceParameters": "ParameterKey=Audience,ParameterValue=" + s.Account.Audience,
		"offlineIssuer":      s.Account.OfflineIssuer,
		"believed":           "this customer's issuer signs: whoever had its key could sign what they like",
	}
	if len(s.Egress) > 0 {
		v["egressNote"] = "they are " + strings.Join(s.Egress, ", ")
	}
	if s.Account.Broker != "" {
		v["wayIn"] = "no more than"
		v["instanceParameters"] = "ParameterKey=ExternalId,ParameterValue=" + s.Account.ExternalID
		v["believed"] = "the role `" + s.Account.Broker + "` says: whoever had it could say what they like"
	}
	var names []string
	for _, r := range s.Roles {
		names = append(names, string(r.Name))
	}
	v["roleNames"] = strings.Join(names, " ")
	if v["global"] == s.Account.Region {
		v["forwardRegions"], v["globalNote"], v["besides"] = "", "", ""
	}
	return v
}

// textFlags say which parts of the texts are about this account.
func textFlags(s Side) map[string]bool {
	f := accessFlags(s)
	_, strong := (&book{side: s}).strongest()
	elsewhere := globalRegion(s.Account.Partition()) != s.Account.Region
	f["strong"], f["elsewhere"], f["athome"] = strong, elsewhere, !elsewhere
	f["contact"], f["nocontact"] = s.Customer.Contact != "", s.Customer.Contact == ""
	return f
}

// instructions returns INSTRUCTIONS.md.
func instructions(s Side) File {
	v := textValues(s)
	v["offboard"] = fillSkeleton(offboardSkeleton, v, textFlags(s))
	return File{"INSTRUCTIONS.md", []byte(fillSkeleton(instructionsSkeleton, v, textFlags(s)))}
}

// security returns SECURITY.md. A statement names the scenarios that prove it
// in square brackets, those alone that there are for this account.
func security(s Side) File {
	known := map[string]bool{}
	for _, c := range Scenarios(s) {
		known[c.Claim] = true
	}
	text, _ := proven(promises(s), known)
	return File{"SECURITY.md", []byte(reflow(text))}
}

// promises is SECURITY.md with the names of all scenarios that there may be.
func promises(s Side) string {
	v := textValues(s)
	claim := func(format string) string {
		var out []string
		for _, r := range s.Roles {
			out = append(out, strings.ReplaceAll(format, "ROLE", idOfRole(r.Name)))
		}
		return strings.Join(out, ", ")
	}
	v["workClaims"], v["prodClaims"] = claim("ROLE-works"), claim("prod-ROLE-tagged")
	v["rightClaims"], v["mfaClaims"], v["ownClaims"] = claim("enter-ROLE-right"), claim("enter-ROLE-mfa-beyond"), claim("enter-ROLE-only-its-own")
	if s.Account.Broker == "" {
		v["providerClaim"] = "admin-cannot-change-provider, "
	} else {
		v["providerClaim"] = ""
	}
	v["recordClaims"], v["boundedClaims"] = claim("ROLE-cannot-touch-record"), claim("ROLE-bounded")
	return fillSkeleton(securitySkeleton, v, textFlags(s))
}

// brackets are the names of scenarios after a statement. A link of Markdown
// is not one, nor is anything with other characters.
var brackets = lazy{expr: `\s*\[([a-z0-9, \n_-]+)\]`}

// proven drops the names of scenarios that are not known, and returns them.
func proven(text string, known map[string]bool) (out string, dropped []string) {
	out = brackets.regexp().ReplaceAllStringFunc(text, func(s string) string {
		var keep []string
		for _, name := range strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune("[], \n", c) }) {
			if known[name] {
				keep = append(keep, name)
			} else {
				dropped = append(dropped, name)
			}
		}
		if len(keep) == 0 {
			return ""
		}
		return " [" + strings.Join(keep, ", ") + "]"
	})
	return out, dropped
}

// reflow breaks the paragraphs and items of a text anew.
func reflow(text string) string {
	var b strings.Builder
	paragraph := ""
	flush := func() {
		if paragraph != "" {
			b.WriteString(wrap(paragraph) + "\n")
		}
		paragraph = ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			flush()
			b.WriteString(line + "\n")
		case strings.HasPrefix(line, "- ") || paragraph == "":
			flush()
			paragraph = line
		default:
			paragraph += " " + strings.TrimSpace(line)
		}
	}
	flush()
	return b.String()
}

// textWidth is the longest line of a text that is broken here.
const textWidth = 110

// wrap breaks a paragraph at spaces, and indents what follows an item's first
// line.
func wrap(paragraph string) string {
	indent := ""
	if strings.HasPrefix(paragraph, "- ") {
		indent = "  "
	}
	var b strings.Builder
	column := 0
	for i, word := range strings.Split(paragraph, " ") {
		if i > 0 && column+1+len(word) > textWidth {
			b.WriteString("\n" + indent)
			column = len(indent)
		} else if i > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
