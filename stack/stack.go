// Package stack writes the customer side: what a customer's account must hold
// so that brevet can work in it, and what its roles may do.
//
// Brevet has no credential in a customer's account. The account registers the
// customer's issuer as an OIDC provider ([ProviderARN]), and each role trusts
// it under conditions ([Trust]); brevet signs a token that meets them and
// trades it for a session. The conditions are the whole wall between a token
// and a role, so each of them is proven by a test that tries the wrong one.
//
// What a trust policy asks of a token:
//
//   - the audience of this very account, which is random, so that a token for
//     one account is of no use in another;
//   - a person's id as subject, and somebody's handle as source identity;
//   - the role's name, the contract version of the account's stack, a rung
//     of MFA within the role's bound, and the grant, as session tags;
//   - no session tag beyond brevet's own.
//
// A role with [brevet.Role.Emergency] takes breakglass for a rung as well. One
// with [brevet.Role.Offline] takes no other, and no token but those of the
// account's second provider ([OfflineProviderARN]), whose key lies in no
// server; no other role trusts that one.
//
// These names and shapes lie in customers' accounts for years; a change is a
// new contract version.
package stack

import (
	"strings"

	"github.com/brevet-access/brevet"
)

// The OIDC issuer is named everywhere without its scheme.
const scheme = "https://"

// ProviderARN returns the ARN of the OIDC provider in the account that stands
// for the customer's issuer.
func ProviderARN(account brevet.Account) string {
	return concrete(Side{Account: account}).provider()
}

// OfflineProviderARN returns the ARN of the OIDC provider in the account that
// stands for its offline issuer, "" if it has none. Only roles with
// [brevet.Role.Offline] trust it.
func OfflineProviderARN(account brevet.Account) string {
	if account.OfflineIssuer == "" {
		return ""
	}
	return providerARN(account.Partition(), string(account.ID), strings.TrimPrefix(account.OfflineIssuer, scheme))
}
