package stack

import (
	"slices"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// Who was cut off at [now] where the list of grants was full, and moments about
// it. A session of the second before, or of that second, is cut off; one that
// began later is of a grant that lives.
const (
	otherHandle = "lead"
	justBefore  = "2026-11-25T11:59:59Z"
	justAfter   = "2026-11-25T12:00:01Z"
	muchLater   = "2026-11-25T12:20:00Z"
)

// by makes the call one of somebody's session that began at a moment.
func by(person, began string) callChange {
	return func(c *call) { c.person, c.began = person, began }
}

// withGrant makes it a session of that grant.
func withGrant(grant string) callChange { return func(c *call) { c.grant = grant } }

// widening is about what the revoker writes when no more grants fit into its
// policy: people and a moment in the place of grants, and if not even that
// fits, the moment alone.
func (b *book) widening() {
	after := func(statements []iam.Statement, what string, calls ...[]try) []try {
		var out []try
		for _, t := range slices.Concat(calls...) {
			out = append(out, listed(t, what, statements...))
		}
		return out
	}
	claim := func(id, about string, expect Verdict, tries []try) *Scenario {
		return b.claim(id, about, expect, permissionsLayer, tries...).with("Revoker", "true")
	}
	person := []iam.Statement{deniedGrants(otherGrant), deniedPeople(now, oneHandle, "contractor")}
	later := moment(muchLater, "")
	claim("widened-cuts-the-person", "Where the revoker's list is full, a person's sessions that began until then may do nothing, of whatever grant and in whatever role.", Refused,
		after(person, oneHandle+" cut off", b.working(by(oneHandle, earlier)), b.working(by(oneHandle, justBefore)), b.working(by(oneHandle, now), later),
			b.working(by(oneHandle, earlier), withGrant("gr_01jd5w2a2b3c4d5e6f7g8h9j0n"), later))).against(StolenLaptop, HostileEngineer)
	claim("widened-cuts-nobody-else", "Other people's sessions go on then, also of those whose handle is spelt alike.", Allowed,
		after(person, oneHandle+" cut off", b.working(by(otherHandle, earlier)), b.working(by("engineer2", earlier)), b.working(by("Engineer", earlier)), b.working(by("enginee", earlier))))
	claim("widened-lets-come-back", "What the person begins afterwards, with a grant that lives, works.", Allowed,
		after(person, oneHandle+" cut off", b.working(by(oneHandle, justAfter), later)))
	claim("widened-keeps-grants", "Grants that were listed before stay revoked, whoever's they are and whenever the session began.", Refused,
		after(person, oneHandle+" cut off", b.working(by(otherHandle, earlier), withGrant(otherGrant)), b.working(by(otherHandle, justAfter), withGrant(otherGrant), later))).against(StolenLaptop, HostileEngineer)
	everybody := []iam.Statement{deniedEverybody(now)}
	claim("widened-to-everybody", "If not even the people fit, every session that began until then may do nothing.", Refused,
		after(everybody, "everybody cut off", b.working(by(oneHandle, earlier)), b.working(by(otherHandle, justBefore)), b.working(by(otherHandle, now), later))).against(StolenLaptop, HostileEngineer)
	claim("widened-to-nobody-later", "What anybody begins after that works.", Allowed,
		after(everybody, "everybody cut off", b.working(by(oneHandle, justAfter), later), b.working(by(otherHandle, muchLater), later)))
	claim("widened-spares-the-customer", "Neither binds a role that is not brevet's: the customer's own people go on.", Present, []try{{"whom the policy is attached to", func(w *world) finding {
		for _, r := range w.in.Roles {
			attached := slices.ContainsFunc(r.Policies, func(p NamedPolicy) bool { return p.Name == w.ours("Revocations") })
			ours := slices.ContainsFunc(b.side.Roles, func(o brevet.Role) bool { return w.ours(string(o.Name)) == r.Name })
			if attached != ours {
				return finding{result: Absent, statement: r.Name, why: "the policy must be attached to brevet's roles for people, and to no other"}
			}
		}
		return finding{result: Present, statement: w.ours("Revocations")}
	}}})
}
