package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// module is the prefix of our own packages.
const module = "github.com/ringway/ringway"

// pkg is one package of ours. Its paths, and those that Imports, Deps and TestImports name, lack the module's prefix
// where they are ours, so that rules read as the folders do.
type pkg struct {
	ImportPath   string
	Name         string
	Dir          string
	Doc          string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	Deps         []string // what Imports lead to
	TestImports  []string
	XTestImports []string

	files []file
}

// file is one parsed source file.
type file struct {
	name      string // with the package's folder
	lines     int
	test      bool
	generated bool
	fset      *token.FileSet
	syntax    *ast.File
}

// ours cuts the module's prefix off; paths of others stay as they are.
func ours(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

// under reports whether path is dir or lies below it.
func under(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// underAny reports whether path is one of dirs or lies below one.
func underAny(path string, dirs ...string) bool {
	for _, dir := range dirs {
		if under(path, dir) {
			return true
		}
	}
	return false
}

// root is the repository's folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(dir)
}

// loadTree lists the repository's packages as the go command sees them on Linux, and parses their files.
func loadTree(t *testing.T) []pkg {
	t.Helper()
	top := root(t)
	cmd := exec.Command("go", "list", "-json", "./...")
	cmd.Dir, cmd.Env = top, append(os.Environ(), "GOOS=linux")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var tree []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = ours(p.ImportPath)
		for _, list := range [][]string{p.Imports, p.Deps, p.TestImports, p.XTestImports} {
			for i := range list {
				list[i] = ours(list[i])
			}
		}
		p.parse(t)
		tree = append(tree, p)
	}
	return tree
}

func (p *pkg) parse(t *testing.T) {
	t.Helper()
	for i, names := range [][]string{p.GoFiles, p.TestGoFiles, p.XTestGoFiles} {
		for _, name := range names {
			src, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			f, err := parseFile(p.ImportPath+"/"+name, src)
			if err != nil {
				t.Fatal(err)
			}
			f.test = i > 0
			p.files = append(p.files, f)
		}
	}
}

func parseFile(name string, src []byte) (file, error) {
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return file{}, err
	}
	return file{name: name, lines: bytes.Count(src, []byte("\n")), generated: ast.IsGenerated(syntax), fset: fset, syntax: syntax}, nil
}
