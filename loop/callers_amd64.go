package loop

// callersOf gives the return addresses of the function that calls it, of that one's caller, and so on: three loads along
// the frame pointers, 2 ns, where runtime.Callers takes 130. Its caller must not be inlined.
func callersOf() callers
