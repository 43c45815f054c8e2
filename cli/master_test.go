package cli

import (
	"testing"

	"github.com/ringway/ringway/gateway"
	"github.com/ringway/ringway/observe/applog"
)

// TestInheritedSettings: a successor finds what its predecessor had, and nobody else does.
func TestInheritedSettings(t *testing.T) {
	t.Setenv(settingsVariable, "")
	t.Setenv(successorVariable, "")
	want := settings{gateway.ProcessSpec{User: "nobody", PIDFile: "/run/x", Control: "/run/y", Survive: true}, applog.Spec{Level: "warn", Format: applog.JSON}, true}
	if err := want.leave(); err != nil {
		t.Fatal(err)
	}
	if s, ok := inheritedSettings(); ok {
		t.Errorf("a first master has inherited %+v", s)
	}
	t.Setenv(successorVariable, "5")
	if s, ok := inheritedSettings(); !ok || s != want {
		t.Errorf("got %+v, %v", s, ok)
	}
	t.Setenv(settingsVariable, "{")
	if s, ok := inheritedSettings(); ok {
		t.Errorf("torn settings gave %+v", s)
	}
}
