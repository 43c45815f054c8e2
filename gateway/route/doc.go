// Package route finds the route of a request: by host (exact, then wildcard, then any), by path (exact, regular
// expression, longest prefix, any) and by method; the most specific first, and among equals the order of the file.
//
// Start reading at table.go. A Table is immutable and may be shared by loops; a Matcher is a loop's own, since it keeps
// scratch space.
package route
