package mqtt

import (
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// The verdict on a stream must not depend on how the network cuts it into pieces.
func FuzzFrameGuard(f *testing.F) {
	f.Add([]byte{packets.Connack << 4, 2, 0, 0, packets.Pingresp << 4, 0}, uint8(1))
	f.Add([]byte{packets.Publish << 4, 0x80, 1, 0, 1, 'a'}, uint8(3))
	f.Add([]byte{packets.Publish << 4, 0xff, 0xff, 0xff, 0xff, 0x7f}, uint8(2))
	f.Add([]byte{packets.Suback << 4, 3, 0, 1, 1, packets.Suback << 4, 4, 0, 1, 1, 1}, uint8(7))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		var whole, cut frameGuard
		want := whole.check(stream)
		var got error
		for rest := stream; len(rest) > 0 && got == nil; {
			n := min(int(piece)+1, len(rest))
			got, rest = cut.check(rest[:n]), rest[n:]
		}
		if (got == nil) != (want == nil) {
			t.Errorf("in pieces of %d: %v, as a whole: %v", int(piece)+1, got, want)
		}
		if want == nil && (whole != cut || whole.skip > maxFrame) {
			t.Errorf("in pieces of %d: %+v, as a whole: %+v", int(piece)+1, cut, whole)
		}
	})
}
