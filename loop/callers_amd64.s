#include "textflag.h"

// func callersOf() callers
//
// This has no frame of its own, so BP is its caller's frame pointer: there stands the next one outwards, and above it
// the address that the caller returns to. Go keeps frame pointers in every function that calls another, and what is walked
// here is the way to a spawn, at least five calls deep.
TEXT ·callersOf(SB), NOSPLIT|NOFRAME, $0-24
	MOVQ 8(BP), AX
	MOVQ AX, ret_0+0(FP)
	MOVQ (BP), CX
	MOVQ 8(CX), AX
	MOVQ AX, ret_1+8(FP)
	MOVQ (CX), CX
	MOVQ 8(CX), AX
	MOVQ AX, ret_2+16(FP)
	RET
