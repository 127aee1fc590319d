package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/service"
)

// What the callers ask for: automatic, opened by its first use.
const (
	target  = "acme-staging/ReadOnly"
	account = "111122223333"
	role    = "ReadOnly"
)

// serverOrder asks for a server in a folder of its own.
type serverOrder struct {
	Dir      string
	Database string // sqlite:PATH or postgres://…
	STS      string // URL
	People   int    // how many sign in
	Profile  string // file for a CPU profile; "" none
}

// playService is the real thing: a service as brevetd serve puts it together,
// with its access log (on the null device), its sweeps and its head file. Only
// STS and the identity provider are stood in for.
func playService(in *json.Decoder, out *json.Encoder) error {
	var o serverOrder
	if err := in.Decode(&o); err != nil {
		return err
	}
	service.Tune()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s, err := openService(ctx, o, "http://"+l.Addr().String())
	if err != nil {
		return explain(err)
	}
	up := serverUp{URL: "http://" + l.Addr().String(), Target: target}
	if up.Tokens, err = signInAll(ctx, s.Broker, o.People); err != nil {
		return explain(errors.Join(err, s.Close()))
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	err = untilTheEnd(in, out, up, o.Profile)
	cancel()
	return errors.Join(err, <-done, s.Close())
}

func openService(ctx context.Context, o serverOrder, url string) (*service.Service, error) {
	text, _, err := catalog.Complete(catalog.Sandbox, rand.Reader, time.Now())
	if err != nil {
		return nil, err
	}
	cfg := service.Config{URL: url, Listen: "127.0.0.1:0", Database: o.Database, Catalog: filepath.Join(o.Dir, "catalog.yaml"),
		Keys: filepath.Join(o.Dir, "keys"), RootKey: filepath.Join(o.Dir, "root.key")}
	if err := os.WriteFile(cfg.Catalog, text, 0o600); err != nil {
		return nil, err
	}
	idp := service.Provider{Name: "bench", Issuer: "https://idp.brevet.invalid", ClientID: "brevet"}
	idp.MFA.AMR = []string{"mfa"}
	cfg.Providers = []service.Provider{idp}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return service.Open(ctx, cfg, service.Options{Log: slog.New(slog.NewJSONHandler(null, nil)), STS: func(string, string) string { return o.STS }})
}

// signInAll signs n people in, by a provider that believes whom it is told.
func signInAll(ctx context.Context, b *broker.Broker, n int) (tokens []string, err error) {
	b.Providers = []broker.Provider{{Name: "bench", Issuer: "https://idp.brevet.invalid",
		AuthURL: func(_ context.Context, state, _, _ string, _ time.Duration) (string, error) { return state, nil },
		Exchange: func(_ context.Context, code, _, _ string, _ time.Duration) (brevet.Identity, error) {
			now := time.Now()
			return brevet.Identity{Principal: brevet.Principal{Issuer: "https://idp.brevet.invalid", Subject: code}, Login: code, Name: code,
				Proof: brevet.Proof{AuthTime: now, MFA: now, Methods: []string{"pwd", "mfa"}}, Groups: brevet.Groups{Names: []string{"engineers"}, At: now}}, nil
		}}}
	const verifier = "0123456789abcdef0123456789abcdef0123456789abcdef"
	challenge := sha256.Sum256([]byte(verifier))
	for i := range n {
		state, cookie, err := b.StartLogin(ctx, broker.LoginStart{Challenge: base64.RawURLEncoding.EncodeToString(challenge[:]), MaxAge: -1})
		if err != nil {
			return nil, err
		}
		done, err := b.FinishLogin(ctx, state, cookie, fmt.Sprintf("engineer%d", i), "", "", "127.0.0.1")
		if err != nil {
			return nil, err
		}
		token, _, err := b.Redeem(ctx, done.Code, verifier, "127.0.0.1")
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

// untilTheEnd says that a server is up and waits until it is not needed any
// more, profiling meanwhile if that is wanted.
func untilTheEnd(in *json.Decoder, out *json.Encoder, up serverUp, profile string) error {
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if err := out.Encode(up); err != nil {
		return err
	}
	in.Decode(new(struct{})) // until there is no more
	return nil
}

// explain adds the cause that an error keeps for the server's log.
func explain(err error) error {
	var e *brevet.Error
	if errors.As(err, &e) && e.Cause != nil {
		return fmt.Errorf("%w (%v)", err, e.Cause)
	}
	return err
}
