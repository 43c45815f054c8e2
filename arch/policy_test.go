package arch

import "testing"

// rule is one law of the house. check returns a sentence for every place that breaks it.
type rule struct {
	name  string
	check func([]pkg) []string
}

// rules are all of them.
var rules = []rule{
	{"proto, rule and config are pure", pureStaysPure},
	{"loop knows no driver", loopKnowsNoDriver},
	{"foundations import nothing of ours", foundationsStandAlone},
	{"only sys imports x/sys/unix", unixOnlyInSys},
	{"syscall only where argued", syscallOnlyWhereArgued},
	{"commands and arch are imported by nobody", leavesAreLeaves},
	{"nothing registers itself in init", noInit},
	{"no package is a drawer", noDrawers},
	{"every package says what it is for", packagesAreDocumented},
	{"every exported name is documented", namesAreDocumented},
	{"files stay under 700 lines", filesAreShort},
	{"functions fit a screen", functionsFitAScreen},
	{"generated files start with z, and only they", generatedFilesAreNamed},
	{"every generator is checked", generatorsAreChecked},
}

func TestPolicy(t *testing.T) {
	tree := loadTree(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, fault := range r.check(tree) {
				t.Error(fault)
			}
		})
	}
}
