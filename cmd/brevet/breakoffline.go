package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/keychain"
	"github.com/brevet-access/brevet/manual"
)

// offline is what brevet break-glass --offline was told.
type offline struct {
	on, anew, env bool
	bundle, as    string
	answers       []string
}

const offlineHelp = `Get access in an emergency: everybody is told, somebody reviews it.

With --offline it needs no server: a call to the holders of the customer's
offline key is made, which you send them by whatever means are left. Each gives
an answer (brevet break-glass share); enough of them, pasted here or given with
--answer, open the key once, for one role and an hour at most. Run again with
the same target it goes on where it was. What was done is on a record, which is
brought to the server when it is back: brevet break-glass import FILE.`

// flagOffline lets break-glass go without a server.
func (c *cli) flagOffline(cmd *cobra.Command, in *api.BreakGlass) {
	var o offline
	cmd.Long = offlineHelp
	online := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.on {
			o.as = cmd.Flag("as").Value.String()
			return c.breakOffline(cmd.Context(), args[0], *in, o)
		}
		if o.bundle != "" || len(o.answers) > 0 || o.anew || o.env {
			return manual.Misuse(cmd, errors.New("--bundle, --answer, --anew and --env go with --offline"))
		}
		return online(cmd, args)
	}
	f := cmd.Flags()
	f.BoolVar(&o.on, "offline", false, "without the server, by the customer's offline key")
	f.StringVar(&o.bundle, "bundle", "", "the customer's bundle, a `FILE` (with --offline)")
	f.StringArrayVar(&o.answers, "answer", nil, "an answer to your call, a `FILE` (with --offline, repeatable)")
	f.BoolVar(&o.anew, "anew", false, "forget a call that was begun (with --offline)")
	f.BoolVar(&o.env, "env", false, "print what gives access to this shell (with --offline)")
}

// call is what is kept, sealed, of a call until it is answered or an hour old.
type call struct {
	State   []byte   `json:"state"`
	Answers [][]byte `json:"answers"`
}

// breakOffline makes a call, or goes on with one, and uses the key once it is
// answered by enough.
func (c *cli) breakOffline(ctx context.Context, target string, in api.BreakGlass, off offline) error {
	t, err := brevet.ParseTarget(target)
	if err != nil {
		return err
	}
	if off.bundle == "" {
		return brevet.Errorf(brevet.Invalid, "--bundle is missing").WithHint("whoever runs the server gave it to you with the customer's offline key: bundle.json")
	}
	bundle, err := os.ReadFile(off.bundle)
	if err != nil {
		return brevet.Errorf(brevet.Invalid, "cannot read the bundle: %s", rootCause(err))
	}
	o, err := c.open()
	if err != nil {
		return err
	}
	if err := c.prepare(o); err != nil {
		return err
	}
	w := &breaking{cli: c, opened: o, target: t.String(), bundle: bundle, off: off}
	if err := w.begin(ctx, in); err != nil {
		return err
	}
	reply, err := w.collect(ctx)
	if err != nil || reply.Credential == nil {
		return err
	}
	return w.done(reply)
}

// breaking is one run of it.
type breaking struct {
	*cli
	*opened
	target string
	bundle []byte
	off    offline
	kept   call
	first  api.OfflineReply // about the call
	goesOn bool
}

// begin goes on with the call that is kept for the target, or makes one.
func (w *breaking) begin(ctx context.Context, in api.BreakGlass) error {
	if plain, ok := w.vault.Call(w.target); ok && !w.off.anew && json.Unmarshal(plain, &w.kept) == nil {
		reply, err := w.open(ctx, nil)
		if err == nil {
			w.first, w.goesOn = reply, true
			return nil
		}
		if k := brevet.KindOf(err); k != brevet.Expired && k != brevet.Conflict {
			return err
		}
		w.say("The call that was begun here is of no use any more: %s. This is another one.", err)
	}
	w.kept = call{}
	t := api.OfflineTask{Do: "begin", Bundle: w.bundle, Target: w.target, As: w.off.as}
	var err error
	if t.Reason, err = brevet.CleanText("reason", in.Reason, brevet.MaxReason); err != nil {
		return brevet.Errorf(brevet.Invalid, "a reason is needed").WithHint("say what burns: --reason \"brevet is down, and db-7\"")
	}
	if w.off.as == "" {
		return brevet.Errorf(brevet.Invalid, "--as is missing").WithHint("your handle, as the bundle names you")
	}
	if in.Duration != "" {
		if t.For, err = brevet.ParseDuration(in.Duration); err != nil {
			return err
		}
	}
	if w.first, err = w.work(ctx, t); err != nil {
		return err
	}
	w.kept.State = w.first.State
	return w.keepCall()
}

