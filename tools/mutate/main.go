// Command mutate does mutation testing of one package: it makes small wrong
// changes in the program, one at a time, and sees whether the package's tests
// notice. What they do not notice is not tested.
//
//	mutate [-jobs 2] [-timeout 60s] [-every 1] [-terms] [-equivalent FILE] [-min 90] [-v] ./iam
//
// The tree is not touched: all changes are compiled at once into one test
// program by go test -overlay, asleep, and the environment variable MUTANT
// wakes one of them in each run.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	jobs       int
	timeout    time.Duration
	every      int
	equivalent string
	least      float64
	verbose    bool
	terms      bool
}

func main() {
	var o options
	flag.IntVar(&o.jobs, "jobs", 2, "runs at once")
	flag.DurationVar(&o.timeout, "timeout", time.Minute, "the longest run; a mutant that takes longer counts as noticed")
	flag.IntVar(&o.every, "every", 1, "try only every n-th mutant")
	flag.StringVar(&o.equivalent, "equivalent", "", "file with the mutants that change nothing, and why")
	flag.Float64Var(&o.least, "min", 0, "fail below this percentage")
	flag.BoolVar(&o.terms, "terms", false, "also leave out each side of && and ||: half as many mutants again, and harder ones")
	flag.BoolVar(&o.verbose, "v", false, "also list what was noticed")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: mutate [flags] ./package")
		os.Exit(64)
	}
	if err := run(o, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Name, Export string
	GoFiles                       []string
}

// list asks go for the package, and for the compiled form of what it imports.
func list(pattern string) (target listed, exports map[string]string, err error) {
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Name,Export,GoFiles", pattern).Output()
	if err != nil {
		return target, nil, fmt.Errorf("go list %s: %w", pattern, err)
	}
	exports = map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return target, exports, nil
		} else if err != nil {
			return target, nil, err
		}
		exports[p.ImportPath] = p.Export
		target = p // the package itself comes last
	}
}

// rewrite writes the package with all its mutants into dir, and the overlay.
func rewrite(o options, target listed, exports map[string]string, dir string) (mutants []mutant, overlay string, err error) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range target.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(target.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, "", err
		}
		files = append(files, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	pkg, err := conf.Check(target.ImportPath, fset, files, info)
	if err != nil {
		return nil, "", err
	}
	replace := map[string]string{}
	next := 0
	for i, name := range target.GoFiles {
		src, err := os.ReadFile(filepath.Join(target.Dir, name))
		if err != nil {
			return nil, "", err
		}
		r := &rewriter{fset: fset, info: info, pkg: pkg, file: name, src: src, next: &next, terms: o.terms, edits: map[int][]string{}, ends: map[int][]string{}}
		r.mutate(files[i])
		mutants = append(mutants, r.mutants...)
		replace[filepath.Join(target.Dir, name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), r.text(), 0o600); err != nil {
			return nil, "", err
		}
	}
	const added = "mutants_awake.go"
	replace[filepath.Join(target.Dir, added)] = filepath.Join(dir, added)
	if err := os.WriteFile(filepath.Join(dir, added), []byte("package "+target.Name+"\n"+helper), 0o600); err != nil {
		return nil, "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return mutants, overlay, os.WriteFile(overlay, text, 0o600)
}

// build compiles the tests over the rewritten package.
func build(pattern, overlay, program string) error {
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", program, pattern).CombinedOutput()
	if err != nil {
		return fmt.Errorf("the package with its mutants does not compile: %w\n%s", err, out)
	}
	return nil
}

// readEquivalent reads the list of mutants that change nothing: the key of
// one a line, lines with # in front say why.
func readEquivalent(file string) (map[string]bool, error) {
	known := map[string]bool{}
	if file == "" {
		return known, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			known[line] = true
		}
	}
	return known, nil
}
