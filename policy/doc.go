// Package policy says who may ask for which role, who approves it, and why.
//
// A [Set] is compiled once from [Rules] and never changes. It answers from two
// sources that are kept apart on purpose:
//
//   - Entitlements open doors. They are structured, indexed by account and
//     role, and a thousand cost what one costs.
//   - Cedar narrows or shortens what an entitlement opened. Guardrails are
//     Cedar policies of which each is a forbid: whatever else says yes, one
//     match refuses. Automatic approval is Cedar policies of which each is a
//     permit: one match approves in the place of people. Neither lets anybody
//     ask for what no entitlement gives them.
//
// [Set.Decide] judges who may ask. Whether a multi-factor proof is fresh
// enough is judged when a credential is issued (law 6): here it is a fact in
// the explanation, and the age that Cedar may look at.
//
// # Groups
//
// Facts about groups that are older than the entitlement allows count as "not
// a member", and the explanation says so. Where guardrails look at groups,
// stale facts refuse; where automatic approval does, they do not approve.
//
// # Cedar
//
// The schema is the file brevet.cedarschema, exported as [Schema]; every policy
// is checked against it when it is compiled, and so are the accounts, roles
// and customers that it names: a guardrail on a misspelt account would guard
// nothing. In short:
//
//	principal   Person::"handle"          in Group::"name" …; attribute handle
//	action      Action::"request"         the only one
//	resource    Role::"ACCOUNT/ROLE"      the account by name;
//	                                      in Account::"name", Account::"number",
//	                                      Customer::"name", Customer::"id";
//	                                      attributes role, account, number,
//	                                      customer, env, region, max, mfa
//	context     duration  Long            seconds asked for; not said: the longest allowed
//	            reason    String          "" where none was given
//	            env       String          same as resource.env
//	            mfa_age   Long            seconds; the largest Long where there is no proof
//	            hour      Long            0 to 23, UTC
//	            weekday   Long            1 (Monday) to 7 (Sunday), UTC
//	            now       datetime
//	            held      Set<String>     what else the person holds live now, "ACCOUNT/ROLE";
//	                                      missing where it is not known
//	            held_envs Set<String>     the environments of its accounts
//	            ip        ipaddr          the client's; missing where not known
//
// Three annotations count: @id names the policy in explanations and in the
// log, @reason says why it is there, @remedy says what somebody who is
// refused can do about it.
//
//	@id("no-friday-evenings")
//	@reason("nobody is there to help")
//	@remedy("ask on Monday")
//	forbid (principal, action, resource)
//	when { context.env == "prod" && context.weekday == 5 && context.hour >= 15 };
//
// Everything fails closed: a guardrail that cannot be evaluated forbids, and
// if one automatic approval cannot be evaluated none approves.
//
// The engine looks at every policy that it is given, so a policy whose head
// says "resource == Role::…" or "resource in Account::… | Customer::…" is
// given only to queries for such roles; the others are evaluated each time.
package policy
