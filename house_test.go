package brevet_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/brevet-access/brevet"

// floors is the house, from the ground up: a room imports only rooms of lower
// floors, so those of one floor never meet. Rooms that are planned and not
// built have their place already. "." is the root.
var floors = [][]string{
	{".", "iam", "network"},
	{"policy", "audit", "signer", "api", "notify", "notify/smtpd", "oncall", "activity", "keychain", "glass", "manual", "idp/oidc", "idp/saml", "idp/scim", "idp/spiffe"},
	{"catalog", "store", "store/pgtest", "client", "handout", "inventory", "leastpriv", "cloud/aws", "cloud/aws/mototest", "cloud/gcp", "cloud/azure"},
	{"broker", "stack"},
	{"server", "web", "portal"},
	{"service"},
	{"sandbox"},
	{"brevettest"},
	{"cmd/brevet", "cmd/brevetd", "bench"},
}

// inside lists the orders within a floor: the first may import the second.
var inside = map[string][]string{
	"cloud/aws":   {"inventory"},
	"cloud/gcp":   {"inventory"},
	"cloud/azure": {"inventory"},
}

// owners says which rooms may import what is heavy, or must stay in one
// place. A path stands for everything below it. What is neither here, nor in
// the standard library, nor in golang.org/x may be imported by nobody.
var owners = map[string][]string{
	"database/sql":                     {"store", "store/pgtest", "bench"},
	"filippo.io/age":                   {"glass"},
	"github.com/a-h/templ":             {"web"},
	"github.com/aws/aws-sdk-go-v2":     {"cloud/aws"},
	"github.com/aws/smithy-go":         {"cloud/aws"},
	"github.com/cedar-policy/cedar-go": {"policy"},
	"github.com/cloudflare/circl":      {"glass"},
	"github.com/coreos/go-oidc":        {"idp/oidc"},
	"github.com/danielgtaylor/huma":    {"server"},
	"github.com/go-jose/go-jose":       {"signer", "idp/oidc", "sandbox"},
	"github.com/jackc/pgx":             {"store", "store/pgtest", "bench"},
	"github.com/pquerna/otp":           {"sandbox", "brevettest"},
	"github.com/pressly/goose":         {"store"},
	"github.com/prometheus":            {"service"},
	"github.com/riverqueue":            {"store"},
	"github.com/rogpeppe/go-internal":  {"keychain", "cmd/brevet"},
	"github.com/spf13/cobra":           {"cmd/brevet", "cmd/brevetd", "manual"},
	"github.com/spf13/pflag":           {"manual"},
	"github.com/teambition/rrule-go":   {"oncall"},
	"github.com/wneessen/go-mail":      {"notify"},
	"github.com/zalando/go-keyring":    {"cmd/brevet"},
	"go.yaml.in/yaml":                  {"catalog", "oncall", "service", "stack"},
	"golang.org/x/oauth2":              {"idp/oidc"},
	"modernc.org/sqlite":               {"store", "bench"},
}

// notInClient is what cmd/brevet must not even link: it runs at every aws
// call, and unless the cache has the answer Go runs the init of every linked
// package.
var notInClient = []string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go", "database/sql", "modernc.org/sqlite",
	"github.com/jackc/pgx", "github.com/pressly/goose", "github.com/riverqueue", "github.com/danielgtaylor/huma", "github.com/prometheus", "github.com/cedar-policy/cedar-go",
	"filippo.io/age", "github.com/cloudflare/circl", "golang.org/x/crypto/ssh"}

// maxLines is the length at which a hand-written file, tests too, wants to be
// two.
const maxLines = 700

// floorOf returns the floor of a room, -1 for what is not in the house.
func floorOf(room string) int {
	return slices.IndexFunc(floors, func(rooms []string) bool { return slices.Contains(rooms, room) })
}

// below reports whether an import path is p or lies below it.
func below(imported, p string) bool { return imported == p || strings.HasPrefix(imported, p+"/") }

