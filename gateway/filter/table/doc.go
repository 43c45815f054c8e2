// Package table lists the filters that a configuration can name. filters.txt is the list, zfilters.go is generated from
// it.
package table

//go:generate go run ./gen
