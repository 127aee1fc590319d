// Package catalog reads what may be asked for: all customers, accounts,
// roles, entitlements and rights of an installation.
//
// People edit one YAML file; docs/catalog.md shows one and explains every key.
// [Parse] turns a version of it into a [Catalog], or says all that is wrong with it at once, each with file, line and field.
// It is strict, because a catalog that is read otherwise than it looks gives
// access to the wrong people: unknown and repeated keys, wrong types, anchors,
// aliases, tags, control and bidi characters are all refused, and what is well
// formed is held against the rest (does the account exist? can anybody
// approve this?).
//
// Some of the text is not thought up by people: the ids of customers, and the
// audiences of accounts, which customers' stacks trust for years. [Complete],
// [AddCustomer] and [AddAccount] write those into the file where they belong
// and leave every other byte alone; [RemoveAccount] takes out what nothing else
// names. [Diff] says in words what a new version changes, and which
// of the changes widen access.
//
// # Decisions
//
// The durations and bounds of an entitlement and of its roles compose: the
// shorter duration and the tighter bound on MFA count. A grant is at most 12 h
// long, as an AWS session is: a console session gets the rest of its grant,
// and "temporary" means within a working day. An entitlement whose longest
// exceeds the max of all its roles is a mistake and refused.
//
// How old facts about groups may be is left to package policy where the
// catalog does not say: 8 h, and 15 min where MFA may be at most 1 h old.
//
// An entitlement that activates on use need not be automatic: then it is asked
// for and approved, and its clock starts at first use.
package catalog