// wrong says why room must not import the package, "" if it may.
func wrong(room, imported string) string {
	if below(imported, module) {
		return wrongRoom(room, path.Clean(strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")))
	}
	owned := ""
	for p := range owners {
		if below(imported, p) && len(p) > len(owned) {
			owned = p
		}
	}
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case owned != "" && !slices.Contains(owners[owned], room):
		return fmt.Sprintf("%s imports %s, which belongs to %s: ask that room for what you need, or add an owner to house_test.go and say why", room, imported, strings.Join(owners[owned], ", "))
	case owned == "" && strings.Contains(first, ".") && first != "golang.org":
		return fmt.Sprintf("%s imports %s, which nobody owns: say in house_test.go who does", room, imported)
	}
	return ""
}

// wrongRoom is wrong for imports within the house.
func wrongRoom(room, other string) string {
	from, to := floorOf(room), floorOf(other)
	switch {
	case to < 0:
		return fmt.Sprintf("%s imports %s, which is not in the house: put it onto a floor in house_test.go", room, other)
	case from > to || slices.Contains(inside[room], other):
		return ""
	case from == to:
		return fmt.Sprintf("%s imports its sibling %s (both on floor %d): rooms of one floor never meet; let the floor above put them together, by a func field", room, other, from)
	}
	return fmt.Sprintf("%s (floor %d) imports %s (floor %d): imports go strictly downward; move the code down, or pass it in as a func field", room, from, other, to)
}

// source is one Go file of the house.
type source struct {
	name    string // slash-separated, from the root
	room    string
	test    bool
	lines   int
	file    *ast.File
	imports []string
}

// sources parses every Go file of the module, whatever it is built for.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skip(name)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		s := source{name: filepath.ToSlash(name), room: path.Dir(filepath.ToSlash(name)), test: strings.HasSuffix(name, "_test.go"),
			lines: bytes.Count(text, []byte("\n")), file: file}
		for _, i := range file.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, p)
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// skip leaves out what is not built as part of the module.
func skip(dir string) error {
	base := filepath.Base(dir)
	if dir == "." {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || base == "testdata" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	return nil
}

// TestHouse holds the tree of docs/design.md against the files.
func TestHouse(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if s.lines > maxLines && !ast.IsGenerated(s.file) {
			t.Errorf("%s has %d lines, more than %d: it wants to be two files", s.name, s.lines, maxLines)
		}
		if s.test {
			continue
		}
		documented[s.room] = documented[s.room] || strings.TrimSpace(s.file.Doc.Text()) != ""
		if floorOf(s.room) < 0 {
			t.Errorf("%s: the package %s is not in the house: put it onto a floor in house_test.go, one level down and named by a noun of the field", s.name, s.room)
			continue
		}
		for _, i := range s.imports {
			if why := wrong(s.room, i); why != "" {
				t.Errorf("%s: %s", s.name, why)
			}
		}
	}
	for room, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment: say in one of its files what the package is for", room)
		}
	}
}

// TestHouseClient checks everything that the client links.
func TestHouseClient(t *testing.T) {
	if _, err := os.Stat("cmd/brevet"); err != nil {
		t.Fatal("the client has moved: ", err)
	}
	var problems bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/brevet")
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, problems.String())
	}
	for dep := range strings.FieldsSeq(string(out)) {
		for _, heavy := range notInClient {
			if below(dep, heavy) {
				t.Errorf("cmd/brevet links %s: go list -deps ./cmd/brevet, and go mod why, tell by which way", dep)
			}
		}
	}
}

// TestHouseRules tries to break into the house.
func TestHouseRules(t *testing.T) {
	for _, test := range []struct {
		room, imports string
		ok            bool
	}{
		{"broker", module, true},
		{"broker", module + "/store", true},
		{"server", module + "/idp/oidc", true},
		{"cloud/aws", module + "/inventory", true},
		{"store", "modernc.org/sqlite/lib", true},
		{"store", "github.com/riverqueue/river/rivermigrate", true},
		{"audit", "golang.org/x/mod/sumdb/tlog", true},
		{"iam", "encoding/json", true},

		{"store", module + "/broker", false},
		{"broker", module + "/stack", false},
		{"server", module + "/web", false},
		{"iam", module, false},
		{".", module + "/iam", false},
		{"inventory", module + "/cloud/aws", false},
		{"broker", module + "/util", false},
		{"broker", "database/sql", false},
		{"broker", "github.com/aws/aws-sdk-go-v2/service/sts", false},
		{"server", "github.com/spf13/cobra", false},
		{"client", "golang.org/x/oauth2", false},
		{"broker", "github.com/stretchr/testify/assert", false},
	} {
		if why := wrong(test.room, test.imports); (why == "") != test.ok {
			t.Errorf("%s imports %s: ok %v, want %v: %s", test.room, test.imports, why == "", test.ok, why)
		}
	}
	seen := map[string]bool{}
	for _, room := range slices.Concat(floors...) {
		if seen[room] {
			t.Errorf("%s is in the house twice", room)
		}
		seen[room] = true
	}
}
