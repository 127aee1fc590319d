package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet/catalog"
)

func TestDiff(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new string // a part of the sound catalog, and what it becomes; the way back is tested too
		there    []string
		back     []string
	}{
		{"nothing", "# x", "", nil, nil},
		{"comment", "issuer: ", "# x\nissuer: ", nil, nil},
		{"issuer", "https://issuer.brevet.invalid", "https://other.brevet.invalid",
			[]string{"+ issuer: https://issuer.brevet.invalid -> https://other.brevet.invalid; the stacks that are deployed trust the old one"},
			[]string{"+ issuer: https://other.brevet.invalid -> https://issuer.brevet.invalid; the stacks that are deployed trust the old one"}},
		{"role", "roles:\n", "roles:\n  Admin: {max: 1h, mfa: 5m, policies: [AdministratorAccess]}\n",
			[]string{"+ role Admin: new, up to 1h, MFA at most 5m old, AdministratorAccess"}, []string{"- role Admin: gone"}},
		{"role's max", "max: 12h", "max: 10h", []string{"- role ReadOnly: max: 12h -> 10h"}, []string{"+ role ReadOnly: max: 10h -> 12h"}},
		{"role's MFA", "mfa: 15m", "mfa: 1h", []string{"+ role Buckets: mfa: 15m -> 1h"}, []string{"- role Buckets: mfa: 1h -> 15m"}},
		{"role's policies", "[ReadOnlyAccess]", "[ReadOnlyAccess, SecurityAudit]",
			[]string{"+ role ReadOnly: policies: and SecurityAudit"}, []string{"- role ReadOnly: policies: no longer SecurityAudit"}},
		{"role's inline policy", "s3:ListBucket", "s3:GetObject", []string{"+ role Buckets: inline policy changed"}, []string{"+ role Buckets: inline policy changed"}},
		{"role's about", "about: look", "about: see", []string{`~ role ReadOnly: about: "look" -> "see"`}, []string{`~ role ReadOnly: about: "see" -> "look"`}},
		{"customer", "entitlements:\n", "  - {name: globex, id: cu_01jd0000000000000000000001}\nentitlements:\n", []string{"+ customer globex: new"}, []string{"- customer globex: gone"}},
		{"customer's id", "cu_01jd0000000000000000000000", "cu_01jd0000000000000000000001",
			[]string{"+ customer acme: id: cu_01jd0000000000000000000000 -> cu_01jd0000000000000000000001"}, []string{"+ customer acme: id: cu_01jd0000000000000000000001 -> cu_01jd0000000000000000000000"}},
		{"broker", "role/brevet-broker", "role/other",
			[]string{"+ broker: arn:aws:iam::999999999999:role/brevet-broker -> arn:aws:iam::999999999999:role/other"},
			[]string{"+ broker: arn:aws:iam::999999999999:role/other -> arn:aws:iam::999999999999:role/brevet-broker"}},
		{"egress", "[203.0.113.7/32, ", "[203.0.113.8/32, ", []string{"+ egress: and 203.0.113.8/32", "- egress: no longer 203.0.113.7/32"}, []string{"+ egress: and 203.0.113.7/32", "- egress: no longer 203.0.113.8/32"}},
		{"any egress", "egress: [203.0.113.7/32, \"2001:db8::/64\"]\n", "", []string{"+ egress: 203.0.113.7/32, 2001:db8::/64 -> any"}, []string{"- egress: any -> 203.0.113.7/32, 2001:db8::/64"}},
		{"entry", "    entry: assume-role\n    external_id: mnopqrstuvwxyz234567abcdef\n", "", []string{"+ customer birch: entry: assume-role -> oidc"}, []string{"+ customer birch: entry: oidc -> assume-role"}},
		{"external id", "mnopqrstuvwxyz234567abcdef", "nnopqrstuvwxyz234567abcdef",
			[]string{"+ customer birch: external_id: changed; the stacks that are deployed ask for the old one"}, []string{"+ customer birch: external_id: changed; the stacks that are deployed ask for the old one"}},
		{"contact", "    contact: security@birch.example\n", "", []string{"~ customer birch: contact: security@birch.example -> none"}, []string{"~ customer birch: contact: none -> security@birch.example"}},
		{"log group", "    log_group: continuous.engineering-access\n", "", []string{"~ customer birch: log_group: continuous.engineering-access -> firm-access"}, []string{"~ customer birch: log_group: firm-access -> continuous.engineering-access"}},
		{"account", "    rights:", "      - {name: acme-dev, number: \"777788889999\", region: eu-west-1, audience: \"brevet:777788889999:abcdefghijklmnopqrstuvwxyz\"}\n    rights:",
			[]string{"+ account acme-dev 777788889999: new, of customer acme, env none", "+ entitlement look: accounts: and acme-dev"},
			[]string{"- account acme-dev 777788889999: gone", "- entitlement look: accounts: no longer acme-dev"}},
		{"account's fields", "env: staging\n        region: eu-west-1", "env: test\n        region: eu-west-2",
			[]string{"+ account acme-staging: env: staging -> test", "~ account acme-staging: region: eu-west-1 -> eu-west-2"},
			[]string{"+ account acme-staging: env: test -> staging", "~ account acme-staging: region: eu-west-2 -> eu-west-1"}},
		{"account's name", "name: acme-staging", "name: acme-stage", []string{"+ account acme-stage: name: acme-staging -> acme-stage"}, []string{"+ account acme-staging: name: acme-stage -> acme-staging"}},
		{"audience", "abcdefghijklmnopqrstuvwxyz", "zbcdefghijklmnopqrstuvwxya",
			[]string{"+ account acme-staging: audience: brevet:111122223333:abcdefghijklmnopqrstuvwxyz -> brevet:111122223333:zbcdefghijklmnopqrstuvwxya"},
			[]string{"+ account acme-staging: audience: brevet:111122223333:zbcdefghijklmnopqrstuvwxya -> brevet:111122223333:abcdefghijklmnopqrstuvwxyz"}},
		{"contract", "contract: 1", "contract: 2", []string{"~ account acme-staging: contract: 1 -> 2"}, []string{"~ account acme-staging: contract: 2 -> 1"}},
		{"account's roles", "        roles: [ReadOnly]\n", "", []string{"+ account acme-staging: roles: and Buckets"}, []string{"- account acme-staging: roles: no longer Buckets"}},
		{"right", "[group:security, lead]", "[group:security, group:audit]",
			[]string{"+ customer acme: right audit: and group:audit", "+ customer acme: right audit: no longer lead"}, []string{"+ customer acme: right audit: and lead", "+ customer acme: right audit: no longer group:audit"}},
		{"new right", "rights: {", "rights: {revoke: [lead], ", []string{"+ customer acme: right revoke: and lead"}, []string{"+ customer acme: right revoke: no longer lead"}},
		{"approvers", "    activate: on-use\n", "    activate: on-use\n    approvers: {known: true, member_for: 24h}\n    unanswered: 4h\n",
			[]string{"- entitlement look: unanswered: 1d -> 4h"}, []string{"+ entitlement look: unanswered: 4h -> 1d"}},
		{"known approvers", "    approval:\n      steps:", "    approvers: {known: true, member_for: 24h}\n    approval:\n      steps:",
			[]string{"- entitlement buckets: approvers: any -> known", "- entitlement buckets: approvers: member_for: 0s -> 1d"},
			[]string{"+ entitlement buckets: approvers: known -> any", "+ entitlement buckets: approvers: member_for: 1d -> 0s"}},
		{"fallback", "quorum: 2}", "quorum: 2, or: [{by: [lead], after: 30m}]}",
			[]string{"+ entitlement buckets: approval: 2 of group leads, then group leads -> 2 of group leads, or lead after 30m, then group leads"},
			[]string{"- entitlement buckets: approval: 2 of group leads, or lead after 30m, then group leads -> 2 of group leads, then group leads"}},
		{"a customer's word", "    rights: {", "    approval: {by: [group:owners], envs: [prod]}\n    rights: {",
			[]string{"- customer acme: approval: none -> group owners in prod"}, []string{"+ customer acme: approval: group owners in prod -> none"}},
		{"who", "[group:engineers, lead]", "[group:engineers]", []string{"- entitlement look: who: no longer lead"}, []string{"+ entitlement look: who: and lead"}},
		{"accounts", `["*"]`, "[acme-prod]", []string{"- entitlement look: accounts: no longer acme-staging"}, []string{"+ entitlement look: accounts: and acme-staging"}},
		{"roles", "[Buckets, ReadOnly]", "[ReadOnly]", []string{"- entitlement buckets: roles: no longer Buckets"}, []string{"+ entitlement buckets: roles: and Buckets"}},
		{"longest", "longest: 8h", "longest: 9h", []string{"+ entitlement look: longest: 8h -> 9h"}, []string{"- entitlement look: longest: 9h -> 8h"}},
		{"mfa", "    mfa: 4h\n", "", []string{"+ entitlement look: mfa: 4h -> none"}, []string{"- entitlement look: mfa: none -> 4h"}},
		{"activate", "    activate: on-use\n", "", []string{"- entitlement look: activate: on-use -> on-approval"}, []string{"+ entitlement look: activate: on-approval -> on-use"}},
		{"ticket", "    activate: on-use\n    groups_within: 1h\n", "    activate: on-approval\n    groups_within: 1h\n    ticket: {required: true, pattern: \"OPS-[0-9]+\", check: jira}\n",
			[]string{"- entitlement look: activate: on-use -> on-approval", "- entitlement look: ticket: required: false -> true", "- entitlement look: ticket: pattern: none -> OPS-[0-9]+", "- entitlement look: ticket: check: none -> jira"},
			[]string{"+ entitlement look: activate: on-approval -> on-use", "+ entitlement look: ticket: required: true -> false", "+ entitlement look: ticket: pattern: OPS-[0-9]+ -> none", "+ entitlement look: ticket: check: jira -> none"}},
		{"reason", "    groups_within: 1h\n", "    groups_within: 1h\n    reason: {required: false}\n",
			[]string{"+ entitlement look: reason: required: true -> false"}, []string{"- entitlement look: reason: required: false -> true"}},
		{"ahead", "    groups_within: 1h\n", "    groups_within: 1h\n    ahead: 30d\n",
			[]string{"+ entitlement look: ahead: 14d -> 30d"}, []string{"- entitlement look: ahead: 30d -> 14d"}},
		{"groups_within", "    groups_within: 1h\n", "", []string{"+ entitlement look: groups_within: 1h -> default"}, []string{"- entitlement look: groups_within: default -> 1h"}},
		{"approval", "approval: automatic", "approval: {by: [group:leads]}",
			[]string{"- entitlement look: approval: policy -> group leads"}, []string{"+ entitlement look: approval: group leads -> policy"}},
		{"quorum", "quorum: 2", "quorum: 1", []string{"+ entitlement buckets: approval: 2 of group leads, then group leads -> group leads, then group leads"}, []string{"- entitlement buckets: approval: group leads, then group leads -> 2 of group leads, then group leads"}},
		{"step", "        - {}\n", "", []string{"+ entitlement buckets: approval: 2 of group leads, then group leads -> 2 of group leads"}, []string{"- entitlement buckets: approval: 2 of group leads -> 2 of group leads, then group leads"}},
		{"approver", "{by: [group:leads], quorum", "{by: [group:leads, lead], quorum",
			[]string{"+ entitlement buckets: approval: 2 of group leads, then group leads -> 2 of lead, group leads, then group leads"},
			[]string{"- entitlement buckets: approval: 2 of lead, group leads, then group leads -> 2 of group leads, then group leads"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old, new := parse(t, sound), parse(t, strings.Replace(sound, tt.old, tt.new, 1))
			if d := cmp.Diff(tt.there, catalog.Diff(old, new)); d != "" {
				t.Errorf("there: %s", d)
			}
			if tt.back == nil {
				return
			}
			if d := cmp.Diff(tt.back, catalog.Diff(new, old)); d != "" {
				t.Errorf("and back: %s", d)
			}
		})
	}
}

