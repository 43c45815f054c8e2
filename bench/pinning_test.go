package main

import (
	"slices"
	"strings"
	"testing"
)

func TestAllowedCPUs(t *testing.T) {
	tests := []struct {
		list string
		want []int
	}{
		{"0-1", []int{0, 1}},
		{"7", []int{7}},
		{"0-2,8,10-11", []int{0, 1, 2, 8, 10, 11}},
		{"4,2-4", []int{2, 3, 4}},
		{"", nil},
		{"x", nil},
		{"3-", nil},
		{"-3", nil},
		{"3-1", nil},
		{"0-65535", nil},
	}
	for _, test := range tests {
		t.Run(test.list, func(t *testing.T) {
			got, err := allowedCPUs("Name:\tx\nCpus_allowed_list:\t" + test.list + "\nMems_allowed:\t1\n")
			if !slices.Equal(got, test.want) || (err == nil) != (test.want != nil) {
				t.Errorf("allowedCPUs = %v, %v; want %v", got, err, test.want)
			}
		})
	}
	if got, err := allowedCPUs("Name:\tx\n"); err == nil {
		t.Errorf("allowedCPUs without the line = %v, want an error", got)
	}
}

func FuzzAllowedCPUs(f *testing.F) {
	f.Add("Cpus_allowed_list:\t0-2,8\n")
	f.Fuzz(func(t *testing.T, status string) {
		cpus, err := allowedCPUs(status)
		if err == nil && (len(cpus) == 0 || !slices.IsSorted(cpus) || cpus[len(cpus)-1] >= maxCPUs) {
			t.Errorf("allowedCPUs(%q) = %v", status, cpus)
		}
	})
}

func TestPinningSeparatesTheProxy(t *testing.T) {
	p := pinning{taskset: "/bin/taskset", proxy: 3, others: []int{0, 1}}
	if got, want := strings.Join(p.command(false, "nginx", "-v"), " "), "/bin/taskset -c 3 nginx -v"; got != want {
		t.Errorf("proxy runs as %q, want %q", got, want)
	}
	if got, want := strings.Join(p.command(true, "wrk"), " "), "/bin/taskset -c 0,1 wrk"; got != want {
		t.Errorf("load runs as %q, want %q", got, want)
	}
	if got := strings.Join(pinning{}.command(true, "wrk", "-v"), " "); got != "wrk -v" {
		t.Errorf("unpinned runs as %q", got)
	}
}
