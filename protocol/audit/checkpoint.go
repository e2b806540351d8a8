package audit

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Origin returns the name under which the log of an organisation signs: it changes with
// the log epoch, so that heads of different logs can never be mistaken for each other.
func Origin(org string, epoch uint64) string { return fmt.Sprintf("stockade/%s/log/%d", org, epoch) }

// Checkpoint is a head of the log: the text of a C2SP tlog-checkpoint.
type Checkpoint struct {
	Origin string
	Tree   tlog.Tree
}

// Text returns the three lines that are signed.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Tree.N, base64.StdEncoding.EncodeToString(c.Tree.Hash[:]))
}

// ParseCheckpoint reads the text of a checkpoint. Extension lines are not used here and refused.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] == "" {
		return Checkpoint{}, errors.New("read checkpoint: want origin, size and root hash, a line each")
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("read checkpoint: size %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("read checkpoint: root hash %q", lines[2])
	}
	return Checkpoint{Origin: lines[0], Tree: tlog.Tree{N: n, Hash: tlog.Hash(root)}}, nil
}

// Signature algorithms of signed notes.
const (
	algEd25519  = 1 // C2SP signed-note
	algCosigner = 4 // C2SP tlog-cosignature version 1
)

type key struct {
	name string
	alg  byte
	pub  ed25519.PublicKey
}

func (k key) Name() string { return k.name }

func (k key) KeyHash() uint32 {
	h := sha256.Sum256(append(append([]byte(k.name), '\n', k.alg), k.pub...))
	return binary.BigEndian.Uint32(h[:4])
}

// vkey returns the text form of a public key that C2SP signed-note defines.
func (k key) vkey() string {
	return fmt.Sprintf("%s+%08x+%s", k.name, k.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{k.alg}, k.pub...)))
}

type logSigner struct {
	key
	signer crypto.Signer
}

func (s logSigner) Sign(msg []byte) ([]byte, error) { return signWith(s.signer, msg) }

type logVerifier struct{ key }

func (v logVerifier) Verify(msg, sig []byte) bool { return ed25519.Verify(v.pub, msg, sig) }

func signWith(s crypto.Signer, msg []byte) ([]byte, error) {
	return s.Sign(nullReader{}, msg, crypto.Hash(0))
}

// nullReader stands where crypto.Signer asks for randomness: Ed25519 needs none.
type nullReader struct{}

func (nullReader) Read([]byte) (int, error) { return 0, io.EOF }

// VKey returns the log's public key as the text that verifiers are given.
func VKey(origin string, pub ed25519.PublicKey) string { return key{origin, algEd25519, pub}.vkey() }

// ParseVKey reads the text form of a log's key.
func ParseVKey(s string) (origin string, pub ed25519.PublicKey, err error) {
	if _, err := note.NewVerifier(s); err != nil {
		return "", nil, fmt.Errorf("read verifier key: %w", err)
	}
	parts := strings.SplitN(s, "+", 3)
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize {
		return "", nil, fmt.Errorf("read verifier key of %s: want an Ed25519 key", parts[0])
	}
	return parts[0], ed25519.PublicKey(raw[1:]), nil
}

// SignCheckpoint returns the signed note of c.
func SignCheckpoint(c Checkpoint, signer crypto.Signer) ([]byte, error) {
	pub, ok := signer.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("sign checkpoint: want an Ed25519 key")
	}
	b, err := note.Sign(&note.Note{Text: c.Text()}, logSigner{key{c.Origin, algEd25519, pub}, signer})
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	return b, nil
}

// OpenCheckpoint verifies that the log with that origin and key signed the note, and returns its head.
func OpenCheckpoint(signed []byte, origin string, pub ed25519.PublicKey) (Checkpoint, error) {
	n, err := note.Open(signed, note.VerifierList(logVerifier{key{origin, algEd25519, pub}}))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != origin {
		return Checkpoint{}, fmt.Errorf("read checkpoint: origin %q, want %q", c.Origin, origin)
	}
	return c, nil
}

// cosigned returns what a witness signs: C2SP tlog-cosignature version 1.
func cosigned(unix uint64, text string) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", unix, text)
}

type cosigner struct {
	key
	signer crypto.Signer
	unix   uint64
}

func (s cosigner) Sign(msg []byte) ([]byte, error) {
	sig, err := signWith(s.signer, cosigned(s.unix, string(msg)))
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint64(nil, s.unix), sig...), nil
}

type witness struct{ key }

func (w witness) Verify(msg, sig []byte) bool {
	return len(sig) == 8+ed25519.SignatureSize && ed25519.Verify(w.pub, cosigned(binary.BigEndian.Uint64(sig), string(msg)), sig[8:])
}

// Cosign adds the witness's signature to a signed checkpoint that it has checked.
func Cosign(signed []byte, c Checkpoint, logKey ed25519.PublicKey, name string, signer crypto.Signer, at time.Time) ([]byte, error) {
	n, err := note.Open(signed, note.VerifierList(logVerifier{key{c.Origin, algEd25519, logKey}}))
	if err != nil {
		return nil, fmt.Errorf("co-sign checkpoint: %w", err)
	}
	pub, ok := signer.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("co-sign checkpoint: want an Ed25519 key")
	}
	b, err := note.Sign(&note.Note{Text: n.Text, Sigs: n.Sigs}, cosigner{key{name, algCosigner, pub}, signer, uint64(max(0, at.Unix()))}) // #nosec G115 -- not negative
	if err != nil {
		return nil, fmt.Errorf("co-sign checkpoint: %w", err)
	}
	return b, nil
}

// CheckCosignature verifies that the witness of that name co-signed the checkpoint, and returns when.
func CheckCosignature(signed []byte, name string, pub ed25519.PublicKey) (Checkpoint, time.Time, error) {
	n, err := note.Open(signed, note.VerifierList(witness{key{name, algCosigner, pub}}))
	if err != nil {
		return Checkpoint{}, time.Time{}, fmt.Errorf("read co-signature of %s: %w", name, err)
	}
	raw, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil || len(raw) < 12 {
		return Checkpoint{}, time.Time{}, fmt.Errorf("read co-signature of %s: too short", name)
	}
	c, err := ParseCheckpoint(n.Text)
	return c, time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0).UTC(), err // #nosec G115 -- a time of the witness's own choice
}