// keepCall seals the call and what was answered so far.
func (w *breaking) keepCall() error {
	text, err := json.Marshal(w.kept)
	if err != nil {
		return err
	}
	return w.vault.PutCall(w.target, text)
}

// open has what was answered so far, and more, judged; with enough the key is
// used.
func (w *breaking) open(ctx context.Context, more [][]byte) (api.OfflineReply, error) {
	t := api.OfflineTask{Do: "open", Bundle: w.bundle, State: w.kept.State, Answers: append(append([][]byte{}, w.kept.Answers...), more...),
		Records: filepath.Join(w.home.Dir(), "break-glass")}
	reply, err := w.work(ctx, t)
	if err != nil {
		return reply, err
	}
	for _, trouble := range reply.Trouble {
		w.say("brevet: %s", trouble)
	}
	if len(reply.Good) > len(w.kept.Answers) {
		w.kept.Answers = reply.Good
		if reply.Credential == nil {
			return reply, w.keepCall()
		}
	}
	return reply, nil
}

// collect takes answers, from files, from a pipe, or as they are pasted.
func (w *breaking) collect(ctx context.Context) (reply api.OfflineReply, err error) {
	var given [][]byte
	for _, name := range w.off.answers {
		text, err := os.ReadFile(name)
		if err != nil {
			return reply, brevet.Errorf(brevet.Invalid, "cannot read the answer: %s", rootCause(err))
		}
		given = append(given, answersIn(text)...)
	}
	tty := isTerminal(w.in)
	if !tty && len(given) == 0 {
		text, err := io.ReadAll(io.LimitReader(w.in, 1<<20))
		if err != nil {
			return reply, err
		}
		given = answersIn(text)
	}
	if len(given) == 0 || tty {
		w.showCall()
	}
	if len(given) > 0 {
		if reply, err = w.open(ctx, given); err != nil || reply.Credential != nil {
			return reply, err
		}
		w.count(reply)
	}
	if !tty && len(given) > 0 {
		return reply, brevet.Errorf(brevet.NoGrant, "%d more must answer", reply.Missing).WithHint("run it again with their answers: --answer FILE, or pasted")
	}
	for tty && ctx.Err() == nil {
		w.say("Paste an answer:")
		text, err := w.paste(ctx)
		if err != nil {
			w.say("hint: the call is kept for an hour; the same command goes on")
			return reply, err
		}
		if reply, err = w.open(ctx, answersIn(text)); err != nil || reply.Credential != nil {
			return reply, err
		}
		w.count(reply)
	}
	return reply, ctx.Err()
}

// paste reads lines up to one that ends an answer.
func (w *breaking) paste(ctx context.Context) ([]byte, error) {
	var text []byte
	for len(text) < 1<<20 {
		line, err := readLine(ctx, w.in)
		text = append(text, line+"\n"...)
		if strings.HasPrefix(strings.TrimSpace(line), "-----END ") {
			return text, nil
		}
		if err != nil {
			return text, err
		}
	}
	return text, nil
}

// answersIn cuts a text after each line that ends an armour.
func answersIn(text []byte) (out [][]byte) {
	var one []byte
	for line := range bytes.Lines(text) {
		one = append(one, line...)
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("-----END ")) {
			out, one = append(out, one), nil
		}
	}
	if len(bytes.TrimSpace(one)) > 0 {
		out = append(out, one)
	}
	return out
}

