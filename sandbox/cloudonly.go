package sandbox

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/service"
)

// OpenCloud opens the simulated AWS of a world that was opened before, alone:
// as it is when broker, database and identity provider are gone. c.Port is the
// first of the world's three.
func OpenCloud(c Config) (w *World, err error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "dir: %s", err)
	}
	text, err := os.ReadFile(filepath.Join(c.Dir, "catalog.yaml"))
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "%s holds no world", c.Dir).WithCause(err)
	}
	cat, err := catalog.Parse("catalog.yaml", text)
	if err != nil {
		return nil, err
	}
	secrets, err := openSecrets(c.Dir)
	if err != nil {
		return nil, err
	}
	w = &World{Dir: c.Dir, log: c.Log, post: newPostbox(secrets.AWSKey, c.Now)}
	if w.listeners[2], err = net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(c.Port+2)); err != nil {
		return nil, brevet.Errorf(brevet.Unavailable, "port %d of 127.0.0.1 is taken", c.Port+2).WithCause(err)
	}
	w.Facts.AWS = "http://" + w.host(2)
	w.Cloud, err = NewAWS(AWSConfig{Key: secrets.AWSKey, Host: w.host(2), Now: c.Now, Log: c.Log,
		Accounts: func() []brevet.Account { return cat.Accounts }, Catalog: func() *catalog.Catalog { return cat },
		JWKS: func(issuer string) ([]byte, error) { return offlineJWKS(c.Dir, cat, issuer) }, Dir: filepath.Join(c.Dir, "aws"), Propagation: c.Propagation})
	if err != nil {
		return nil, errors.Join(err, w.listeners[2].Close())
	}
	w.Cloud.post = w.post
	return w, nil
}

// ServeCloud runs it until ctx is over; ready is called once it answers.
func (w *World) ServeCloud(ctx context.Context, ready func()) error {
	srv := &http.Server{Handler: w.Cloud, ReadHeaderTimeout: 10 * time.Second}
	errs := make(chan error, 1)
	go func() { errs <- srv.Serve(w.listeners[2]) }()
	ready()
	select {
	case err := <-errs:
		return err
	case <-ctx.Done():
	}
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	return srv.Shutdown(stop)
}

// offlineJWKS hands the simulated AWS the keys of an offline issuer, which its
// static host would: nothing is served there in a sandbox.
func offlineJWKS(dir string, cat *catalog.Catalog, issuer string) ([]byte, error) {
	for _, a := range cat.Accounts {
		if a.OfflineIssuer != "" && a.OfflineIssuer == issuer {
			keys, err := service.OfflineKeys(service.Config{Keys: filepath.Join(dir, "keys")}, a.Customer)
			return keys.JWKS(), err
		}
	}
	return nil, brevet.Errorf(brevet.NotFound, "no customer's issuer is %s", issuer)
}
