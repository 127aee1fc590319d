package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serverUp says where a server is, and for whom it has something.
type serverUp struct {
	URL    string
	Target string
	Tokens []string
}

// accessKey is the id of every credential that the instant STS hands out.
const accessKey = "ASIAIOSFODNN7EXAMPLE"

// instant answers AssumeRoleWithWebIdentity with credentials that are as long
// as AWS's, without looking at the token: what is measured is what stands
// before it.
type instant struct{ answer []byte }

func newInstant(account string, now time.Time) instant {
	return instant{fmt.Appendf(nil, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <Audience>brevet</Audience>
    <AssumedRoleUser>
      <AssumedRoleId>AROAEXAMPLE:engineer</AssumedRoleId>
      <Arn>arn:aws:sts::%s:assumed-role/brevet-ReadOnly/engineer</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>%s</AccessKeyId>
      <SecretAccessKey>%s</SecretAccessKey>
      <SessionToken>%s</SessionToken>
      <Expiration>%s</Expiration>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>
`, account, accessKey, strings.Repeat("s", 40), strings.Repeat("t", 800), now.Add(time.Hour).UTC().Format(time.RFC3339))}
}

// ServeHTTP answers at once. What is no call for a session gets 400, so that
// no side can leave the token or the session policy out.
func (i instant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	form, err := io.ReadAll(r.Body)
	for _, part := range []string{"Action=AssumeRoleWithWebIdentity", "WebIdentityToken=ey", "Policy=%7B", "RoleArn=arn"} {
		if err != nil || !bytes.Contains(form, []byte(part)) {
			http.Error(w, "not a call for a session: no "+part, http.StatusBadRequest)
			return
		}
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(i.answer)))
	w.Write(i.answer)
}

// playSTS is the instant STS; its order is the account's number.
func playSTS(in *json.Decoder, out *json.Encoder) error {
	var account string
	if err := in.Decode(&account); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: newInstant(account, time.Now())}
	go srv.Serve(l)
	if err := out.Encode(serverUp{URL: "http://" + l.Addr().String()}); err != nil {
		return err
	}
	in.Decode(&account) // until there is no more
	return srv.Close()
}