// showCall shows the call and what to do with it.
func (w *breaking) showCall() {
	r := w.first
	if w.json {
		_ = w.print(struct {
			Call      string    `json:"call"`
			Check     string    `json:"check"`
			Grant     string    `json:"grant"`
			Begun     time.Time `json:"begun"`
			Holders   []string  `json:"holders"`
			Threshold int       `json:"threshold"`
			Have      []string  `json:"have"`
		}{r.Call, r.Check, r.Grant, r.Begun, r.Holders, r.Threshold, r.Have}, nil)
		return
	}
	if w.goesOn {
		w.say("This is the call that was begun at %s.", at(r.Begun, w.now()))
	}
	w.say("Send this call to %d of %s:\n", r.Threshold, strings.Join(r.Holders, ", "))
	if w.off.env {
		w.say("%s", "(--env: it goes here, not to the shell)")
		for line := range strings.Lines(r.Call) {
			w.say("%s", strings.TrimRight(line, "\n"))
		}
	} else {
		w.tellText(r.Call)
	}
	w.say("\nEach runs: brevet break-glass share --bundle FILE --identity FILE")
	w.say("and asks you for the call's check: %s", r.Check)
	w.count(r)
}

// count says how many have answered.
func (w *breaking) count(r api.OfflineReply) {
	if len(r.Have) > 0 {
		w.say("%d of %d have answered: %s.", len(r.Have), r.Threshold, strings.Join(r.Have, ", "))
	}
}

// done hands the credential to the cache, where the ordinary commands find it.
func (w *breaking) done(r api.OfflineReply) error {
	k := keychain.Credential{Target: w.target, Account: r.Credential.Account, Session: r.Grant, Grant: r.Grant, AccessKeyID: r.Credential.AccessKeyID,
		SecretAccessKey: r.Credential.SecretAccessKey, SessionToken: r.Credential.SessionToken, Made: r.Credential.Made, Expires: r.Credential.Expires,
		GrantEnds: r.Credential.Expires, Heard: r.Credential.Made, Region: r.Credential.Region, Endpoint: r.Credential.Endpoint, Offline: true}
	err := errors.Join(w.vault.PutCredential(w.server, k), w.home.DropCall(w.target))
	if err != nil {
		w.say("brevet: it cannot be kept on this machine: %s", rootCause(err))
	}
	w.say("The glass is broken: %s until %s, with the shares of %s.", w.target, at(k.Expires, w.now()), strings.Join(r.Have, ", "))
	w.say("It is on record in %s.", r.Record)
	if err == nil {
		w.say("hint: brevet exec %s -- …; and when the server is back: brevet break-glass import %s", w.target, r.Record)
	}
	if w.off.env || err != nil {
		sh, err := shellNamed("")
		if err != nil {
			sh = shells[0]
		}
		return w.printChange(sh, environment(k, os.Environ()))
	}
	if w.json {
		return w.print(struct {
			Grant   string    `json:"grant"`
			Target  string    `json:"target"`
			Access  string    `json:"access_key"`
			Expires time.Time `json:"expires"`
			Record  string    `json:"record"`
		}{r.Grant, w.target, k.AccessKeyID, k.Expires, r.Record}, nil)
	}
	return nil
}

// work has brevetd carry out a task.
func (c *cli) work(ctx context.Context, t api.OfflineTask) (reply api.OfflineReply, err error) {
	program, err := brevetd()
	if err != nil {
		return reply, err
	}
	in, err := json.Marshal(t)
	if err != nil {
		return reply, err
	}
	defer clear(in)
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "breakglass", "work")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, c.err
	if err := cmd.Run(); err != nil {
		return reply, brevet.Errorf(brevet.Internal, "%s could not do it: %s", program, rootCause(err)).WithCause(err)
	}
	dec := json.NewDecoder(&out)
	if err := dec.Decode(&reply); err != nil {
		return reply, brevet.Errorf(brevet.Internal, "%s gave no answer: is it of the same version as this program?", program).WithCause(err)
	}
	if no := reply.No; no != nil {
		return reply, brevet.Errorf(no.Kind, "%s", no.Message).WithHint("%s", no.Hint)
	}
	return reply, nil
}

