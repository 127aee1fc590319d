package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
	"golang.org/x/mod/sumdb/tlog"
)

// maxLine bounds a line of an export in bytes.
const maxLine = 1 << 20

// exportHeader is the first line of an export.
type exportHeader struct {
	Brevet     string `json:"brevet"` // what the file is: exportFormat
	Checkpoint string `json:"checkpoint"`
	Entries    int64  `json:"entries"`
}

const exportFormat = "log export v1"

// exportEntry is one further line.
type exportEntry struct {
	Index   int64       `json:"index"`
	Hash    tlog.Hash   `json:"hash"`
	Nodes   []tlog.Hash `json:"nodes,omitempty"`
	Leaf    string      `json:"leaf,omitempty"`
	Salt    []byte      `json:"salt,omitempty"`
	Details string      `json:"details,omitempty"`
	Erased  bool        `json:"erased,omitempty"`
}

// WriteExport writes the log as NDJSON: a header with the checkpoint, then
// one line an entry. It stops at the first error of entries and returns it.
func WriteExport(w io.Writer, head Head, entries iter.Seq2[Entry, error]) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(exportHeader{exportFormat, string(head.Note), head.Size}); err != nil {
		return err
	}
	for e, err := range entries {
		if err != nil {
			return err
		}
		if !utf8.Valid(e.Leaf) || !utf8.Valid(e.Details) {
			return brevet.Errorf(brevet.Internal, "entry %d is not text", e.Index)
		}
		if err := enc.Encode(exportEntry{e.Index, e.Hash, e.Nodes, string(e.Leaf), e.Salt, string(e.Details), e.Erased}); err != nil {
			return err
		}
	}
	return out.Flush()
}

// ReadExport reads what WriteExport wrote: the checkpoint, unchecked, and the
// entries, which are read from r while they are ranged over. Errors are of
// kind [brevet.Invalid]. Give both to a [Checker].
func ReadExport(r io.Reader) (checkpoint []byte, entries iter.Seq2[Entry, error], err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var h exportHeader
	if !lines.Scan() || strict(lines.Bytes(), &h) != nil || h.Brevet != exportFormat {
		return nil, nil, brevet.Errorf(brevet.Invalid, "not an export of the log: its first line is wrong").WithCause(lines.Err())
	}
	return []byte(h.Checkpoint), func(yield func(Entry, error) bool) {
		for n := 2; lines.Scan(); n++ {
			e, err := parseEntry(lines.Bytes())
			if err != nil {
				yield(Entry{}, brevet.Errorf(brevet.Invalid, "line %d of the export is malformed", n).WithCause(err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Entry{}, brevet.Errorf(brevet.Invalid, "the export cannot be read to its end").WithCause(err))
		}
	}, nil
}

func parseEntry(line []byte) (Entry, error) {
	var x exportEntry
	if err := strict(line, &x); err != nil {
		return Entry{}, err
	}
	e := Entry{Index: x.Index, Hash: x.Hash, Nodes: x.Nodes, Salt: x.Salt, Erased: x.Erased}
	if x.Leaf != "" {
		e.Leaf = []byte(x.Leaf)
	}
	if x.Details != "" {
		e.Details = []byte(x.Details)
	}
	if e.Index < 0 {
		return Entry{}, errors.New("negative index")
	}
	return e, nil
}

// strict decodes exactly one JSON value without unknown fields.
func strict(line []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}
