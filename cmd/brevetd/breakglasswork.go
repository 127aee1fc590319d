package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/cloud/aws"
	"github.com/brevet-access/brevet/glass"
	"github.com/brevet-access/brevet/manual"
)

// breakglassWork is the heavy half of brevet break-glass --offline: one task
// from the pipe, one reply. Secrets are in neither arguments nor environment.
func breakglassWork() *cobra.Command {
	return &cobra.Command{Use: "work", Short: "What brevet break-glass --offline runs", Hidden: true, Args: manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var t api.OfflineTask
			dec := json.NewDecoder(io.LimitReader(os.Stdin, 8<<20))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&t); err != nil {
				return brevet.Errorf(brevet.Invalid, "this is run by brevet break-glass --offline")
			}
			w := &worker{now: time.Now}
			reply, err := w.do(cmd.Context(), t)
			if err != nil {
				e := brevet.AsError(err)
				reply.No = &api.OfflineNo{Kind: e.Kind, Message: e.Message, Hint: e.Hint}
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(reply)
		}}
}

// worker carries out tasks.
type worker struct {
	now   func() time.Time
	issue func(ctx context.Context, cfg aws.Config, i brevet.Issue) (brevet.Credential, error) // nil: AWS
}

func (w *worker) do(ctx context.Context, t api.OfflineTask) (r api.OfflineReply, err error) {
	b, err := glass.ParseBundle(t.Bundle)
	if err != nil {
		return r, err
	}
	var o *glass.Opening
	switch t.Do {
	case "begin":
		o, err = glass.Begin(b, glass.Ask{Target: t.Target, As: t.As, Reason: t.Reason, Duration: t.For}, w.now())
	case "open":
		o, err = glass.Resume(b, t.State, w.now())
	default:
		err = brevet.Errorf(brevet.Invalid, "brevet and brevetd are of different versions")
	}
	if err != nil {
		return r, err
	}
	r = api.OfflineReply{State: o.State(), Target: o.Call.Target, Grant: string(o.Call.Grant), Begun: o.Call.Time, Call: string(o.Call.Text()), Check: o.Call.Check(),
		Threshold: b.Threshold, Key: b.Key}
	for _, h := range b.Holders {
		r.Holders = append(r.Holders, h.Name)
	}
	for _, a := range t.Answers {
		if o.Missing() == 0 {
			break
		}
		if _, err := o.Add(a); err != nil {
			e := brevet.AsError(err)
			text := e.Message
			if e.Hint != "" {
				text += " (" + e.Hint + ")"
			}
			r.Trouble = append(r.Trouble, text)
			continue
		}
		r.Good = append(r.Good, a)
	}
	r.Have, r.Missing = o.Have(), o.Missing()
	if t.Do != "open" || r.Missing > 0 {
		return r, nil
	}
	return r, w.open(ctx, o, t.Records, &r)
}

// open uses the key once: intent on record, the cloud, outcome on record; only
// then does the credential leave (law 2).
func (w *worker) open(ctx context.Context, o *glass.Opening, records string, reply *api.OfflineReply) error {
	key, err := o.Key()
	if err != nil {
		return err
	}
	defer key.Wipe()
	record, err := o.Intend(key, w.now())
	if err != nil {
		return err
	}
	issue, err := record.Issue(o.Bundle)
	if err != nil {
		return err
	}
	endpoint, err := stsEndpoint(o.Bundle)
	if err != nil {
		return err
	}
	name := filepath.Join(records, string(record.Intent.Grant)+".json")
	if _, err := os.Lstat(name); err == nil {
		return brevet.Errorf(brevet.Conflict, "this call was used already: %s", name).WithHint("a new call gets access anew")
	}
	if err := writePrivate(name, record.Text()); err != nil {
		return err
	}
	reply.Record = name
	cfg := aws.Config{Now: w.now, STS: endpoint, Token: func(_ context.Context, c brevet.Claims) (string, error) { return key.Token(c, w.now()) }}
	if w.issue == nil {
		w.issue = func(ctx context.Context, cfg aws.Config, i brevet.Issue) (brevet.Credential, error) {
			return aws.New(cfg).Issue(ctx, i)
		}
	}
	cred, no := w.issue(ctx, cfg, issue)
	record, err = record.Close(key, outcome(cred, no, w.now()))
	if err == nil {
		err = writePrivate(name, record.Text())
	}
	if no != nil {
		return errors.Join(brevet.AsError(no).WithHint("%s; the record is in %s", brevet.AsError(no).Hint, name), err)
	}
	if err != nil { // a credential that is on no record must not leave
		return err
	}
	reply.Credential = &api.OfflineCredential{Account: string(issue.Account.ID), AccessKeyID: cred.AccessKeyID, SecretAccessKey: cred.SecretAccessKey,
		SessionToken: cred.SessionToken, Made: w.now(), Expires: cred.Expires, Region: issue.Account.Region, Endpoint: o.Bundle.Endpoint}
	if cred.Expires.After(issue.End) {
		reply.Credential.Expires = issue.End
	}
	return nil
}

// outcome says what became of it.
func outcome(cred brevet.Credential, no error, now time.Time) glass.Outcome {
	out := glass.Outcome{Time: brevet.Instant(now)}
	switch k := brevet.KindOf(no); {
	case no == nil:
		out.AccessKey, out.Expires = cred.AccessKeyID, brevet.Instant(cred.Expires)
	case k == brevet.CloudRefused || k == brevet.Invalid || k == brevet.NoGrant: // certainly not made
		out.Refused = short(brevet.AsError(no).Message)
	default:
		out.Doubt = short(brevet.AsError(no).Message)
	}
	return out
}

// short makes a message fit for a record.
func short(s string) string {
	text, err := brevet.CleanText("text", brevet.Printable(s[:min(len(s), 500)]), 1000)
	if err != nil {
		return "no reason was given"
	}
	return text
}

// stsEndpoint returns where STS is asked: where the environment or a sandbox's
// bundle says, else AWS's own. A token goes nowhere without TLS but to this
// machine.
func stsEndpoint(b glass.Bundle) (func(region, partition string) string, error) {
	for _, at := range []string{os.Getenv("AWS_ENDPOINT_URL_STS"), b.Endpoint} {
		if at == "" {
			continue
		}
		u, err := url.Parse(at)
		if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost") {
			return nil, brevet.Errorf(brevet.Invalid, "STS: %s is no https://HOST", brevet.Printable(at))
		}
		return func(string, string) string { return u.Scheme + "://" + u.Host }, nil
	}
	return nil, nil
}
