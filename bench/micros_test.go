package main

import (
	"strings"
	"testing"
)

func TestParseFigures(t *testing.T) {
	tests := []struct {
		text string
		want int
		bad  bool
	}{
		{"", 0, false},
		{`{"way":"a","column":"ns","value":1.5}` + "\n" + `{"way":"b","column":"ns","value":2}` + "\n", 2, false},
		{`{"way":"a","column":"ns","value":"1"}`, 0, true},
		{`{"way":"","column":"ns","value":1}`, 0, true},
		{`{"way":"a","value":1}`, 0, true},
		{`panic: oh`, 0, true},
		{`{"way":"a"`, 0, true},
	}
	for _, test := range tests {
		got, err := parseFigures(test.text)
		if (err != nil) != test.bad || err == nil && len(got) != test.want {
			t.Errorf("parseFigures(%q) = %v, %v", test.text, got, err)
		}
	}
}

// TestMicroTable has a way twice as slow as the reference in a round in which both are slow.
func TestMicroTable(t *testing.T) {
	r := report{results: results{Micro: []figure{
		{1, "tasks", "iter.Pull: resume and yield", "ns", 80}, {2, "tasks", "iter.Pull: resume and yield", "ns", 160},
		{1, "tasks", "a | b", "ns", 160}, {2, "tasks", "a | b", "ns", 320},
		{1, "tasks", "a | b", "allocations", 0}, {2, "tasks", "a | b", "allocations", 0},
		{2, "parked", "tasks", "KiB each", 3.14159},
	}}}
	var text strings.Builder
	r.writeMicros(&text)
	for _, want := range []string{
		"### What a task costs\n",
		"| way | ns | allocations | ratio to iter.Pull: resume and yield |\n| --- | ---: | ---: | ---: |\n",
		"| iter.Pull: resume and yield | 120 (80–160) | – | 1 |\n",
		"| a \\| b | 240 (160–320) | 0 | **2.00** (2.00–2.00) |\n",
		"| tasks | 3.14 |\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("missing %q in:\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "mailbox") || strings.Contains(text.String(), "MSG_ZEROCOPY") {
		t.Error("shows a measurement that was not made")
	}
}

// TestMicrosRun makes the quick ones for real: their references must be among the ways.
func TestMicrosRun(t *testing.T) {
	b := driveBench(t)
	for _, m := range allMicros() {
		if m.name != "mailbox" && m.name != "tasks" {
			continue
		}
		figures, err := b.measureMicro(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range figures {
			found = found || f.Way == m.reference
			if f.Value <= 0 && f.Column != "allocations" {
				t.Errorf("%s: %+v", m.name, f)
			}
		}
		if !found {
			t.Errorf("%s: the reference %q is not among %v", m.name, m.reference, figures)
		}
	}
}

func TestCompareSendsCountsCompletions(t *testing.T) {
	plain, zero, copied, err := compareSends(64<<10, 16<<20)
	if err != nil {
		t.Fatal(err)
	}
	if plain.thread <= 0 || zero.thread <= 0 || plain.both < plain.thread || zero.both < zero.thread || copied < 0 || copied > 1 {
		t.Errorf("plain %+v, zero %+v, copied %v", plain, zero, copied)
	}
}

func TestComplete(t *testing.T) {
	completion := func(origin, code byte, first, last byte) []byte {
		return []byte{0, 0, 0, 0, origin, 0, code, 0, first, 0, 0, 0, last, 0, 0, 0}
	}
	tests := []struct {
		name              string
		data              []byte
		completed, copied uint32
		bad               bool
	}{
		{"one", completion(originZeroCopy, 0, 3, 3), 1, 0, false},
		{"a range that was copied", completion(originZeroCopy, codeZeroCopyCopied, 3, 6), 4, 4, false},
		{"another origin", completion(1, 0, 0, 0), 0, 0, true},
		{"cut off", completion(originZeroCopy, 0, 0, 0)[:15], 0, 0, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var z zeroCopy
			err := z.complete(test.data)
			if (err != nil) != test.bad || z.completed != test.completed || z.copied != test.copied {
				t.Errorf("complete = %v, %+v", err, z)
			}
		})
	}
}
