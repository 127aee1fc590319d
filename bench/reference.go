package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

// reference issues credentials as brevet does, bare: one route, no policy, no
// limits, no second look, errors as they come.
type reference struct {
	log *refLog
	key *ecdsa.PrivateKey
	sts string
	out *http.Client

	signIn, grant, addSession, putSession *sql.Stmt
}

// playReference is the reference's server.
func playReference(in *json.Decoder, out *json.Encoder) error {
	var o serverOrder
	if err := in.Decode(&o); err != nil {
		return err
	}
	r, err := openReference(o)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	up := serverUp{URL: "http://" + l.Addr().String(), Target: target}
	for i := range o.People {
		token, err := r.admit(brevet.Handle(fmt.Sprintf("engineer%d", i)))
		if err != nil {
			return err
		}
		up.Tokens = append(up.Tokens, token)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /v1/credentials", r)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(l)
	err = untilTheEnd(in, out, up, o.Profile)
	return errors.Join(err, srv.Shutdown(context.Background()), r.log.close())
}

func openReference(o serverOrder) (*reference, error) {
	r := &reference{sts: o.STS, out: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true}}}
	var err error
	if r.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if r.log, err = openRefLog(filepath.Join(o.Dir, "reference.db")); err != nil {
		return nil, err
	}
	var errs [4]error
	ctx := context.Background()
	r.signIn, errs[0] = r.log.reads.Prepare(`SELECT id, person, handle, expires FROM signins WHERE hash = ?`)
	r.grant, errs[1] = r.log.conn.PrepareContext(ctx, `SELECT id, request, end, approved, activated FROM grants WHERE person = ? AND account = ? AND role = ? AND start <= ? AND end > ? ORDER BY end DESC LIMIT 1`)
	r.addSession, errs[2] = r.log.conn.PrepareContext(ctx, `INSERT INTO sessions VALUES (?,?,?,?,?,?,'',0)`)
	r.putSession, errs[3] = r.log.conn.PrepareContext(ctx, `UPDATE sessions SET state = ?, until = ?, access_key = ?, expires = ? WHERE id = ?`)
	return r, errors.Join(errs[:]...)
}

// admit gives somebody a bearer token and a grant, with the events that stand
// behind it.
func (r *reference) admit(h brevet.Handle) (token string, err error) {
	now := brevet.Instant(time.Now())
	person, request, grant := brevet.NewID[brevet.PersonID](now), brevet.NewID[brevet.RequestID](now), brevet.NewID[brevet.GrantID](now)
	end := now.Add(8 * time.Hour)
	base := brevet.Event{Time: now, Customer: refCustomer, Actor: brevet.Actor{Policy: "staging-look"}, Person: person, Request: request, Account: account, Role: role}
	approved, activated := base, base
	approved.Kind, approved.Digest = brevet.RequestApproved, strings.Repeat("0", 64)
	activated.Kind, activated.Grant, activated.Start, activated.End = brevet.GrantActivated, grant, &now, &end
	a, err1 := newRefEvent(approved)
	b, err2 := newRefEvent(activated)
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	token = "brv_" + rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(token))
	return token, r.log.update(func() error {
		ctx := context.Background()
		_, err1 := r.log.conn.ExecContext(ctx, `INSERT INTO signins VALUES (?,?,?,?,?)`, hash[:], string(brevet.NewID[brevet.SignInID](now)), string(person), string(h), end.UnixMicro())
		_, err2 := r.log.conn.ExecContext(ctx, `INSERT INTO grants VALUES (?,?,?,?,?,?,?,?,?)`, string(grant), string(request), string(person), account, role,
			now.UnixMicro(), end.UnixMicro(), r.log.record(a), r.log.record(b))
		return errors.Join(err1, err2)
	})
}

const refCustomer = brevet.CustomerID("cu_01k9zzzzzzzzzzzzzzzzzzzzzz")

