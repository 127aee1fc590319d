package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/cloud/aws"
)

// revoked is how long after the request to revoke a grant what has happened.
type revoked struct {
	answered time.Duration // no credential leaves any more
	denied   time.Duration // the credential that was out is refused by the cloud
	seen     time.Duration // brevet has seen that, and says so
}

// revocations is a world with somebody who holds a grant and somebody who
// ends it.
type revocations struct {
	engineer, security *client.Client
	cloud              *aws.Cloud
	account            brevet.Account
}

// measureRevoke times what ends a grant, one at a time, in the sandbox, whose
// policies count at once: what AWS itself needs comes on top. The value is the
// longest, as nobody who revokes is helped by a median.
func measureRevoke(ctx context.Context, p plan) (rows []row, err error) {
	w, end, err := openWorld(ctx, filepath.Join(p.dir, "revoke"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	var r revocations
	if r.engineer, _, err = brevettest.SignIn(ctx, w.Facts, time.Now, "engineer"); err != nil {
		return nil, err
	}
	if r.security, _, err = brevettest.SignIn(ctx, w.Facts, time.Now, "security"); err != nil {
		return nil, err
	}
	r.account, _ = w.Service.Broker.Catalog().Account("acme-staging")
	r.cloud = aws.New(aws.Config{API: func(string, string, string) string { return w.Facts.AWS }})
	var all []revoked
	for range p.revokes {
		one, err := r.one(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	for _, what := range []struct {
		name string
		goal float64 // ms
		of   func(revoked) time.Duration
	}{
		{"revoke to no new credential", 1000, func(r revoked) time.Duration { return r.answered }},
		{"revoke to AWS's Deny", 2000, func(r revoked) time.Duration { return r.denied }},
		{"revoke to confirmed", 5000, func(r revoked) time.Duration { return r.seen }},
	} {
		var list []time.Duration
		for _, r := range all {
			list = append(list, what.of(r))
		}
		longest := slices.Max(list)
		rows = append(rows, row{name: what.name, ours: summarize(list, total(list)), unit: " ms", goal: what.goal,
			value: float64(longest) / float64(time.Millisecond)})
	}
	return rows, nil
}

// one opens a grant, takes a credential, revokes the grant and watches.
func (r *revocations) one(ctx context.Context) (out revoked, err error) {
	const target = "acme-staging/SRE"
	if _, err := r.engineer.Ask(ctx, api.NewRequest{Target: target, Duration: "1h", Reason: "bench"}); err != nil {
		return out, err
	}
	cred, err := r.engineer.Credential(ctx, api.CredentialRequest{Target: target})
	if err != nil {
		return out, err
	}
	if refused, err := r.refused(ctx, cred); err != nil || refused {
		return out, fmt.Errorf("the credential is refused before its grant is revoked: %v, %w", refused, err)
	}
	began := time.Now()
	type seen struct {
		at  time.Duration
		err error
	}
	denied := make(chan seen, 1)
	go func() {
		at, err := r.watch(ctx, cred, began)
		denied <- seen{at, err}
	}()
	act, err := r.security.RevokeAll(ctx, api.RevokeAll{Grant: cred.Grant, Reason: "bench"})
	if err != nil {
		return out, err
	}
	out.answered = time.Since(began)
	if _, err := r.engineer.Credential(ctx, api.CredentialRequest{Target: target}); brevet.KindOf(err) != brevet.NoGrant {
		return out, fmt.Errorf("after the revocation a credential is answered with: %w", err)
	}
	for !act.Settled {
		if act, err = r.security.Revocation(ctx, act.ID, 30*time.Second); err != nil {
			return out, err
		}
	}
	out.seen = time.Since(began)
	d := <-denied
	out.denied = d.at
	switch {
	case d.err != nil:
		return out, d.err
	case len(act.Grants) != 1 || act.Grants[0].State != string(brevet.RevokeConfirmed):
		return out, fmt.Errorf("the revocation is not confirmed: %+v", act.Grants)
	}
	return out, nil
}

// watch uses the credential until it is refused.
func (r *revocations) watch(ctx context.Context, cred api.Credential, began time.Time) (time.Duration, error) {
	for ctx.Err() == nil && time.Since(began) < time.Minute {
		if refused, err := r.refused(ctx, cred); err != nil || refused {
			return time.Since(began), err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, errors.New("the cloud never refused")
}

// refused reports whether the cloud refuses all that is tried with the
// credential.
func (r *revocations) refused(ctx context.Context, cred api.Credential) (bool, error) {
	as := brevet.Credential{AccessKeyID: cred.AccessKeyID, SecretAccessKey: cred.SecretAccessKey, SessionToken: cred.SessionToken, Expires: cred.Expires}
	for _, t := range r.cloud.Try(ctx, as, r.account, "SRE") {
		switch t.Result {
		case brevet.TryAllowed:
			return false, nil
		case brevet.TryUnknown:
			return false, fmt.Errorf("%s: %s", t.Action, t.Detail)
		}
	}
	return true, nil
}
