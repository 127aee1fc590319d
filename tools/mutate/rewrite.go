package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// mutant is one change of the program, small and wrong.
type mutant struct {
	ID   int
	File string
	Line int
	What string
	Func string
}

// key names a mutant for the list of equivalent ones: it does not change when
// lines move.
func (m mutant) key() string { return m.File + ": " + m.Func + ": " + m.What }

// rewriter writes one file anew with every mutant in it, each asleep until
// its number is the one that the tests are run with.
type rewriter struct {
	fset    *token.FileSet
	info    *types.Info
	pkg     *types.Package
	file    string
	src     []byte
	next    *int
	terms   bool // also leave out each side of && and ||
	mutants []mutant
	in      string           // the function
	results *types.Tuple     // of the function
	edits   map[int][]string // texts to put in at an offset: those of outer nodes first
	ends    map[int][]string // the same for the ends of nodes: those of inner nodes first
	cuts    []cut
}

// cut takes the source between two offsets away.
type cut struct{ from, to int }

func (r *rewriter) mutate(f *ast.File) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Body == nil || d.Name.Name == "String" && d.Recv == nil {
				continue
			}
			r.in = d.Name.Name
			r.body(d.Body, r.info.Defs[d.Name].Type().(*types.Signature).Results())
		case *ast.GenDecl:
			if d.Tok != token.VAR {
				continue
			}
			for _, s := range d.Specs {
				for i, v := range s.(*ast.ValueSpec).Values {
					r.in = s.(*ast.ValueSpec).Names[min(i, len(s.(*ast.ValueSpec).Names)-1)].Name
					r.expr(v)
				}
			}
		}
	}
}

func (r *rewriter) body(b *ast.BlockStmt, results *types.Tuple) {
	outer := r.results
	r.results = results
	r.walk(b)
	r.results = outer
}

// walk goes down a tree of statements.
func (r *rewriter) walk(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case nil:
			return false
		case *ast.BlockStmt:
			for _, s := range n.List {
				r.stmt(s)
			}
			return false
		case *ast.CaseClause:
			for _, e := range n.List {
				if t := r.info.TypeOf(e); t != nil && isBool(t) {
					r.expr(e)
				}
			}
			for _, s := range n.Body {
				r.stmt(s)
			}
			return false
		case *ast.CommClause:
			for _, s := range n.Body {
				r.stmt(s)
			}
			return false
		case ast.Expr:
			r.expr(n)
			return false
		}
		return true
	})
}

// stmt mutates a statement of a list: some can be left out.
func (r *rewriter) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.ExprStmt:
		if c, ok := s.X.(*ast.CallExpr); ok && !r.panics(c) {
			r.skip(s, "leave out "+r.short(s))
			r.parts(c)
			return
		}
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE && !blank(s.Lhs) {
			r.skip(s, "leave out "+r.short(s))
		}
		for _, e := range s.Rhs {
			r.expr(e)
		}
		if s.Tok != token.DEFINE {
			for _, e := range s.Lhs {
				if i, ok := e.(*ast.IndexExpr); ok {
					r.expr(i.Index)
				}
			}
		}
		return
	case *ast.IncDecStmt:
		r.skip(s, "leave out "+r.short(s))
		return
	case *ast.BranchStmt:
		if s.Tok != token.FALLTHROUGH && s.Tok != token.GOTO {
			r.skip(s, "leave out "+s.Tok.String())
		}
		return
	case *ast.ReturnStmt:
		r.ret(s)
		return
	}
	r.walk(s)
}

// parts mutates the parts of a call whose result nobody uses.
func (r *rewriter) parts(c *ast.CallExpr) {
	r.expr(c.Fun)
	for _, a := range c.Args {
		r.expr(a)
	}
}

func blank(list []ast.Expr) bool {
	for _, e := range list {
		if id, ok := e.(*ast.Ident); !ok || id.Name != "_" {
			return false
		}
	}
	return true
}

func (r *rewriter) panics(c *ast.CallExpr) bool {
	id, ok := c.Fun.(*ast.Ident)
	return ok && id.Name == "panic"
}

