package conn

const exhaustedEnv = "RINGWAY_TEST_EXHAUSTED"

func exhaustedChild() int { return 0 }