// brevetd finds the program that holds what this one must not link: beside it,
// else in the PATH.
func brevetd() (string, error) {
	name := "brevetd"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), name)
		if info, err := os.Stat(beside); err == nil && !info.IsDir() {
			return beside, nil
		}
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return "", brevet.Errorf(brevet.Invalid, "brevetd is not here, and the offline half of it is in there").
			WithHint("put brevetd, of the same release, beside brevet or into the PATH")
	}
	return found, nil
}

// shareGlass gives a share of an offline key. All of it is brevetd's.
func (c *cli) shareGlass() *cobra.Command {
	var f struct{ bundle, identity, call, check string }
	cmd := &cobra.Command{
		Use: "share --bundle FILE --identity FILE", Short: "Give your share of an offline key to somebody who calls", Args: manual.Exactly(),
		Long: `Give your share of an offline key to somebody who calls.

It shows who wants what and why, asks for the check that they read to you, and
prints an answer that opens for this one call only. The identity is an age
identity or an SSH private key (ed25519 or RSA), whichever the share is sealed
to.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			program, err := brevetd()
			if err != nil {
				return err
			}
			args := []string{"breakglass", "share", "--bundle", f.bundle, "--identity", f.identity}
			for _, a := range [][2]string{{"--call", f.call}, {"--check", f.check}} {
				if a[1] != "" {
					args = append(args, a[0], a[1])
				}
			}
			run := exec.CommandContext(cmd.Context(), program, args...)
			run.Stdin, run.Stdout, run.Stderr = c.in, c.out, c.err
			err = run.Run()
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				return status(exit)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&f.bundle, "bundle", "", "the customer's bundle, a `FILE`")
	cmd.Flags().StringVar(&f.identity, "identity", "", "your age identity or SSH private key, a `FILE`")
	cmd.Flags().StringVar(&f.call, "call", "", "the call, a `FILE`; left out: it is pasted")
	cmd.Flags().StringVar(&f.check, "check", "", "the `CHECK` of the call, as read to you; left out: it is asked for")
	_ = cmd.MarkFlagRequired("bundle")
	_ = cmd.MarkFlagRequired("identity")
	return cmd
}

// importGlass brings the record of what was done offline.
func (c *cli) importGlass() *cobra.Command {
	cmd := c.command("import FILE", "Bring the server the record of an emergency that was opened offline", manual.Exactly("FILE"),
		func(ctx context.Context, s *session, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return brevet.Errorf(brevet.Invalid, "cannot read the record: %s", rootCause(err))
			}
			ctx, cancel := context.WithTimeout(ctx, glassLimit)
			defer cancel()
			s.HTTP.Timeout = glassLimit
			v, err := s.Import(ctx, api.Record{Record: string(text)})
			if err != nil {
				return err
			}
			return c.print(v, func() { c.showImported(s, v) })
		})
	cmd.Long = `Bring the server the record of an emergency that was opened offline.

It enters the log as an emergency, everybody is told, and somebody else reviews
it. The record gives nobody access. What is still out under it is cut off with
brevet revoke GRANT. The same record again changes nothing.`
	return c.flagJSON(cmd)
}

func (c *cli) showImported(s *session, v api.Imported) {
	if v.Again {
		c.tell("It is on record already: %s, %s of %s.", v.Review.Grant, v.Review.Target, v.Review.Person)
	} else {
		c.tell("On record: %s, %s of %s, with the shares of %s.", v.Review.Grant, v.Review.Target, v.Review.Person, strings.Join(v.Shared, ", "))
		c.tell("%s %s reviews it.", spread(api.Glass{Channels: v.Channels, Arrived: v.Arrived}), v.Review.WaitsFor)
	}
	if !v.Alive.IsZero() {
		c.tell("What is out dies at %s; brevet revoke %s --reason \"…\" cuts it off now.", at(v.Alive, s.now()), v.Review.Grant)
	}
	c.tell("%s", wantsRotation(v.Key))
}

// wantsRotation says what follows from every use of an offline key.
func wantsRotation(key string) string {
	return "The offline key " + key + " was in one person's memory: have a new one made (brevetd breakglass init … --retire)."
}
