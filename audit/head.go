package audit

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Head is a signed statement about the whole log: so many entries, this root.
type Head struct {
	Epoch int64     // counts restores, from 1
	Size  int64     // number of entries
	Root  tlog.Hash // RFC 6962 tree hash over them
	Note  []byte    // the C2SP checkpoint that says so, with its signature or seal
}

// Origin returns the log's identity in an epoch, the first line of its
// checkpoints: HOST/log/EPOCH.
func Origin(host string, epoch int64) string {
	return host + "/log/" + strconv.FormatInt(epoch, 10)
}

// Sign states size and root in a checkpoint. The signer's key is named after
// the host, so that it stays the same in every epoch.
func Sign(signer note.Signer, host string, epoch, size int64, root tlog.Hash) (Head, error) {
	if signer.Name() != host {
		return Head{}, brevet.Errorf(brevet.Internal, "the log's key is named %q, not %q", signer.Name(), host)
	}
	text := headText(make([]byte, 0, 256), host, epoch, size, root)
	signed, err := note.Sign(&note.Note{Text: string(text)}, signer)
	if err != nil {
		return Head{}, brevet.Errorf(brevet.Internal, "the log's head cannot be signed").WithCause(err)
	}
	return Head{Epoch: epoch, Size: size, Root: root, Note: signed}, nil
}

// headText appends what a checkpoint says.
func headText(b []byte, host string, epoch, size int64, root tlog.Hash) []byte {
	b = append(append(b, host...), "/log/"...)
	b = append(strconv.AppendInt(b, epoch, 10), '\n')
	b = append(strconv.AppendInt(b, size, 10), '\n')
	return append(base64.StdEncoding.AppendEncode(b, root[:]), '\n')
}

// OpenHead checks a checkpoint's signature and reads it. Its origin must be
// that of the verifier's host. The error is of kind [brevet.Invalid].
func OpenHead(n []byte, v note.Verifier) (Head, error) {
	opened, err := note.Open(n, note.VerifierList(v))
	if err != nil {
		return Head{}, brevet.Errorf(brevet.Invalid, "the checkpoint is not signed by the log's key").WithCause(err)
	}
	h, ok := parseHead(opened.Text, v.Name())
	if !ok {
		return Head{}, brevet.Errorf(brevet.Invalid, "not a checkpoint of the log of %s", brevet.Printable(v.Name()))
	}
	h.Note = append([]byte(nil), n...)
	return h, nil
}

// parseHead reads the text of a checkpoint without extension lines, which
// this log never writes.
func parseHead(text, host string) (h Head, ok bool) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return h, false
	}
	epoch, ok := strings.CutPrefix(lines[0], host+"/log/")
	if !ok {
		return h, false
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return h, false
	}
	h.Root = tlog.Hash(root)
	h.Epoch, ok = decimal(epoch)
	if !ok || h.Epoch < 1 {
		return h, false
	}
	h.Size, ok = decimal(lines[1])
	return h, ok
}

// decimal reads a number of at least 0 in its only spelling.
func decimal(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}
