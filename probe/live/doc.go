// Package live shows a prober's figures as a table in a terminal that keeps itself up to date: sorted, coloured, with the last
// answers of each target as a small chart.
//
// Start reading at [Run] (live.go); row.go writes a target's line, spark.go its chart. The command line (cli/ping.go) calls it.
package live
