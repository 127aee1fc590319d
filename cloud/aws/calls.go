package aws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/brevet-access/brevet"
)

// maxRead bounds what is read of the answer to a call.
const maxRead = 1 << 20

// calls makes signed calls in one region (Signature Version 4), one attempt
// each, with one set of credentials.
type calls struct {
	cloud             *Cloud
	ctx               context.Context
	region, partition string
	keys              sdk.Credentials
}

func (c *Cloud) calls(ctx context.Context, region, partition string, cred brevet.Credential) calls {
	return calls{c, ctx, region, partition, sdk.Credentials{AccessKeyID: cred.AccessKeyID, SecretAccessKey: cred.SecretAccessKey, SessionToken: cred.SessionToken}}
}

// refusedCall is an error with which AWS itself answered a call.
type refusedCall struct {
	code    string // such as AccessDenied
	message string // cleaned: one printable line without secrets
}

func (e *refusedCall) Error() string { return e.code + ": " + e.message }

// query makes a call of the Query protocol and decodes the answer into out.
func (s calls) query(service, version, action string, params url.Values, out any) error {
	form := url.Values{"Action": {action}, "Version": {version}}
	for k, v := range params {
		form[k] = v
	}
	status, body, err := s.send(service, http.MethodPost, "/", "application/x-www-form-urlencoded", "", form.Encode())
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		var no struct {
			Error struct{ Code, Message string }
		}
		if xml.Unmarshal(body, &no) != nil || !errorCode(no.Error.Code) {
			return fmt.Errorf("%s answered with status %d", service, status)
		}
		return &refusedCall{no.Error.Code, clean(no.Error.Message, s.keys.SessionToken)}
	}
	if xml.Unmarshal(body, out) != nil {
		return errors.New(service + " answered with something else than its XML")
	}
	return nil
}

// json makes a call of the JSON protocol.
func (s calls) json(service, target string, params, out any) error {
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	status, body, err := s.send(service, http.MethodPost, "/", "application/x-amz-json-1.1", target, string(text))
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return s.refusal(service, status, body, "")
	}
	if json.Unmarshal(body, out) != nil {
		return errors.New(service + " answered with something else than its JSON")
	}
	return nil
}

// refusal reads an error in JSON; code is what a header said, or "".
func (s calls) refusal(service string, status int, body []byte, code string) error {
	var no struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		Shouted string `json:"Message"` // as some services write it
	}
	if json.Unmarshal(body, &no) == nil && code == "" {
		code = no.Type[strings.LastIndexByte(no.Type, '#')+1:]
	}
	code, _, _ = strings.Cut(code, ":")
	if !errorCode(code) {
		return fmt.Errorf("%s answered with status %d", service, status)
	}
	if no.Message == "" {
		no.Message = no.Shouted
	}
	return &refusedCall{code, clean(no.Message, s.keys.SessionToken)}
}

// send signs and sends a call, and returns the answer.
func (s calls) send(service, method, path, kind, target, body string) (status int, answer []byte, err error) {
	region := s.region
	if service == "iam" {
		region = iamAt[s.partition].region
	}
	to := s.cloud.cfg.API(service, s.region, s.partition)
	if service == "sts" {
		to = s.cloud.cfg.STS(s.region, s.partition)
	}
	ctx, cancel := context.WithTimeout(s.ctx, attemptTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, to+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("User-Agent", "brevet")
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	digest := sha256.Sum256([]byte(body))
	if service == "s3" { // which demands it
		r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(digest[:]))
	}
	if err := v4.NewSigner().SignHTTP(ctx, s.keys, r, hex.EncodeToString(digest[:]), service, region, s.cloud.cfg.Now().UTC()); err != nil {
		return 0, nil, errors.New("the call could not be signed")
	}
	res, err := s.cloud.cfg.HTTP.Do(r)
	if err != nil {
		return 0, nil, noAnswer(err, s.keys.SessionToken).cause
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxRead+1))
	if err == nil && len(text) > maxRead {
		err = errors.New("the answer of " + service + " is too long")
	}
	return res.StatusCode, text, err
}
