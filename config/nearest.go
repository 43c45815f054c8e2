package config

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// maxNearestLength bounds the words that are compared, in bytes: the cost of a distance grows with the product of the
// two lengths, and nobody mistypes a longer one.
const maxNearestLength = 64

// Nearest returns the known word that got was probably meant to be, or false when none is near. Words are near when
// they differ by one letter, or by at most a third of the longer one, where swapping two neighbours counts as one
// difference and upper case, "-" and "_" as none. Of equally near words the first in the alphabet wins, so that the
// answer does not depend on the order of known.
func Nearest(got string, known []string) (string, bool) {
	if got == "" || len(got) > maxNearestLength {
		return "", false
	}
	folded := fold(got)
	best, bestDistance := "", -1
	for _, k := range known {
		if k == "" || k == got || len(k) > maxNearestLength {
			continue
		}
		candidate := fold(k)
		d := distance(folded, candidate)
		if d > nearLimit(folded, candidate) {
			continue
		}
		if bestDistance < 0 || d < bestDistance || d == bestDistance && k < best {
			best, bestDistance = k, d
		}
	}
	return best, bestDistance >= 0
}

// fold removes the differences that do not count.
func fold(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "-", "_")
}

// nearLimit is how many differences two words may have. Very short words are near only when one starts the other: by
// their number of differences any two of them would be.
func nearLimit(a, b string) int {
	shorter := min(utf8.RuneCountInString(a), utf8.RuneCountInString(b))
	longer := max(utf8.RuneCountInString(a), utf8.RuneCountInString(b))
	if shorter <= 2 && longer <= 3 && !strings.HasPrefix(a, b) && !strings.HasPrefix(b, a) {
		return 0
	}
	return max(1, longer/3)
}

// distance is the Damerau-Levenshtein distance in its optimal string alignment form: insertions, deletions,
// replacements and swaps of neighbours, no letter edited twice.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

// maxListed bounds how many known words a message lists when none is near.
const maxListed = 12

// listed writes the known words for a message, in the order of the alphabet, so that a map's order never shows.
func listed(known []string) string {
	sorted := slices.Clone(known)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	if len(sorted) > maxListed {
		return strings.Join(sorted[:maxListed], ", ") + ", …"
	}
	return strings.Join(sorted, ", ")
}