// ServeHTTP issues a credential.
func (r *reference) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var in api.CredentialRequest
	answer, err := api.Credential{}, json.NewDecoder(req.Body).Decode(&in)
	if err == nil {
		answer, err = r.issue(req, in)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// refOrder is one issue on its way.
type refOrder struct {
	session                brevet.SessionID
	grant                  brevet.GrantID
	signIn, person, handle string
	request                string
	until, now, end        time.Time
}

// issue is intent, effect, outcome.
func (r *reference) issue(req *http.Request, in api.CredentialRequest) (out api.Credential, err error) {
	if in.Target != target {
		return out, errors.New("no such target")
	}
	o := refOrder{now: brevet.Instant(time.Now())}
	bearer, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	hash := sha256.Sum256([]byte(bearer))
	var expires int64
	if err := r.signIn.QueryRow(hash[:]).Scan(&o.signIn, &o.person, &o.handle, &expires); err != nil || o.now.UnixMicro() >= expires {
		return out, errors.New("not signed in")
	}
	if err := r.log.update(func() error { return r.intend(&o) }); err != nil {
		return out, err
	}
	token, err := r.token(&o)
	if err != nil {
		return out, err
	}
	out, err = r.assume(req.Context(), &o, token)
	if err != nil {
		return out, err
	}
	issued := o.event(brevet.SessionIssued, out.Expires)
	issued.Data = map[string]string{"access_key": out.AccessKeyID, "mfa": "8h"}
	e, err := newRefEvent(issued)
	if err != nil {
		return out, err
	}
	return out, r.log.update(func() error {
		r.log.record(e)
		_, err := r.putSession.Exec("issued", out.Expires.UnixMicro(), out.AccessKeyID, out.Expires.UnixMicro(), string(o.session))
		return err
	})
}

// intend finds the live grant, holds it against the log and records the
// intent. It runs on the writer.
func (r *reference) intend(o *refOrder) error {
	var end, approved, activated int64
	now := o.now.UnixMicro()
	if err := r.grant.QueryRow(o.person, account, role, now, now).Scan(&o.grant, &o.request, &end, &approved, &activated); err != nil {
		return err
	}
	a, err1 := r.log.read(approved)
	b, err2 := r.log.read(activated)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if a.Kind != brevet.RequestApproved || string(a.Request) != o.request || b.Kind != brevet.GrantActivated || b.Grant != o.grant ||
		string(b.Person) != o.person || b.End.UnixMicro() != end {
		return errors.New("the grant and the log disagree")
	}
	o.end = time.UnixMicro(end).UTC()
	o.until, o.session = o.now.Add(time.Hour+6*time.Minute), brevet.NewID[brevet.SessionID](o.now)
	e, err := newRefEvent(o.event(brevet.SessionIntended, o.until))
	if err != nil {
		return err
	}
	r.log.record(e)
	_, err = r.addSession.Exec(string(o.session), string(o.grant), o.person, "intended", now, o.until.UnixMicro())
	return err
}

func (o *refOrder) event(k brevet.EventKind, end time.Time) brevet.Event {
	return brevet.Event{Kind: k, Time: o.now, Customer: refCustomer, Actor: brevet.Actor{Person: brevet.PersonID(o.person), Handle: brevet.Handle(o.handle), Addr: "127.0.0.1"},
		Person: brevet.PersonID(o.person), Request: brevet.RequestID(o.request), Grant: o.grant, Session: o.session, Account: account, Role: role,
		End: &end, Data: map[string]string{"mfa": "8h"}}
}

var refHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"reference","typ":"JWT"}`)) + "."

// token signs a web-identity token (RFC 7518, 3.4).
func (r *reference) token(o *refOrder) (string, error) {
	at := o.now.Unix()
	body, err := json.Marshal(map[string]any{
		"iss": "https://issuer.brevet.invalid/c/" + refCustomer, "sub": o.person, "aud": "brevet:" + account + ":aaaaaaaaaaaaaaaaaaaaaaaaaa",
		"iat": at, "exp": at + 60, "jti": rand.Text(), "https://aws.amazon.com/source_identity": o.handle,
		"https://aws.amazon.com/tags": map[string]any{"transitive_tag_keys": []string{brevet.TagGrant}, "principal_tags": map[string][]string{
			brevet.TagRole: {role}, brevet.TagGrant: {string(o.grant)}, brevet.TagMFA: {"8h"}, brevet.TagContract: {"1"}}},
	})
	if err != nil {
		return "", err
	}
	text := refHeader + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(text))
	x, y, err := ecdsa.Sign(rand.Reader, r.key, sum[:])
	if err != nil {
		return "", err
	}
	var raw [64]byte
	x.FillBytes(raw[:32])
	y.FillBytes(raw[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// assume calls STS.
func (r *reference) assume(ctx context.Context, o *refOrder, token string) (out api.Credential, err error) {
	form := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::" + account + ":role/brevet-" + role},
		"RoleSessionName": {o.handle + "=" + string(o.grant[len(o.grant)-10:])}, "DurationSeconds": {"3600"}, "WebIdentityToken": {token},
		"Policy": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"` +
			o.end.Format(time.RFC3339) + `"}}}]}`}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.sts+"/", strings.NewReader(form.Encode()))
	if err != nil {
		return out, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := r.out.Do(req)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("STS: %s: %.100s", res.Status, body)
	}
	if err != nil {
		return out, err
	}
	out = api.Credential{Session: string(o.session), Grant: string(o.grant), Target: target, Account: account, GrantEnds: o.end, Region: "eu-west-1", Now: o.now,
		AccessKeyID: element(body, "AccessKeyId"), SecretAccessKey: element(body, "SecretAccessKey"), SessionToken: element(body, "SessionToken")}
	out.Expires, err = time.Parse(time.RFC3339, element(body, "Expiration"))
	return out, err
}

func element(body []byte, name string) string {
	_, rest, _ := bytes.Cut(body, []byte("<"+name+">"))
	text, _, _ := bytes.Cut(rest, []byte("</"+name+">"))
	return string(text)
}
