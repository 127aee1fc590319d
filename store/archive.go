package store

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"time"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
)

// An archive is the file that a backup makes: gzip of JSON, one value a line.
// First the [Manifest]; then each table, a header and its rows; then what else
// was put in; last the number of rows and the SHA-256 of all lines before.

// Manifest is the first line of an archive.
type Manifest struct {
	Format     string    `json:"brevet"` // archiveFormat
	Made       time.Time `json:"made"`
	Version    string    `json:"version"` // of brevetd
	Host       string    `json:"host"`    // of the log
	Database   string    `json:"database"`
	Schema     int64     `json:"schema"` // the newest migration
	Checkpoint string    `json:"checkpoint"`
}

const (
	archiveFormat = "backup v1"
	maxLine       = 32 << 20 // bytes of a row; a catalog is the largest thing in one
)

// archiveLine is any line but the first; a row has Row alone.
type archiveLine struct {
	Table   string           `json:"table,omitempty"`
	Columns []string         `json:"columns,omitempty"`
	Row     []cell           `json:"row,omitempty"`
	Key     string           `json:"key,omitempty"` // a sealed key file, by its name
	Sealed  []byte           `json:"sealed,omitempty"`
	Rows    map[string]int64 `json:"rows,omitempty"`
	Sum     string           `json:"sha256,omitempty"` // last line
}

// cell is a value of a row: nil, int64, string or []byte.
type cell struct{ v any }

// blob is how bytes are written, and text that is not UTF-8.
type blob struct {
	Bytes *[]byte `json:"b,omitempty"`
	Text  *[]byte `json:"t,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (c cell) MarshalJSON() ([]byte, error) {
	switch v := c.v.(type) {
	case []byte:
		return append(base64.StdEncoding.AppendEncode([]byte(`{"b":"`), v), `"}`...), nil
	case string:
		if !utf8.ValidString(v) {
			text := []byte(v)
			return json.Marshal(blob{Text: &text})
		}
	case nil, int64:
	default:
		return nil, brevet.Errorf(brevet.Internal, "a column holds a %T", v)
	}
	return json.Marshal(c.v)
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *cell) UnmarshalJSON(text []byte) error {
	switch {
	case bytes.Equal(text, []byte("null")):
		c.v = nil
		return nil
	case text[0] == '"':
		var s string
		err := json.Unmarshal(text, &s)
		c.v = s
		return err
	case text[0] != '{':
		var n int64
		err := json.Unmarshal(text, &n)
		c.v = n
		return err
	}
	var b blob
	err := json.Unmarshal(text, &b)
	switch {
	case b.Bytes != nil && b.Text == nil:
		c.v = append([]byte{}, *b.Bytes...)
	case b.Text != nil && b.Bytes == nil:
		c.v = string(*b.Text)
	case err == nil:
		err = errDamaged
	}
	return err
}

var errDamaged = brevet.Errorf(brevet.Invalid, "not a backup of brevet, or a damaged one").
	WithHint("take another copy of the file")

// archiveWriter writes an archive.
type archiveWriter struct {
	zip  *gzip.Writer
	sum  hash.Hash
	enc  *json.Encoder
	rows map[string]int64
}

func newArchive(w io.Writer, m Manifest) (*archiveWriter, error) {
	a := &archiveWriter{zip: gzip.NewWriter(w), sum: sha256.New(), rows: map[string]int64{}}
	a.enc = json.NewEncoder(io.MultiWriter(a.zip, a.sum))
	a.enc.SetEscapeHTML(false)
	m.Format = archiveFormat
	return a, a.enc.Encode(m)
}

func (a *archiveWriter) row(table string, values []any) error {
	row := make([]cell, len(values))
	for i, v := range values {
		row[i] = cell{v}
	}
	a.rows[table]++
	return a.enc.Encode(archiveLine{Row: row})
}

func (a *archiveWriter) close() error {
	err := a.enc.Encode(archiveLine{Rows: a.rows, Sum: hex.EncodeToString(a.sum.Sum(nil))})
	if err == nil {
		err = a.zip.Close()
	}
	return err
}

// readArchive reads an archive and hands over each of its lines but the first
// and the last. It returns after the last one, whose sum must fit; what was
// handed over before an error is not to be used. The error is of kind
// [brevet.Invalid] if it is not an archive, or a damaged one.
func readArchive(r io.Reader, first func(Manifest) error, each func(archiveLine) error) (rows map[string]int64, err error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, errDamaged.WithCause(err)
	}
	lines := bufio.NewScanner(zip)
	lines.Buffer(nil, maxLine)
	sum, m := sha256.New(), Manifest{}
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &m) != nil || m.Format != archiveFormat {
		return nil, errDamaged.WithCause(lines.Err())
	}
	if err := first(m); err != nil {
		return nil, err
	}
	add := func() { sum.Write(lines.Bytes()); sum.Write([]byte{'\n'}) }
	add()
	for lines.Scan() {
		var l archiveLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, errDamaged.WithCause(err)
		}
		if l.Sum != "" {
			if l.Sum != hex.EncodeToString(sum.Sum(nil)) || lines.Scan() || lines.Err() != nil {
				return nil, errDamaged
			}
			return l.Rows, nil
		}
		add()
		if err := each(l); err != nil {
			return nil, err
		}
	}
	return nil, errDamaged.WithCause(lines.Err()) // cut short
}

// ReadManifest checks a whole archive for damage and returns its manifest,
// the number of rows of each table, and the sealed key files in it.
func ReadManifest(r io.Reader) (m Manifest, rows map[string]int64, keys map[string][]byte, err error) {
	keys = map[string][]byte{}
	rows, err = readArchive(r, func(first Manifest) error { m = first; return nil }, func(l archiveLine) error {
		if l.Key != "" {
			keys[l.Key] = l.Sealed
		}
		return nil
	})
	return m, rows, keys, err
}
