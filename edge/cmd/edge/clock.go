package main

import "time"

// clockShift is how wrong this machine's clock is, such as "87600h". The linker sets it in a program that
// tests build for themselves; nothing can set it in one that is shipped.
var clockShift = "0"

var shift = parseShift(clockShift)

func parseShift(s string) time.Duration {
	if d, err := time.ParseDuration(s); err == nil {
		return d
	}
	return 0
}

// machineTime is what this machine's clock shows.
func machineTime() time.Time { return time.Now().Add(shift) }
