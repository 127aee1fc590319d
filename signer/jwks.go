package signer

import (
	"encoding/json"

	"github.com/brevet-access/brevet"
	jose "github.com/go-jose/go-jose/v4"
)

// JWKS returns the customer's key set (RFC 7517), to be served at
// [JWKSPath] below its issuer URL. The bytes change only with the keys. A
// customer without keys is an error of kind not_found: nobody who merely asks
// has one made.
func (k *Keys) JWKS(c brevet.CustomerID) ([]byte, error) {
	keys, err := k.listed(c)
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	for _, key := range keys {
		set.Keys = append(set.Keys, key.public)
	}
	return json.Marshal(set)
}

func (k *Keys) listed(c brevet.CustomerID) ([]*key, error) {
	r, err := k.ring(c, false)
	if err != nil {
		return nil, err
	}
	return r.listed(k.now()), nil
}

// discovery is the part of OpenID Connect Discovery 1.0 that AWS reads.
type discovery struct {
	Issuer   string   `json:"issuer"`
	JWKS     string   `json:"jwks_uri"`
	Response []string `json:"response_types_supported"`
	Subject  []string `json:"subject_types_supported"`
	Algs     []Alg    `json:"id_token_signing_alg_values_supported"`
	Claims   []string `json:"claims_supported"`
}

// Discovery returns the customer's discovery document, to be served at
// [DiscoveryPath] below its issuer URL. Its errors are those of JWKS.
func (k *Keys) Discovery(c brevet.CustomerID) ([]byte, error) {
	keys, err := k.listed(c)
	if err != nil {
		return nil, err
	}
	d := discovery{Issuer: k.IssuerOf(c), JWKS: k.IssuerOf(c) + JWKSPath, Response: []string{"id_token"}, Subject: []string{"public"},
		Claims: []string{"iss", "sub", "aud", "iat", "exp", "jti"}}
	for i, key := range keys {
		if i == 0 || keys[i-1].alg != key.alg {
			d.Algs = append(d.Algs, key.alg)
		}
	}
	return json.Marshal(d)
}
