// Package brevet is the vocabulary of temporary cloud access.
//
// A brevet is a warrant that gives somebody a higher rank for a while. This
// package holds the words of that trade and the rules of how they change; it
// touches no clock, network or database. The other packages are the rooms in
// which the words are put to work.
//
// # The story
//
// A [Person] signs in at an identity provider, where they are a [Principal].
// What they then send is judged as a [Caller]: the person together with the
// proof of this one request (when they authenticated, how, and how old the
// facts about their groups are).
//
// A [Customer] owns an [Account]; an account has roles. An [Entitlement] says
// who may ask for which role where, how long, approved by whom, and how fresh
// their multi-factor proof must be (a [Rung]). The pair ACCOUNT/ROLE is a
// [Target].
//
// A [Request] asks for a target, for a duration, with a reason. It is decided
// by a policy or by people, never by the requester ([Request.Decide]); a
// [Decision] binds the digest of exactly what was asked. An approved request
// opens a [Grant] ([Request.Open]): a window in time. Within it the broker
// may have the [Cloud] issue credentials; each set is a [Session] under the
// grant and never outlives it.
//
// Request, Grant and Session are three nouns with three life cycles, and each
// is immutable once it has ended:
//
//	Request   pending -> approved | denied | withdrawn | lapsed
//	Grant     scheduled -> active -> ended | revoked
//	Session   intended -> issued -> ended
//	                   -> in doubt -> ended
//
// Every step is an [Event], written to a log whose wholeness anybody can
// check. No record, no credential.
//
// # The laws
//
//  1. No credential without a live grant; no grant without an approved
//     request; no request without an authenticated caller.
//  2. No audit record, no credential.
//  3. Nobody approves their own request.
//  4. A decision covers exactly what was asked.
//  5. A credential never outlives its grant.
//  6. MFA is judged at every issue.
//  7. Overlapping grants compose: access ends at the latest end.
//  8. Ending a person is one act.
//  9. What cannot be checked fails closed, for issuing.
//  10. Every "no" explains itself.
//  11. Rows are not authority: the log is.
//  12. Nobody guards the rules alone.
//  13. A customer is a wall.
package brevet
