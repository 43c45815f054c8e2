package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// The sizes of STYLE: what a person can hold in view.
const (
	maxFileLines     = 699
	maxFunctionLines = 70
)

// at says where a node stands.
func (f *file) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.name, f.fset.Position(n.Pos()).Line)
}

// noInit keeps registration out: what exists stands in one ordered table. Tests may set their package up in one.
func noInit(tree []pkg) (faults []string) {
	for f, fn := range functions(tree) {
		if !f.test && fn.Recv == nil && fn.Name.Name == "init" {
			faults = append(faults, f.at(fn)+": func init hides what happens at the start; call it from where it is needed")
		}
	}
	return faults
}

// functions are all functions and methods with a body.
func functions(tree []pkg) func(func(*file, *ast.FuncDecl) bool) {
	return func(yield func(*file, *ast.FuncDecl) bool) {
		for i := range tree {
			for j := range tree[i].files {
				f := &tree[i].files[j]
				for _, d := range f.syntax.Decls {
					if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil && !yield(f, fn) {
						return
					}
				}
			}
		}
	}
}

// drawers are names that say nothing of what is inside.
var drawers = []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "shared", "base"}

func noDrawers(tree []pkg) (faults []string) {
	for _, p := range tree {
		for _, name := range append(strings.Split(p.ImportPath, "/"), p.Name) {
			if slices.Contains(drawers, strings.TrimSuffix(name, "_test")) {
				faults = append(faults, fmt.Sprintf("%s: %q says nothing of what is inside", p.ImportPath, name))
				break
			}
		}
	}
	return faults
}

// packagesAreDocumented demands a package comment, and a doc.go for it where there is more than one file.
func packagesAreDocumented(tree []pkg) (faults []string) {
	for _, p := range tree {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		if p.Doc == "" {
			faults = append(faults, p.ImportPath+" has no package comment")
		}
		if len(p.GoFiles) > 1 && !slices.Contains(p.GoFiles, "doc.go") {
			faults = append(faults, p.ImportPath+" has several files and no doc.go to start reading at")
		}
	}
	return faults
}

// namesAreDocumented demands a comment on every exported name that another package can use.
func namesAreDocumented(tree []pkg) (faults []string) {
	for _, p := range tree {
		for i := range p.files {
			f := &p.files[i]
			if f.test || p.Name == "main" {
				continue
			}
			for _, d := range f.syntax.Decls {
				for _, name := range undocumented(d) {
					faults = append(faults, fmt.Sprintf("%s: %s has no comment", f.at(d), name))
				}
			}
		}
	}
	return faults
}

// undocumented are the exported names of a declaration without a comment of their own or of their group.
func undocumented(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && (d.Recv == nil || exportedReceiver(d.Recv.List[0].Type)) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		if d.Doc != nil && d.Tok != token.TYPE {
			return nil // one comment for a group of values is enough
		}
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() && s.Doc == nil && s.Comment == nil {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

// exportedReceiver reports whether the methods of a receiver's type can be seen from outside.
func exportedReceiver(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.StarExpr:
		return exportedReceiver(t.X)
	case *ast.IndexExpr:
		return exportedReceiver(t.X)
	case *ast.Ident:
		return t.IsExported()
	}
	return false
}

func filesAreShort(tree []pkg) (faults []string) {
	for _, p := range tree {
		for _, f := range p.files {
			if f.lines > maxFileLines {
				faults = append(faults, fmt.Sprintf("%s has %d lines; %d is the limit", f.name, f.lines, maxFileLines))
			}
		}
	}
	return faults
}

// functionsFitAScreen bounds written functions, those of tests too. Nobody scrolls through a generated one.
func functionsFitAScreen(tree []pkg) (faults []string) {
	for f, fn := range functions(tree) {
		n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
		if n > maxFunctionLines && !f.generated {
			faults = append(faults, fmt.Sprintf("%s: %s has %d lines; %d is the limit", f.at(fn), fn.Name.Name, n, maxFunctionLines))
		}
	}
	return faults
}

func generatedFilesAreNamed(tree []pkg) (faults []string) {
	for _, p := range tree {
		for _, f := range p.files {
			if z := strings.HasPrefix(path.Base(f.name), "z"); z != f.generated {
				faults = append(faults, fmt.Sprintf("%s: generated files start with z and say that they are generated; others do neither", f.name))
			}
		}
	}
	return faults
}
