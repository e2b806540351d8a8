package device

import "testing"

// Whatever the baud rate of a printer, the wait for its answer ends.
func TestWireTime(t *testing.T) {
	for _, tt := range []struct {
		n, baud int
		want    string
	}{{0, 9600, "0s"}, {960, 9600, "1s"}, {1 << 30, 115200, "711.111111ms"}} {
		if got := wireTime(tt.n, tt.baud).String(); got != tt.want {
			t.Errorf("wireTime(%d, %d) = %s, want %s", tt.n, tt.baud, got, tt.want)
		}
	}
}
