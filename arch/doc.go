// Package arch holds the house rules that a compiler does not know, as tests: who may import whom, what belongs in sys
// alone, how files are named, how long they get, and that generated files are what their generators write.
//
// Reading starts at policy_test.go, the table of rules; imports_test.go and source_test.go are the rules themselves,
// tree_test.go is how they see the repository, bite_test.go breaks each of them on purpose, and generated_test.go runs
// the generators. To permit an exception, add it to the table beside the rule, with the reason: an exception that nothing
// needs any more fails as well.
//
// Nobody imports it.
package arch