// ret returns nothing in the place of something.
func (r *rewriter) ret(s *ast.ReturnStmt) {
	switch {
	case len(s.Results) == 0 && (r.results == nil || r.results.Len() == 0):
		r.skip(s, "leave out return")
		return
	case len(s.Results) > 0 && !slices.ContainsFunc(s.Results, func(e ast.Expr) bool { return !r.zero(e) }):
	case len(s.Results) == 1 && isBool(r.results.At(0).Type()):
	case len(s.Results) > 0:
		id := r.add(s, "return nothing instead of "+r.short(s)[len("return "):])
		var vars, names []string
		for i := range r.results.Len() {
			name := fmt.Sprintf("none%d", i)
			vars = append(vars, "var "+name+" "+types.TypeString(r.results.At(i).Type(), r.qualify))
			names = append(names, name)
		}
		r.before(s, fmt.Sprintf("if mutantIs(%d) { %s; return %s }; ", id, strings.Join(vars, "; "), strings.Join(names, ", ")))
	}
	for _, e := range s.Results {
		r.expr(e)
	}
}

// zero reports whether an expression is plainly the zero value.
func (r *rewriter) zero(e ast.Expr) bool {
	if v := r.info.Types[e].Value; v != nil {
		return v.String() == "0" || v.String() == "false" || v.String() == `""`
	}
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "nil"
	case *ast.CompositeLit:
		_, isStruct := r.info.TypeOf(e).Underlying().(*types.Struct)
		return isStruct && len(e.Elts) == 0
	}
	return false
}

// expr mutates an expression and what is in it.
func (r *rewriter) expr(e ast.Expr) {
	if e == nil {
		return
	}
	if tv, ok := r.info.Types[e]; ok && tv.IsType() {
		return
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if r.constant(e) {
			return
		}
		r.binary(e)
		r.expr(e.X)
		r.expr(e.Y)
	case *ast.BasicLit:
		if e.Kind == token.INT || e.Kind == token.CHAR {
			r.number(e)
		}
	case *ast.Ident:
		if e.Name == "true" || e.Name == "false" {
			r.negate(e)
		}
	case *ast.FuncLit:
		r.body(e.Body, r.info.TypeOf(e).(*types.Signature).Results())
	case *ast.CallExpr:
		if t := r.info.TypeOf(e); t != nil && isBool(t) {
			r.negate(e)
		}
		r.parts(e)
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			r.negate(e)
		}
		if !r.constant(e) {
			r.expr(e.X)
		}
	case *ast.ParenExpr:
		r.expr(e.X)
	case *ast.SelectorExpr:
		r.expr(e.X)
	case *ast.IndexExpr:
		r.expr(e.X)
		r.expr(e.Index)
	case *ast.SliceExpr:
		r.expr(e.X)
		r.expr(e.Low)
		r.expr(e.High)
	case *ast.StarExpr:
		r.expr(e.X)
	case *ast.TypeAssertExpr:
		r.expr(e.X)
	case *ast.KeyValueExpr:
		r.expr(e.Value)
	case *ast.CompositeLit:
		for _, x := range e.Elts {
			r.expr(x)
		}
	}
}

func (r *rewriter) constant(e ast.Expr) bool { return r.info.Types[e].Value != nil }

var orders = map[token.Token][]string{token.LSS: {"<=", ">="}, token.LEQ: {"<", ">"}, token.GTR: {">=", "<="}, token.GEQ: {">", "<"}}