// TestDiffBounds: what puts people on duty and what engagements take away
// stands in a diff by the direction in which it moves access.
func TestDiffBounds(t *testing.T) {
	const top = "broker: arn:aws:iam"
	rota := func(text string) string { return "rotas: {sre: " + text + "}\n" + top }
	engaged := func(text string) string { return "    engagements: [{name: m, " + text + "}]\n    contact: security" }
	const birch = "    contact: security"
	with := func(pairs ...string) *catalog.Catalog { return parse(t, strings.NewReplacer(pairs...).Replace(sound)) }
	yaml := rota("{yaml: rotas/a.yaml, people: [lead]}")
	for _, tt := range []struct {
		name        string
		old, new    *catalog.Catalog
		there, back []string
	}{
		{"rota", with(), with(top, yaml), []string{"+ rota sre: new, from rotas/a.yaml, for lead"}, []string{"- rota sre: gone"}},
		{"its people", with(top, yaml), with(top, rota("{yaml: rotas/a.yaml, people: {lead: lead, L: engineer}}")),
			[]string{"+ rota sre: people: and L = engineer"}, []string{"- rota sre: people: no longer L = engineer"}},
		{"whom a name stands for", with(top, rota("{yaml: rotas/a.yaml, people: {L: lead}}")), with(top, rota("{yaml: rotas/a.yaml, people: {L: engineer}}")),
			[]string{"+ rota sre: people: and L = engineer", "- rota sre: people: no longer L = lead"}, []string{"+ rota sre: people: and L = lead", "- rota sre: people: no longer L = engineer"}},
		{"its source", with(top, yaml), with(top, rota("{pagerduty: {schedules: [PI7DH85], escalation_policies: [PT20YPA], token_file: rotas/t, region: eu}, people: [lead]}")),
			[]string{"+ rota sre: source: rotas/a.yaml -> PagerDuty eu schedules PI7DH85 by rotas/t in PT20YPA"}, []string{"+ rota sre: source: PagerDuty eu schedules PI7DH85 by rotas/t in PT20YPA -> rotas/a.yaml"}},
		{"its calendar", with(top, yaml), with(top, rota("{ical: {primary: {url_file: rotas/u}, secondary: {url: \"https://cal.example.com/b.ics\"}}, people: [lead]}")),
			[]string{"+ rota sre: source: rotas/a.yaml -> iCal primary rotas/u, secondary https://cal.example.com/b.ics"}, []string{"+ rota sre: source: iCal primary rotas/u, secondary https://cal.example.com/b.ics -> rotas/a.yaml"}},
		{"whose it is", with(top, yaml), with(birch, "    rotas: {sre: {yaml: rotas/a.yaml, people: [lead]}}\n"+birch),
			[]string{"+ rota sre: customer: none -> birch"}, []string{"+ rota sre: customer: birch -> none"}},
		{"who", with(top, yaml), with(top, yaml, "[group:engineers, lead]", "[group:engineers, lead, rota:sre]"),
			[]string{"+ entitlement look: who: and rota:sre"}, []string{"- entitlement look: who: no longer rota:sre"}},
		{"layer", with(top, yaml, "[group:engineers, lead]", "[rota:sre]"), with(top, yaml, "[group:engineers, lead]", "[\"rota:sre/secondary\"]"),
			[]string{"+ entitlement look: who: and rota:sre/secondary", "- entitlement look: who: no longer rota:sre"}, []string{"+ entitlement look: who: and rota:sre", "- entitlement look: who: no longer rota:sre/secondary"}},
		{"engagement", with(), with(birch, engaged("people: [contractor, group:guests], accounts: [\"*\"], start: 2026-11-01, end: 2026-12-31")),
			[]string{"- engagement m: new, of customer birch: contractor, group guests get nothing but birch-prod, from 2026-11-01T00:00:00Z to 2027-01-01T00:00:00Z"},
			[]string{"+ engagement m: gone; it does not bound contractor, group guests any more"}},
		{"its time", with(birch, engaged("people: [contractor], accounts: [\"*\"], start: 2026-11-01, end: 2026-12-31")), with(birch, engaged("people: [contractor], accounts: [\"*\"], start: 2026-10-01, end: 2027-01-31")),
			[]string{"+ engagement m: start: 2026-11-01T00:00:00Z -> 2026-10-01T00:00:00Z", "+ engagement m: end: 2027-01-01T00:00:00Z -> 2027-02-01T00:00:00Z"},
			[]string{"- engagement m: start: 2026-10-01T00:00:00Z -> 2026-11-01T00:00:00Z", "- engagement m: end: 2027-02-01T00:00:00Z -> 2027-01-01T00:00:00Z"}},
		{"whom it names", with(birch, engaged("people: [contractor], accounts: [\"*\"], start: 2026-11-01, end: 2026-12-31")), with(birch, engaged("people: [group:guests], accounts: [\"*\"], start: 2026-11-01, end: 2026-12-31")),
			[]string{"+ engagement m: and for group:guests", "+ engagement m: no longer bounds contractor"}, []string{"+ engagement m: and for contractor", "+ engagement m: no longer bounds group:guests"}},
		{"its accounts", with("    rights:", "    engagements: [{name: m, people: [lead], accounts: [env:prod], start: 2026-11-01, end: 2026-12-31}]\n    rights:"),
			with("    rights:", "    engagements: [{name: m, people: [lead], accounts: [\"*\"], start: 2026-11-01, end: 2026-12-31}]\n    rights:"),
			[]string{"+ engagement m: accounts: and acme-staging"}, []string{"- engagement m: accounts: no longer acme-staging"}},
		{"whose engagement", with("    rights: {v", "    engagements: [{name: m, people: [lead], accounts: [env:prod], start: 2026-11-01, end: 2026-12-31}]\n    rights: {v"), with(birch, engaged("people: [lead], accounts: [birch-prod], start: 2026-11-01, end: 2026-12-31")),
			[]string{"+ engagement m: customer: acme -> birch", "+ engagement m: accounts: and birch-prod", "- engagement m: accounts: no longer acme-prod"},
			[]string{"+ engagement m: customer: birch -> acme", "+ engagement m: accounts: and acme-prod", "- engagement m: accounts: no longer birch-prod"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.there, catalog.Diff(tt.old, tt.new)); d != "" {
				t.Errorf("there: %s", d)
			}
			if d := cmp.Diff(tt.back, catalog.Diff(tt.new, tt.old)); d != "" {
				t.Errorf("and back: %s", d)
			}
		})
	}
}

func TestDiffFromNothing(t *testing.T) {
	lines := catalog.Diff(nil, parse(t, sound))
	want := []string{
		"+ role ReadOnly: new, up to 12h, MFA at most 8h old, ReadOnlyAccess",
		"+ role Buckets: new, up to 2h, MFA at most 15m old, an inline policy",
		"+ customer acme: new",
		"+ customer birch: new, entered by assume-role",
		"+ account acme-staging 111122223333: new, of customer acme, env staging",
		"+ account acme-prod 444455556666: new, of customer acme, env prod",
		"+ account birch-prod 555566667777: new, of customer birch, env none",
		"+ customer acme: right view: and group:security",
		"+ customer acme: right decide: and group:leads",
		"+ customer acme: right audit: and lead, group:security",
		"+ entitlement look: new, for lead, group engineers: ReadOnly in acme-staging, acme-prod, up to 8h, approved by policy",
		"+ entitlement buckets: new, for group engineers: Buckets, ReadOnly in acme-prod, up to 4h, approved by 2 of group leads, then group leads",
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
}
