package service

import (
	"context"

	"github.com/brevet-access/brevet"
)

// token signs a web-identity token, unless the log says that the customer was
// offboarded: every token that brevet makes passes here.
func (s *Service) token(ctx context.Context, c brevet.Claims) (string, error) {
	if err := s.Broker.MayMint(c.Customer); err != nil {
		return "", err
	}
	return s.Keys.Token(ctx, c)
}

// prove makes a token for the role as an issue would, for nobody, and throws
// it away. Where no token lets brevet in, but its own AWS role, what opens the
// broker's door to the cloud must do.
func (s *Service) prove(ctx context.Context, a brevet.Account, role brevet.RoleName) error {
	if a.Broker != "" {
		return s.Broker.MayMint(a.Customer)
	}
	_, err := s.token(ctx, brevet.Claims{Customer: a.Customer, Audience: a.Audience, Subject: "proof",
		Tags: map[string]string{brevet.TagRole: string(role)}})
	return err
}

// known serves an issuer's document only while its customer is one: without
// the keys no cloud honours a token of it, whoever signed that.
func (s *Service) known(get func(brevet.CustomerID) ([]byte, error)) func(brevet.CustomerID) ([]byte, error) {
	return func(id brevet.CustomerID) ([]byte, error) {
		if s.DB.CustomerOver(id) {
			return nil, brevet.Errorf(brevet.NotFound, "there is no such issuer any more")
		}
		return get(id)
	}
}
