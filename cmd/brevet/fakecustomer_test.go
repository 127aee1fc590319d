package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

func (f *fake) customers(string, *http.Request) (any, error) {
	k := api.Customer{ID: "cu_01jd0000000000000000000000", Name: "acme", State: "active", Entry: "oidc", Accounts: []api.Account{
		{Number: "111122223333", Name: "acme-staging", Customer: "acme", Env: "staging", Region: "eu-west-1", Contract: 1},
		{Number: "444455556666", Name: "acme-prod", Customer: "acme", Region: "eu-west-1", Contract: 1}}}
	if f.left != nil {
		k.State, k.Offboarded = "offboarded", f.left
	}
	return []api.Customer{k}, nil
}

func (f *fake) offboard(who string, r *http.Request) (any, error) {
	if r.PathValue("id") != "acme" {
		return nil, brevet.Errorf(brevet.NotFound, "there is no customer %s that you may see", r.PathValue("id"))
	}
	var in api.Offboard
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	until := time.Now().Add(50 * time.Minute)
	f.left = &api.Offboarded{Customer: "acme", At: time.Now(), By: who, Reason: in.Reason, Grants: 2, Requests: 1, Sessions: 1, Until: &until}
	out := *f.left
	out.Proof = &api.Proof{OK: true, Refused: 12, Admitted: []string{}}
	if f.hostile {
		out.Proof = &api.Proof{Admitted: []string{"acme-prod/SRE"}}
	}
	return out, nil
}