func (r *rewriter) binary(e *ast.BinaryExpr) {
	what := r.short(e)
	switch e.Op {
	case token.LAND, token.LOR:
		other := map[token.Token]string{token.LAND: "||", token.LOR: "&&"}[e.Op]
		id := r.add(e, fmt.Sprintf("%s instead of %s in %s", other, e.Op, what))
		if r.terms {
			r.add(e, "the left only of "+what)
			r.add(e, "the right only of "+what)
		}
		r.call(e, fmt.Sprintf("mutant%s(%d, %t, ", map[token.Token]string{token.LAND: "And", token.LOR: "Or"}[e.Op], id, r.terms), ", func() bool { return (", ") })")
	case token.EQL, token.NEQ:
		r.negate(e)
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		id := r.add(e, fmt.Sprintf("%s instead of %s in %s", orders[e.Op][0], e.Op, what))
		r.add(e, fmt.Sprintf("%s instead of %s in %s", orders[e.Op][1], e.Op, what))
		r.call(e, fmt.Sprintf("mutantOrder(%d, %q, ", id, e.Op), ", ", ")")
	case token.ADD, token.SUB, token.MUL:
		if t, ok := r.info.TypeOf(e).Underlying().(*types.Basic); ok && t.Info()&types.IsInteger != 0 {
			id := r.add(e, map[token.Token]string{token.ADD: "- instead of +", token.SUB: "+ instead of -", token.MUL: "+ instead of *"}[e.Op]+" in "+what)
			r.call(e, fmt.Sprintf("mutantSum(%d, %q, ", id, e.Op), ", ", ")")
		}
	}
}

// call makes a call out of a binary expression.
func (r *rewriter) call(e *ast.BinaryExpr, head, middle, tail string) {
	r.before(e, head)
	from, to := r.offset(e.OpPos), r.offset(e.OpPos)+len(e.Op.String())
	r.cuts = append(r.cuts, cut{from, to})
	r.edits[to] = append(r.edits[to], middle)
	r.after(e, tail)
}

func (r *rewriter) negate(e ast.Expr) {
	id := r.add(e, "the opposite of "+r.short(e))
	r.before(e, fmt.Sprintf("mutantNot(%d, ", id))
	r.after(e, ")")
}

func (r *rewriter) number(e *ast.BasicLit) {
	t := r.info.TypeOf(e)
	if b, ok := t.Underlying().(*types.Basic); !ok || b.Info()&types.IsInteger == 0 || b.Info()&types.IsUntyped != 0 {
		return
	}
	id := r.add(e, e.Value+"+1 instead of "+e.Value)
	r.before(e, fmt.Sprintf("mutantMore[%s](%d, ", types.TypeString(t, r.qualify), id))
	r.after(e, ")")
}

// skip puts a statement under the condition that the mutant sleeps.
func (r *rewriter) skip(s ast.Stmt, what string) {
	id := r.add(s, what)
	r.before(s, fmt.Sprintf("if !mutantIs(%d) { ", id))
	r.after(s, " }")
}

func (r *rewriter) add(n ast.Node, what string) int {
	*r.next++
	r.mutants = append(r.mutants, mutant{ID: *r.next, File: r.file, Line: r.fset.Position(n.Pos()).Line, What: what, Func: r.in})
	return *r.next
}

func (r *rewriter) offset(p token.Pos) int { return r.fset.Position(p).Offset }

func (r *rewriter) before(n ast.Node, text string) {
	o := r.offset(n.Pos())
	r.edits[o] = append(r.edits[o], text)
}

func (r *rewriter) after(n ast.Node, text string) {
	o := r.offset(n.End())
	r.ends[o] = append([]string{text}, r.ends[o]...)
}

func (r *rewriter) short(n ast.Node) string {
	s := strings.Join(strings.Fields(string(r.src[r.offset(n.Pos()):r.offset(n.End())])), " ")
	if len(s) > 70 {
		s = s[:67] + "..."
	}
	return s
}

func (r *rewriter) qualify(p *types.Package) string {
	if p == r.pkg {
		return ""
	}
	return p.Name()
}

// text is the file with everything put in.
func (r *rewriter) text() []byte {
	var out []byte
	for i := 0; i <= len(r.src); i++ {
		for _, s := range r.ends[i] {
			out = append(out, s...)
		}
		for _, s := range r.edits[i] {
			out = append(out, s...)
		}
		if i < len(r.src) && !slices.ContainsFunc(r.cuts, func(c cut) bool { return c.from <= i && i < c.to }) {
			out = append(out, r.src[i])
		}
	}
	return out
}

func isBool(t types.Type) bool {
	b, ok := t.(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}
