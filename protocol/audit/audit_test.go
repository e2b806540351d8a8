package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func TestProofs(t *testing.T) {
	log := Log{&Memory{}}
	for i := range 40 {
		if _, err := log.Append(Leaf{LeafBatch, sha256.Sum256([]byte{byte(i)})}); err != nil {
			t.Fatal(err)
		}
	}
	head, err := log.Head()
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(40) {
		p, err := log.Inclusion(40, i)
		if err != nil {
			t.Fatal(err)
		}
		leaf := Leaf{LeafBatch, sha256.Sum256([]byte{byte(i)})}
		if err := CheckInclusion(head, i, leaf, p); err != nil {
			t.Errorf("leaf %d: %v", i, err)
		}
		leaf.Kind = LeafEntry
		if err := CheckInclusion(head, i, leaf, p); !errors.Is(err, ErrProof) {
			t.Errorf("leaf %d of another kind: %v, want ErrProof", i, err)
		}
		old, _ := log.HeadAt(i)
		p, err = log.Consistency(40, i)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckConsistency(head, old, p); err != nil {
			t.Errorf("from %d: %v", i, err)
		}
		if old.Hash[0] ^= 1; i > 0 && !errors.Is(CheckConsistency(head, old, p), ErrProof) {
			t.Errorf("from a forged head of %d: accepted", i)
		}
	}
}

func TestCheckpoint(t *testing.T) {
	pub, priv, _ := ed25519.GenerateKey(rand.Reader)
	nodePub, nodePriv, _ := ed25519.GenerateKey(rand.Reader)
	log := Log{&Memory{}}
	if _, err := log.Append(Leaf{LeafOpening, sha256.Sum256(nil)}); err != nil {
		t.Fatal(err)
	}
	head, _ := log.Head()
	c := Checkpoint{Origin("acme", 1), head}
	signed, err := SignCheckpoint(c, priv)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenCheckpoint(signed, c.Origin, pub); err != nil || got != c {
		t.Fatalf("OpenCheckpoint = %+v, %v, want %+v", got, err, c)
	}
	// The public reader of signed notes must agree with ours.
	v, err := note.NewVerifier(VKey(c.Origin, pub))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(signed, note.VerifierList(v)); err != nil {
		t.Errorf("x/mod/sumdb/note: %v", err)
	}
	if _, err := OpenCheckpoint(signed, c.Origin, nodePub); err == nil {
		t.Error("opened with another key")
	}
	if _, err := OpenCheckpoint(signed, Origin("acme", 2), pub); err == nil {
		t.Error("opened as the head of another log")
	}
	at := time.Unix(1795490000, 0).UTC()
	both, err := Cosign(signed, c, pub, "sh-1", nodePriv, at)
	if err != nil {
		t.Fatal(err)
	}
	if got, when, err := CheckCosignature(both, "sh-1", nodePub); err != nil || got != c || !when.Equal(at) {
		t.Errorf("CheckCosignature = %+v, %v, %v, want %+v at %v", got, when, err, c, at)
	}
	if _, _, err := CheckCosignature(both, "sh-2", nodePub); err == nil {
		t.Error("co-signature passes for another witness")
	}
	if _, err := OpenCheckpoint(both, c.Origin, pub); err != nil {
		t.Errorf("log signature after co-signing: %v", err)
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add("stockade/acme/log/1\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := ParseCheckpoint(s); err == nil && c.Text() != s {
			t.Fatalf("%q reads, but writes as %q", s, c.Text())
		}
	})
}

func FuzzParseLeaf(f *testing.F) {
	f.Add(Leaf{Kind: LeafBatch}.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := ParseLeaf(b); err == nil && string(l.Bytes()) != string(b) {
			t.Fatalf("%x reads, but writes as %x", b, l.Bytes())
		}
	})
}
